//! Carrying out what a route was translated to, and the answer to it.

use axum::Json;
use axum::response::{AppendHeaders, IntoResponse as _, Response};
use serde_json::Value;
use tallygate_core::actor::Actor;
use tallygate_core::command::{Command, Together};
use tallygate_core::stream::Position;

use crate::command::Refused;
use crate::http::App;

/// Carries out commands, all or none, and tells the position since which what was asked is so. Nothing to do, and
/// nothing that would change, is no error: LiteLLM's clients say again what is so already.
///
/// Cancellation: what was begun may still be carried out.
pub(in crate::http) async fn carry_out(
    app: &App,
    actor: Actor,
    mut commands: Vec<Command>,
) -> Result<Position, Refused> {
    let command = match commands.len() {
        0 => return Ok(app.pipeline.views.control.position()),
        1 => commands.remove(0),
        _ => Together::new(commands).into(),
    };
    match app.commands.issue(actor, command).await {
        Ok(receipt) => Ok(receipt.position),
        Err(refused) if refused.code == "no_change" => Ok(app.pipeline.views.control.position()),
        Err(refused) => Err(refused),
    }
}

/// The answer to a change.
pub(in crate::http) fn changed(position: Position, body: Value) -> Response {
    (AppendHeaders([("x-tallygate-position", position.to_string())]), Json(body)).into_response()
}
