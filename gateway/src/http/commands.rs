//! `POST /api/commands`: commands in their raw form, one or several.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tallygate_core::stream::Position;

use super::App;
use super::body;
use super::error::ApiError;
use super::operator;
use crate::command::{Receipt, Refused};

/// The most commands of one call.
const COMMANDS_MAX: usize = 100;

/// One command is answered with its receipt or its error. Several are carried out in order, each by itself, and answered
/// with a list: a receipt or an error for each; the status is 200 if all were accepted, else 207.
pub(super) async fn submit(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/api/commands").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    if !bytes.trim_ascii_start().starts_with(b"[") {
        let receipt = app.commands.submit_bytes(actor, &bytes).await?;
        return Ok(answered(StatusCode::OK, receipt.position, json!(receipt)));
    }
    let commands: Vec<&RawValue> = serde_json::from_slice(&bytes)
        .map_err(|error| app.commands.unread(actor.clone(), format!("Invalid JSON payload: {error}")))?;
    if commands.is_empty() || commands.len() > COMMANDS_MAX {
        let message = format!("a call holds 1 to {COMMANDS_MAX} commands, this one {}", commands.len());
        return Err(app.commands.unread(actor, message).into());
    }
    let mut outcomes = Vec::with_capacity(commands.len());
    for command in commands {
        outcomes.push(app.commands.submit_bytes(actor.clone(), command.get().as_bytes()).await);
    }
    Ok(several(outcomes))
}

fn several(outcomes: Vec<Result<Receipt, Refused>>) -> Response {
    let position = outcomes.iter().flatten().map(|receipt| receipt.position).max().unwrap_or_default();
    let status = if outcomes.iter().all(Result::is_ok) { StatusCode::OK } else { StatusCode::MULTI_STATUS };
    let list: Vec<Value> = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Ok(receipt) => json!(receipt),
            Err(refused) => ApiError::from(refused).body(),
        })
        .collect();
    answered(status, position, Value::Array(list))
}

fn answered(status: StatusCode, position: Position, body: Value) -> Response {
    (status, AppendHeaders([("x-tallygate-position", position.to_string())]), Json(body)).into_response()
}
