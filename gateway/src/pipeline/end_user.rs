//! In whose name a request is asked, by its own word: a header's, or else its body's. It is found once, so that what is
//! checked, held and recorded is the same.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};
use serde_json::Value;
use tallygate_adapters::dialect::client_request::ClientRequest;

/// LiteLLM's headers, which name an end user whatever is configured.
static HEADERS: [HeaderName; 2] =
    [HeaderName::from_static("x-litellm-customer-id"), HeaderName::from_static("x-litellm-end-user-id")];

/// Whom the headers name: LiteLLM's own first, if there can be any, then those of the configuration in their order.
pub(super) fn of_headers(headers: &HeaderMap, is_extended: bool, configured: &[HeaderName]) -> Option<String> {
    let own: &[HeaderName] = if is_extended { &HEADERS } else { &[] };
    let mut names = own.iter().chain(configured);
    let value = names.find_map(|name| headers.get(name).filter(|value| !value.is_empty()))?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Whom the request names: by a header, by `user` of its body (Anthropic's `metadata.user_id`), or where OpenAI's clients of
/// LiteLLM put it besides.
pub(super) fn named(of_headers: Option<String>, request: &ClientRequest) -> Option<String> {
    of_headers
        .or_else(|| request.user().map(Cow::into_owned))
        .or_else(|| within(request, "litellm_metadata", "user"))
        .or_else(|| within(request, "metadata", "user_id"))
}

fn within(request: &ClientRequest, field: &str, name: &str) -> Option<String> {
    let text = request.field(field).filter(|text| text.contains(name))?;
    let value: Value = serde_json::from_str(text).ok()?;
    value.get(name)?.as_str().filter(|named| !named.is_empty()).map(str::to_owned)
}
