//! Phase 3: the request names a model that its key may call.

use std::sync::Arc;

use tallygate_adapters::dialect::client_request::ClientRequest;
use tallygate_core::activity::Tags;
use tallygate_core::admission;
use tallygate_core::control::Control;
use tallygate_core::end_user::EndUser;
use tallygate_core::key::Key;
use tallygate_core::registry::Model;
use tallygate_core::selection::preset::Parameters;
use tallygate_core::stream::Position;
use tallygate_core::tag::Tag;
use tallygate_projections::{KeyRow, Snapshot};

use super::Pipeline;
use super::authenticated::Authenticated;
use super::received::Received;
use super::{end_user, refusal, tags};
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
    /// What it is told apart by.
    pub(crate) tags: Tags,
    /// Those of its tags that have rules.
    pub(crate) ruling: Vec<Arc<Tag>>,
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
        let Self { mut received, snapshot, caller } = self;
        received.tags = tags::own(std::mem::take(&mut received.tags), &request);
        received.end_user = end_user::named(received.end_user.take(), &request);
        let tags = tags::all(&snapshot.control, &caller.key, &received.tags);
        let allowed = allowed(&snapshot.control, (&caller.key, &tags), &request, &received);
        match allowed.and_then(|allowed| Ok((defaults(&request, &allowed.permit.parameters)?, allowed))) {
            Ok((defaults, Permitted { permit: admission::Permit { model, selected, .. }, end_users, ruling })) => {
                let request = defaults.unwrap_or(request);
                Ok(Resolved { received, snapshot, caller, request, end_users, tags, ruling, model, selected })
            }
            Err(error) => {
                refusal::record(pipeline, &received, Some(&caller.key), Some(request.model()), &error);
                Err(error)
            }
        }
    }
}

/// The model that a key may call, in whose name, and under which tags.
struct Permitted {
    permit: admission::Permit,
    end_users: Vec<Arc<EndUser>>,
    ruling: Vec<Arc<Tag>>,
}

/// The request with the parameters of the preset that led to its model; none where it has them all, or there are none.
fn defaults(request: &ClientRequest, parameters: &Parameters) -> Result<Option<ClientRequest>, ApiError> {
    if parameters.is_empty() {
        return Ok(None);
    }
    request.with_defaults(parameters).map_err(|rejection| refusal::rejection(&rejection))
}

fn allowed(
    control: &Control,
    (key, tags): (&Key, &Tags),
    request: &ClientRequest,
    received: &Received,
) -> Result<Permitted, ApiError> {
    let permit = admission::resolve_within(control, key, received.context.as_ref(), request.model())
        .map_err(|refused| refusal::model(&refused, request.model(), received.endpoint))?;
    let barred = |refused| refusal::tag(&refused, request.model(), received.endpoint);
    let ruling = admission::tags(control, key, tags).map_err(barred)?;
    admission::permit_tagged(&ruling, &permit.model.name).map_err(barred)?;
    if !admission::knows_end_users(control) {
        return Ok(Permitted { permit, end_users: Vec::new(), ruling });
    }
    let named = received.end_user.as_deref();
    let end_users = admission::end_users(control, key, named)
        .map_err(|refused| refusal::end_user(&refused, named.unwrap_or_default()))?;
    Ok(Permitted { permit, end_users, ruling })
}
