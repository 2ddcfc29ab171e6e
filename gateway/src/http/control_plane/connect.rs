//! `GET /api/agents/ws`: an agent's connection. Its token stands where a key would, or in its first message.

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use http::HeaderMap;
use http::header::HOST;
use tallygate_core::agent::TokenHash;

use crate::agents::connection::{Comer, MESSAGE_MAX_BYTES, serve};
use crate::http::App;
use crate::http::credentials;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;

/// What is read and written at once, in bytes: messages are small, and there may be many agents.
const BUFFER_BYTES: usize = 4 * 1024;

/// Upgrades the connection.
pub(super) async fn connect(
    State(app): State<App>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let token = token(&headers)?;
    let snapshot = app.pipeline.views.control.snapshot();
    if token.is_some_and(|token| !snapshot.control.agent_tokens.contains(&token)) {
        let message = "the token is no agent's: it was replaced, or the agent removed, or it never was one";
        return Err(ApiError::new(ErrorCode::AgentUnknown, message).kind("auth_error"));
    }
    let upgrade = upgrade.map_err(|error| {
        ApiError::new(ErrorCode::UpgradeRequired, format!("this route is for WebSockets: {}", error.body_text()))
    })?;
    let upgrade = upgrade
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(64 * BUFFER_BYTES)
        .max_message_size(MESSAGE_MAX_BYTES)
        .max_frame_size(MESSAGE_MAX_BYTES);
    let comer = Comer { token, base_url: base_url(&app, &headers) };
    Ok(upgrade.on_upgrade(move |socket| serve(app, socket, comer)))
}

fn token(headers: &HeaderMap) -> Result<Option<TokenHash>, ApiError> {
    match credentials::presented(headers) {
        Ok(token) => Ok(Some(TokenHash::of_token(token.expose()))),
        Err(error) if error.code == ErrorCode::KeyMissing.as_str() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where whoever asks reaches this gateway: as configured, or as they did now.
pub(in crate::http) fn base_url(app: &App, headers: &HeaderMap) -> String {
    if let Some(url) = &app.agents.settings().public_url {
        return url.clone();
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    format!("http://{host}")
}
