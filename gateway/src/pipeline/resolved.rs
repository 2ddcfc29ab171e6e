//! Phase 3: the request names a model that its key may call.

use std::sync::Arc;

use tallygate_adapters::dialect::client_request::ClientRequest;
use tallygate_core::admission;
use tallygate_core::registry::Model;
use tallygate_core::stream::Position;
use tallygate_projections::{KeyRow, Snapshot};

use super::Pipeline;
use super::authenticated::Authenticated;
use super::received::Received;
use super::refusal;
use crate::http::error::ApiError;

/// A request for a model.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) received: Received,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) caller: KeyRow,
    pub(crate) request: ClientRequest,
    pub(crate) model: Arc<Model>,
    /// The selection that led to the model.
    pub(crate) selected: Option<Position>,
}

impl Authenticated {
    /// Finds the model that the request names, and checks that the key may call it.
    ///
    /// # Errors
    /// The answer for the client. The refusal is recorded.
    pub(crate) fn resolve(self, pipeline: &Pipeline, request: ClientRequest) -> Result<Resolved, ApiError> {
        let Self { received, snapshot, caller } = self;
        match admission::resolve_within(&snapshot.control, &caller.key, received.context.as_ref(), request.model()) {
            Ok(permit) => {
                let admission::Permit { model, selected } = permit;
                Ok(Resolved { received, snapshot, caller, request, model, selected })
            }
            Err(refused) => {
                let error = refusal::model(&refused, request.model(), received.endpoint);
                refusal::record(pipeline, &received, Some(&caller.key), Some(request.model()), &error);
                Err(error)
            }
        }
    }
}
