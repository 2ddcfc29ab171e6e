//! An agent's card: what it is, where it is called, and what it can do.

use axum::Json;
use axum::extract::{Path, State};
use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::visitor::Visitor;
use crate::http::App;
use crate::http::control_plane::connect::base_url;
use crate::http::error::ApiError;

/// What stands in a path as it is.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':');

/// `GET /a2a/{agent}/.well-known/agent-card.json`, for whoever may converse with the agent.
pub(super) async fn show(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let visitor = Visitor::of(&app, &name, &headers).await?;
    let url = format!("{}/a2a/{}", base_url(&app, &headers), utf8_percent_encode(&name, IN_PATH));
    let mut card = json!({
        "protocolVersion": "0.3.0",
        "name": visitor.agent.name,
        "description": "An agent of a Tallygate gateway: it answers with the model that is selected for the conversation.",
        "url": url,
        "preferredTransport": "JSONRPC",
        "version": env!("CARGO_PKG_VERSION"),
        "capabilities": { "streaming": true, "pushNotifications": false, "stateTransitionHistory": false },
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain"],
        "supportsAuthenticatedExtendedCard": false,
        "skills": [{
            "id": "converse",
            "name": "Converse",
            "description": "Answers text, and swaps the model or the prompt of a conversation by control messages.",
            "tags": ["chat"],
        }],
    });
    if !visitor.is_open {
        card["securitySchemes"] = json!({ "bearer": { "type": "http", "scheme": "bearer" } });
        card["security"] = json!([{ "bearer": [] }]);
    }
    Ok(Json(card))
}
