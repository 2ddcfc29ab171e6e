//! Phase 3: the request names a model that its key may call.

use std::sync::Arc;

use tallygate_adapters::dialect::client_request::ClientRequest;
use tallygate_core::admission;
use tallygate_core::control::Control;
use tallygate_core::end_user::EndUser;
use tallygate_core::key::Key;
use tallygate_core::registry::Model;
use tallygate_core::selection::preset::Parameters;
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
    /// Those in whose name it is asked, as far as they are registered.
    pub(crate) end_users: Vec<Arc<EndUser>>,
    pub(crate) model: Arc<Model>,
    /// The selection that led to the model.
    pub(crate) selected: Option<Position>,
}

impl Authenticated {
    /// Finds the model that the request names, and checks that the key may call it, in the name of whom it says.
    ///
    /// # Errors
    /// The answer for the client. The refusal is recorded.
    pub(crate) fn resolve(self, pipeline: &Pipeline, request: ClientRequest) -> Result<Resolved, ApiError> {
        let Self { received, snapshot, caller } = self;
        let allowed = allowed(&snapshot.control, &caller.key, &request, &received);
        match allowed.and_then(|allowed| Ok((defaults(&request, &allowed.0.parameters)?, allowed))) {
            Ok((defaults, (admission::Permit { model, selected, .. }, end_users))) => {
                let request = defaults.unwrap_or(request);
                Ok(Resolved { received, snapshot, caller, request, end_users, model, selected })
            }
            Err(error) => {
                refusal::record(pipeline, &received, Some(&caller.key), Some(request.model()), &error);
                Err(error)
            }
        }
    }
}

/// The request with the parameters of the preset that led to its model; none where it has them all, or there are none.
fn defaults(request: &ClientRequest, parameters: &Parameters) -> Result<Option<ClientRequest>, ApiError> {
    if parameters.is_empty() {
        return Ok(None);
    }
    request.with_defaults(parameters).map_err(|rejection| refusal::rejection(&rejection))
}

/// The model that a key may call, and the end users in whose name.
fn allowed(
    control: &Control,
    key: &Key,
    request: &ClientRequest,
    received: &Received,
) -> Result<(admission::Permit, Vec<Arc<EndUser>>), ApiError> {
    let permit = admission::resolve_within(control, key, received.context.as_ref(), request.model())
        .map_err(|refused| refusal::model(&refused, request.model(), received.endpoint))?;
    if !admission::knows_end_users(control) {
        return Ok((permit, Vec::new()));
    }
    let named = request.user();
    let end_users = admission::end_users(control, key, named.as_deref())
        .map_err(|refused| refusal::end_user(&refused, named.as_deref().unwrap_or_default()))?;
    Ok((permit, end_users))
}
