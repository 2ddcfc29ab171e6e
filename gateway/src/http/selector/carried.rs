//! Carrying out a choice, and the answer to it.

use axum::response::Response;
use serde_json::json;
use tallygate_core::actor::ActorKind;
use tallygate_core::command::{self, Command, Request};
use tallygate_core::id::{CommandId, SlotName};
use tallygate_core::selection::{Choice, Chosen, Rejection};
use tallygate_core::stream::Position;

use super::chooser::Chooser;
use super::named::Names;
use super::parameters;
use super::shown::Shown;
use crate::command::Refused;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::change::changed;
use crate::pipeline::refusal;

/// Carries out a choice, and tells the position since which it is so. To choose what is chosen already is no error. What a key
/// asks counts as a request in the rate limits of its chain: each choice is a line of the log that all gateways read.
///
/// # Errors
/// A limit that is reached, and what the command is refused for.
///
/// Cancellation: what was begun may still be carried out.
pub(super) async fn out(
    app: &App,
    chooser: &Chooser,
    id: Option<CommandId>,
    command: Command,
) -> Result<Position, ApiError> {
    chooser.count(app)?;
    let actor = chooser.actor.clone();
    let outcome = match id {
        Some(id) => app.commands.submit(actor, Request { id: own_id(chooser, id)?, command }).await,
        None => app.commands.issue(actor, command).await,
    };
    match outcome {
        Ok(receipt) => Ok(receipt.position),
        Err(refused) if refused.code == "no_change" => Ok(app.pipeline.views.control.position()),
        Err(refused) => Err(told(chooser, refused)),
    }
}

/// What a change that was made at a position has come to; none where no model is chosen since.
///
/// # Errors
/// The views cannot be read.
pub(super) fn made(
    app: &App,
    chooser: &Chooser,
    slot: &SlotName,
    position: Position,
) -> Result<Option<Chosen>, ApiError> {
    let after = Position::new(position.get().saturating_add(1));
    let control = &app.pipeline.views.control;
    let made = control
        .choices(chooser.owner().as_ref(), &chooser.scope, slot, after, 1)
        .map_err(|error| refusal::views(&error))?;
    Ok(made.into_iter().next().and_then(|choice| {
        let Choice { to, preset, parameters, .. } = choice;
        to.map(|model| Chosen { model, preset, parameters })
    }))
}

/// The answer to a choice; without a model where none is chosen any more.
pub(super) fn answer(
    app: &App,
    chooser: &Chooser,
    slot: &SlotName,
    chosen: Option<&Chosen>,
    position: Position,
) -> Response {
    let model = chosen.map(|chosen| &chosen.model);
    let snapshot = app.pipeline.views.control.snapshot();
    let (control, realm) = (&snapshot.control, chooser.realm());
    let names = Names { control, vendors: app.pipeline.upstreams.vendors(), realm: &realm };
    let visible = model.and_then(|model| control.visible_model(&realm, model));
    let shown = visible.and_then(|model| Shown::new(&names, &app.pipeline, chooser, model));
    // A command that is sent again may be about a model that is gone by now.
    let unshown = || json!({ "model_id": model, "provider": null, "model_info": null });
    let mut answer = shown.as_ref().map_or_else(unshown, Shown::chosen);
    answer["slot"] = json!(slot);
    answer["model"] = json!(model);
    answer["preset"] = json!(chosen.and_then(|chosen| chosen.preset.as_ref()));
    answer["parameters"] = chosen.map(|chosen| parameters::told(&chosen.parameters)).unwrap_or_default();
    answer["scope"] = json!(chooser.scope);
    answer["position"] = json!(position);
    changed(position, answer)
}

/// The id of a command. Those of a key are its own: no key meets, takes or finds out another's.
fn own_id(chooser: &Chooser, id: CommandId) -> Result<CommandId, ApiError> {
    match chooser.actor.kind {
        ActorKind::Key => CommandId::new(format!("{}:{id}", chooser.scope))
            .map_err(|error| ApiError::new(ErrorCode::ParameterInvalid, error.to_string()).param("id")),
        _ => Ok(id),
    }
}

/// A refusal, as it is told. A key does not learn which models others have: one that it may not call is not there.
fn told(chooser: &Chooser, refused: Refused) -> ApiError {
    let rule = refused.rejection.as_deref();
    match (rule, chooser.actor.kind) {
        (Some(command::Rejection::Selection(Rejection::NotGranted { model, .. })), ActorKind::Key) => {
            let unknown = Rejection::UnknownModel(model.clone());
            ApiError::coded(unknown.code(), 404, unknown.to_string()).param("model_id")
        }
        (Some(command::Rejection::Selection(Rejection::UnknownModel(_))), _) => {
            ApiError::from(refused).param("model_id")
        }
        _ => ApiError::from(refused),
    }
}
