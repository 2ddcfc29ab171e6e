//! Who may manage: the holder of the master key, for now. A virtual key gets LiteLLM's answer.

use http::HeaderMap;
use tallygate_core::actor::Actor;
use tallygate_core::key::KeyHash;
use tallygate_core::secret::Secret;

use super::App;
use super::credentials;
use super::error::ApiError;
use super::error_code::ErrorCode;
use crate::pipeline::authenticated::{min_position, reach};
use crate::pipeline::refusal;

/// Checks that a request is the operator's, and waits for the position that it demands.
pub(super) async fn authorize(app: &App, headers: &HeaderMap, route: &str) -> Result<Actor, ApiError> {
    let secret = credentials::presented(headers)?;
    if !app.pipeline.master.matches(&secret) {
        return Err(not_operator(app, &secret, route));
    }
    if let Some(position) = min_position(headers)? {
        reach(&app.pipeline, position).await?;
    }
    Ok(Actor::operator())
}

fn not_operator(app: &App, secret: &Secret, route: &str) -> ApiError {
    let hash = KeyHash::of_secret(secret.expose());
    match app.pipeline.views.control.key_by_hash(&hash) {
        Ok(Some(_)) => {
            let message = format!(
                "Authentication Error, Only proxy admin can be used to generate, delete, update info for new keys/users/teams. Route={route}. Your role=unknown. Your user_id=***"
            );
            ApiError::new(ErrorCode::AdminOnly, message).kind("auth_error")
        }
        Ok(None) => refusal::unknown_key(secret.expose(), &hash),
        Err(error) => refusal::views(&error),
    }
}
