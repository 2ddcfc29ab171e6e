//! Who may manage: the holder of the master key, for now. A virtual key gets LiteLLM's answer.

use http::HeaderMap;
use tallygate_core::actor::Actor;
use tallygate_core::key::KeyHash;
use tallygate_core::secret::Secret;
use tallygate_projections::KeyRow;

use super::App;
use super::credentials;
use super::error::ApiError;
use super::error_code::ErrorCode;
use crate::pipeline::authenticated::{min_position, reach};
use crate::pipeline::refusal;

/// Checks that a change is the operator's, and waits for the position that it demands. That a key asked for it is
/// recorded; strangers are not, who could fill the log.
pub(super) async fn authorize(app: &App, headers: &HeaderMap, route: &str) -> Result<Actor, ApiError> {
    check(app, headers, route).await.map_err(|NotOperator { error, key }| {
        if let Some(row) = key {
            app.commands.denied(&row.key, &error);
        }
        error
    })
}

/// Checks that a request to read is the operator's, and waits for the position that it demands.
pub(super) async fn authorize_to_read(app: &App, headers: &HeaderMap, route: &str) -> Result<(), ApiError> {
    check(app, headers, route).await.map(drop).map_err(|denied| denied.error)
}

/// Not the operator, and the key they came with, if it is one.
struct NotOperator {
    error: ApiError,
    key: Option<KeyRow>,
}

impl From<ApiError> for NotOperator {
    fn from(error: ApiError) -> Self {
        Self { error, key: None }
    }
}

async fn check(app: &App, headers: &HeaderMap, route: &str) -> Result<Actor, NotOperator> {
    let secret = credentials::presented(headers)?;
    if !app.pipeline.master.matches(&secret) {
        return Err(not_operator(app, &secret, route));
    }
    if let Some(position) = min_position(headers)? {
        reach(&app.pipeline, position).await?;
    }
    Ok(Actor::operator())
}

fn not_operator(app: &App, secret: &Secret, route: &str) -> NotOperator {
    let hash = KeyHash::of_secret(secret.expose());
    match app.pipeline.views.control.key_by_hash(&hash) {
        Ok(Some(row)) => {
            let message = format!(
                "Authentication Error, Only proxy admin can be used to generate, delete, update info for new keys/users/teams. Route={route}. Your role=unknown. Your user_id=***"
            );
            NotOperator { error: ApiError::new(ErrorCode::AdminOnly, message).kind("auth_error"), key: Some(row) }
        }
        Ok(None) => refusal::unknown_key(secret.expose(), &hash).into(),
        Err(error) => refusal::views(&error).into(),
    }
}
