//! `POST /models/select`: another model for a slot, or what a preset says, from the next request on.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use tallygate_core::id::{CommandId, PresetName, SlotName};
use tallygate_core::selection::preset::Parameters;
use tallygate_core::selection::{Chosen, SelectModel, SelectPreset};

use super::asked;
use super::carried;
use super::chooser::Chooser;
use super::named::meant;
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
    model_id: Option<String>,
    provider: Option<String>,
    /// A preset, in place of a model.
    preset: Option<PresetName>,
    #[serde(default = "SlotName::current")]
    slot: SlotName,
    /// For the holder of the master key; none for the gateway.
    scope: Option<String>,
    /// The id of the command: the same again is carried out once.
    id: Option<CommandId>,
}

/// Selects a model for a slot, or a preset. To select what is selected already is no error, and writes nothing.
///
/// Cancellation: what was begun may still be carried out.
pub(super) async fn select(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let caller = Caller::of_any_kind(&app, &headers).await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let Asked { model_id, provider, preset, slot, scope, id } = asked::body(&bytes)?;
    let chooser = Chooser::to_change(&app, &caller, scope.as_deref())?;
    let scope = chooser.scope.clone();
    match (model_id, preset) {
        (Some(model_id), None) => {
            let model = meant(&app, &chooser, &model_id, provider.as_deref())?;
            let command = SelectModel { scope, slot: slot.clone(), model: model.clone() };
            let position = carried::out(&app, &chooser, id, command.into()).await?;
            let chosen = Chosen { model, preset: None, parameters: Parameters::default() };
            Ok(carried::answer(&app, &chooser, &slot, Some(&chosen), position))
        }
        (None, Some(preset)) if provider.is_none() => {
            let command = SelectPreset { scope, slot: slot.clone(), preset };
            let position = carried::out(&app, &chooser, id, command.into()).await?;
            // What it came to stands in the history, also when it is sent again after other choices.
            let chosen = carried::made(&app, &chooser, &slot, position)?;
            Ok(carried::answer(&app, &chooser, &slot, chosen.as_ref(), position))
        }
        _ => {
            let message = "the body names a model by `model_id`, and maybe its `provider`, or else a `preset`";
            Err(ApiError::new(ErrorCode::BodyInvalid, message))
        }
    }
}
