//! Headers of a successful answer: LiteLLM's, which its clients read, and ours.

use http::{HeaderMap, HeaderName, HeaderValue};
use tallygate_core::scope::Scope;

use crate::limits::{Kind, Left};
use crate::pipeline::settled::Summary;

const CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MODEL_ID: HeaderName = HeaderName::from_static("x-litellm-model-id");
const MODEL_GROUP: HeaderName = HeaderName::from_static("x-litellm-model-group");
const COST: HeaderName = HeaderName::from_static("x-litellm-response-cost");
const DURATION: HeaderName = HeaderName::from_static("x-litellm-response-duration-ms");
const POSITION: HeaderName = HeaderName::from_static("x-tallygate-position");
const OUTPUT_LIMIT: HeaderName = HeaderName::from_static("x-tallygate-max-output-tokens");

/// Ours, and those that the server adds.
const HEADERS_MAX: usize = 20;

/// Adds what a request's summary tells.
pub(crate) fn add(headers: &mut HeaderMap, summary: &Summary) {
    // More than are ever set, so that the map grows once.
    headers.reserve(HEADERS_MAX);
    let id = text(&summary.request.to_string());
    put(headers, REQUEST_ID, id.clone());
    put(headers, CALL_ID, id);
    put(headers, MODEL_ID, text(&summary.deployment));
    put(headers, MODEL_GROUP, text(&summary.model));
    put(headers, POSITION, Some(HeaderValue::from(summary.position)));
    put(headers, DURATION, Some(HeaderValue::from(summary.duration_ms)));
    put(headers, COST, summary.cost.and_then(|cost| text(&cost.to_string())));
    put(headers, OUTPUT_LIMIT, summary.output_limit.map(HeaderValue::from));
    for left in &summary.left {
        limits(headers, left);
    }
}

/// `x-ratelimit-*` of the key, in OpenAI's names and in LiteLLM's.
fn limits(headers: &mut HeaderMap, left: &Left) {
    let of_key = match (&left.scope, left.kind) {
        (Scope::Key(_), Kind::Requests) => [
            (HeaderName::from_static("x-ratelimit-limit-requests"), left.limit),
            (HeaderName::from_static("x-ratelimit-remaining-requests"), left.remaining),
            (HeaderName::from_static("x-ratelimit-api_key-limit-requests"), left.limit),
            (HeaderName::from_static("x-ratelimit-api_key-remaining-requests"), left.remaining),
        ],
        (Scope::Key(_), Kind::Tokens) => [
            (HeaderName::from_static("x-ratelimit-limit-tokens"), left.limit),
            (HeaderName::from_static("x-ratelimit-remaining-tokens"), left.remaining),
            (HeaderName::from_static("x-ratelimit-api_key-limit-tokens"), left.limit),
            (HeaderName::from_static("x-ratelimit-api_key-remaining-tokens"), left.remaining),
        ],
        _ => return,
    };
    for (name, value) in of_key {
        put(headers, name, Some(HeaderValue::from(value)));
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}

/// A header value; none where a name holds what a header cannot.
fn text(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}
