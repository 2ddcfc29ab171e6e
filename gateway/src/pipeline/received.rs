//! Phase 1: a request came in. It has an id and a moment, and nobody knows yet whose it is.

use std::time::Instant;

use http::HeaderMap;
use tallygate_core::activity::Endpoint;
use tallygate_core::id::RequestId;
use tallygate_core::time::Timestamp;

use super::Pipeline;

/// A request of unknown origin.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) id: RequestId,
    pub(crate) endpoint: Endpoint,
    pub(crate) at: Timestamp,
    pub(crate) began: Instant,
}

impl Received {
    /// Takes a request in. A client may choose the id with `x-litellm-call-id`, if it is a uuid: a chosen id is for
    /// finding the request again, so nothing hangs on its being unique.
    pub(crate) fn new(pipeline: &Pipeline, endpoint: Endpoint, headers: &HeaderMap) -> Self {
        let chosen = headers.get("x-litellm-call-id").and_then(|value| value.to_str().ok()?.parse().ok());
        Self {
            id: chosen.unwrap_or_else(|| RequestId::new(pipeline.ids.uuid())),
            endpoint,
            at: pipeline.clock.now(),
            began: Instant::now(),
        }
    }
}
