//! What a request itself says of its routing, in LiteLLM's words: `fallbacks`, `disable_fallbacks`, `num_retries`, `timeout`,
//! `stream_timeout`.

use std::time::Duration;

use serde_json::Value;
use tallygate_adapters::dialect::client_request::ClientRequest;
use tallygate_core::id::ModelName;
use tallygate_core::port::provider::Timeouts;
use tallygate_core::routing::{FALLBACKS_MAX, RETRIES_MAX};

/// The models to go to when the one that was asked for has failed; none if the request does not say. What is no name of a
/// model leads nowhere.
pub(super) fn fallbacks(request: &ClientRequest) -> Option<Vec<ModelName>> {
    if request.field("disable_fallbacks") == Some("true") {
        return Some(Vec::new());
    }
    let Value::Array(list) = field(request, "fallbacks")? else { return None };
    let name = |entry: &Value| {
        entry.as_str().or_else(|| entry.get("model")?.as_str()).and_then(|name| ModelName::new(name).ok())
    };
    Some(list.iter().filter_map(name).take(FALLBACKS_MAX).collect())
}

/// How often it may be tried again on one model; none if the request does not say.
pub(super) fn retries(request: &ClientRequest) -> Option<u8> {
    let number = field(request, "num_retries")?.as_u64()?;
    Some(u8::try_from(number).unwrap_or(RETRIES_MAX).min(RETRIES_MAX))
}

/// How long each of its attempts is waited for: never longer than `own`, which a deployment says, since a client has a say in
/// its own patience alone. A stream's `timeout` is for each wait, as that of a deployment is.
pub(super) fn timeouts(request: &ClientRequest, own: Timeouts) -> Timeouts {
    let told = |name| field(request, name)?.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    if request.streams() {
        own.at_most(told("stream_timeout").or_else(|| told("timeout")), None)
    } else {
        let each = told("timeout");
        own.at_most(each, each)
    }
}

fn field(request: &ClientRequest, name: &str) -> Option<Value> {
    serde_json::from_str(request.field(name)?).ok()
}
