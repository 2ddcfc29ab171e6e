//! What the control plane answers to changes: 201 with what is new, 200 with what is so now, and the position.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};
use tallygate_core::stream::Position;

use crate::http::litellm::change;

/// The answer to what made something.
pub(in crate::http) fn created(position: Position, body: Value) -> Response {
    let mut response = change::changed(position, body);
    *response.status_mut() = StatusCode::CREATED;
    response
}

/// The answer to what changed something: `{"ok": true, …}`.
pub(in crate::http) fn changed(position: Position, mut body: Value) -> Response {
    body["ok"] = json!(true);
    body["position"] = json!(position);
    change::changed(position, body)
}
