//! What a request is told apart by: tags of its own, of its key, and of its realms.

use http::{HeaderMap, HeaderName};
use serde_json::Value;
use tallygate_adapters::dialect::client_request::ClientRequest;
use tallygate_core::activity::Tags;
use tallygate_core::control::Control;
use tallygate_core::json::Json;
use tallygate_core::key::Key;

/// LiteLLM's header: words with commas between them.
static HEADER: HeaderName = HeaderName::from_static("x-litellm-tags");

/// The tags of a request's headers.
pub(super) fn of_headers(headers: &HeaderMap) -> Tags {
    let said = headers.get_all(&HEADER).iter().filter_map(|value| value.to_str().ok());
    Tags::of(said.flat_map(|words| words.split(',')).map(str::trim))
}

/// The tags that a request itself has: those of its headers, `tags` of its body, and `tags` of `metadata`. They route, too.
pub(crate) fn own(of_headers: Tags, request: &ClientRequest) -> Tags {
    let mut tags = of_headers;
    let field = |name: &str| request.field(name).filter(|text| text.contains("\""));
    if let Some(said) = field("tags").and_then(|text| serde_json::from_str::<Value>(text).ok()) {
        add(&mut tags, &said);
    }
    if let Some(said) = field("metadata").filter(|text| text.contains("\"tags\"")) {
        add_attached(&mut tags, said);
    }
    tags
}

/// All tags of a request. Where there are too many, those are left out that stand last: so what is attached to the outermost
/// realm comes first and the request's own last, since nobody may crowd out a tag that others put on them.
pub(super) fn all(control: &Control, key: &Key, own: &Tags) -> Tags {
    let attached = std::iter::once(&key.metadata).chain(control.chain(&key.realm).map(|realm| &realm.metadata));
    let attached: Vec<&str> = attached.map(Json::as_str).filter(|text| text.contains("\"tags\"")).collect();
    if attached.is_empty() {
        return own.clone();
    }
    let mut tags = Tags::default();
    attached.into_iter().rev().for_each(|metadata| add_attached(&mut tags, metadata));
    own.iter().for_each(|tag| tags.add(tag.as_str()));
    tags
}

fn add_attached(tags: &mut Tags, metadata: &str) {
    if let Ok(metadata) = serde_json::from_str::<Value>(metadata) {
        add(tags, &metadata["tags"]);
    }
}

fn add(tags: &mut Tags, said: &Value) {
    for word in said.as_array().into_iter().flatten().filter_map(Value::as_str) {
        tags.add(word);
    }
}
