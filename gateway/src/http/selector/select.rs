//! `POST /models/select`: another model for a slot, from the next request on.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use tallygate_core::id::{CommandId, ModelName, SlotName};
use tallygate_core::selection::SelectModel;

use super::asked;
use super::carried;
use super::chooser::Chooser;
use super::named::Names;
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::caller::Caller;

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// A public name, or the bare name with the provider.
    model_id: String,
    provider: Option<String>,
    #[serde(default = "SlotName::current")]
    slot: SlotName,
    /// For the holder of the master key; none for the gateway.
    scope: Option<String>,
    /// The id of the command: the same again is carried out once.
    id: Option<CommandId>,
}

/// Selects a model for a slot. To select what is selected already is no error, and writes nothing.
///
/// Cancellation: what was begun may still be carried out.
pub(super) async fn select(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let caller = Caller::of_any_kind(&app, &headers).await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let Asked { model_id, provider, slot, scope, id } = asked::body(&bytes)?;
    let chooser = Chooser::to_change(&app, &caller, scope.as_deref())?;
    let model = meant(&app, &chooser, &model_id, provider.as_deref())?;
    let command = SelectModel { scope: chooser.scope.clone(), slot: slot.clone(), model: model.clone() };
    let position = carried::out(&app, &chooser, id, command.into()).await?;
    Ok(carried::answer(&app, &chooser, &slot, Some(&model), position))
}

/// The public name that is meant. A name that means nothing is what the command is refused for, and recorded with.
fn meant(app: &App, chooser: &Chooser, model_id: &str, provider: Option<&str>) -> Result<ModelName, ApiError> {
    let snapshot = app.pipeline.views.control.snapshot();
    let realm = chooser.realm();
    let names = Names { control: &snapshot.control, vendors: app.pipeline.upstreams.vendors(), realm: &realm };
    if let Some(found) = names.find(model_id, provider) {
        return Ok(found.name.clone());
    }
    let name = provider.map_or_else(|| model_id.to_owned(), |provider| format!("{provider}/{model_id}"));
    ModelName::new(name)
        .map_err(|error| ApiError::new(ErrorCode::ParameterInvalid, error.to_string()).param("model_id"))
}
