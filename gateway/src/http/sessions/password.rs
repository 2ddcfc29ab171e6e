//! `PUT /api/users/{user}/password`: another password, or none.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::json;
use tallygate_core::id::UserId;
use tallygate_core::secret::Secret;
use tallygate_core::user::SetPassword;

use super::asked as sign_in;
use super::start::busy;
use crate::http::App;
use crate::http::control_plane::answered;
use crate::http::control_plane::asked::{read, refused};
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::operator;
use crate::signing_in::{PASSWORD_MAX_BYTES, PASSWORD_MIN_CHARACTERS, Peer};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// The new one; null so that nobody signs in with one.
    password: Option<Secret>,
    /// The one before, where somebody changes their own.
    old: Option<Secret>,
}

/// Whoever changes their own shows the one before, so that a session that was left open is not enough.
pub(super) async fn set(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    Path(user): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/api/users/{user}/password").await?;
    let user = UserId::new(user).map_err(|error| refused("user", error))?;
    let Change { password, old } = read(&app, &headers, body).await?;
    password.as_ref().map_or(Ok(()), check)?;
    let snapshot = app.pipeline.views.control.snapshot();
    let kept = snapshot.control.passwords.get(&user).cloned();
    if manager.user() == Some(&user) && kept.is_some() {
        sign_in::count(&app, &headers, peer, Some(user.as_str()))?;
        let old = old.ok_or_else(|| refused("old", "send the password that you have now as `old`"))?;
        if !app.signing_in.is_right(kept, old).await.map_err(busy)? {
            return Err(ApiError::new(ErrorCode::SignInRefused, "`old` is not the password")
                .kind("auth_error")
                .param("old"));
        }
    }
    let password = match password {
        Some(password) => Some(app.signing_in.made_of(password).await.map_err(busy)?),
        None => None,
    };
    let position = app.commands.issue(manager.actor, SetPassword { user, password }).await?.position;
    Ok(answered::changed(position, json!({})))
}

fn check(password: &Secret) -> Result<(), ApiError> {
    let text = password.expose();
    if text.chars().count() < PASSWORD_MIN_CHARACTERS || text.len() > PASSWORD_MAX_BYTES {
        let message = format!(
            "a password has at least {PASSWORD_MIN_CHARACTERS} characters and at most {PASSWORD_MAX_BYTES} bytes"
        );
        return Err(refused("password", message));
    }
    Ok(())
}
