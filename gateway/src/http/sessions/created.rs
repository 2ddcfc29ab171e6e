//! `POST /api/sessions`: signing in.

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::asked::{NameAndPassword, SignIn};
use super::list::shown;
use super::start::{self, Begun};
use crate::http::App;
use crate::http::control_plane::asked;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::change::changed;
use crate::http::session_cookie;
use crate::signing_in::Peer;

/// With `{"key"}`, or `{"username", "password"}`. The secret is in the cookie alone.
pub(super) async fn create(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let begun = match asked::read(&app, &headers, body).await? {
        SignIn { key: Some(key), username: None, password: None } => start::by_key(&app, &headers, peer, key).await?,
        SignIn { key: None, username: Some(username), password: Some(password) } => {
            start::by_password(&app, &headers, peer, NameAndPassword { username, password }).await?
        }
        _ => {
            let message = "sign in with `key`, or with `username` and `password`";
            return Err(ApiError::new(ErrorCode::ParameterInvalid, message));
        }
    };
    let Begun { session, secret, position } = begun;
    let mut response = changed(position, json!({ "session": shown(&session, Some(session.id)) }));
    *response.status_mut() = StatusCode::CREATED;
    let cookie = session_cookie::of_session(&app, &headers, &secret, app.signing_in.lasts_seconds);
    response.headers_mut().extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}
