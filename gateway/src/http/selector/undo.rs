//! `POST /models/undo`: back to the choice before, from the next request on.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use tallygate_core::id::{CommandId, SlotName};
use tallygate_core::selection::UndoSelection;

use super::asked;
use super::carried;
use super::chooser::Chooser;
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::caller::Caller;

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default = "SlotName::current")]
    slot: SlotName,
    /// For the holder of the master key; none for the gateway.
    scope: Option<String>,
    /// The id of the command: the same again is carried out once.
    id: Option<CommandId>,
}

/// Undoes the last change that was not undone yet; again, the one before. No body is an empty one.
///
/// Cancellation: what was begun may still be carried out.
pub(super) async fn undo(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let caller = Caller::of_any_kind(&app, &headers).await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let Asked { slot, scope, id } = asked::body(if bytes.is_empty() { b"{}" } else { &bytes })?;
    let chooser = Chooser::to_change(&app, &caller, scope.as_deref())?;
    let command = UndoSelection { scope: chooser.scope.clone(), slot: slot.clone() };
    let position = carried::out(&app, &chooser, id, command.into()).await?;
    // What it went back to stands in the history, also when it is sent again after other choices.
    let chosen = carried::made(&app, &chooser, &slot, position)?;
    Ok(carried::answer(&app, &chooser, &slot, chosen.as_ref(), position))
}
