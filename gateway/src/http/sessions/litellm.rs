//! Signing in as LiteLLM's pages do: `POST /login`, `POST /v2/login`, and what those pages ask before.

use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use serde_json::{Value, json};
use tallygate_adapters::litellm::role_name;
use tallygate_core::user::Role;

use super::asked::NameAndPassword;
use super::start::{self, Begun};
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::session_cookie::{self, TOKEN};
use crate::signing_in::Peer;

/// Where LiteLLM's pages go on.
const SIGNED_IN: &str = "/ui/?login=success";
/// What LiteLLM calls the operator.
const OPERATOR: &str = "default_user_id";

/// `POST /login`: a form, answered by 303.
pub(super) async fn by_form(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let form = std::str::from_utf8(&bytes).ok().and_then(|form| format!("/?{form}").parse::<Uri>().ok());
    let given = form
        .and_then(|form| Query::<NameAndPassword>::try_from_uri(&form).ok())
        .ok_or_else(|| ApiError::new(ErrorCode::BodyInvalid, "send a form with `username` and `password`"))?;
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(LOCATION, HeaderValue::from_static(SIGNED_IN));
    sign_in(&app, &headers, peer, given.0, response).await
}

/// `POST /v2/login`: JSON, answered by JSON.
pub(super) async fn by_json(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let given = serde_json::from_slice(&bytes)
        .map_err(|error| ApiError::new(ErrorCode::BodyInvalid, format!("the body is not acceptable: {error}")))?;
    let response = Json(json!({ "redirect_url": SIGNED_IN })).into_response();
    sign_in(&app, &headers, peer, given, response).await
}

/// What LiteLLM's pages ask before anybody signs in.
pub(super) async fn configuration(State(app): State<App>) -> Json<Value> {
    Json(json!({
        "server_root_path": "/",
        "proxy_base_url": app.agents.settings().public_url,
        "auto_redirect_to_sso": false,
    }))
}

async fn sign_in(
    app: &App,
    headers: &HeaderMap,
    peer: Peer,
    given: NameAndPassword,
    mut response: Response,
) -> Result<Response, ApiError> {
    let begun = start::by_password(app, headers, peer, given).await.map_err(in_its_words)?;
    let seconds = app.signing_in.lasts_seconds;
    let token = app.signing_in.tokens.sign(&claims(app, &begun).to_string());
    let cookies = [
        session_cookie::kept(app, headers, TOKEN, &token, seconds),
        session_cookie::of_session(app, headers, &begun.secret, seconds),
    ];
    for cookie in cookies.into_iter().flatten() {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// LiteLLM's words for a name or a password that is wrong.
fn in_its_words(mut error: ApiError) -> ApiError {
    if error.code == ErrorCode::SignInRefused.as_str() {
        "Invalid credentials used to access UI.\nCheck 'UI_USERNAME', 'UI_PASSWORD' in .env file"
            .clone_into(&mut error.message);
        return error.param("invalid_credentials");
    }
    error
}

fn claims(app: &App, begun: &Begun) -> Value {
    let snapshot = app.pipeline.views.control.snapshot();
    let user = begun.session.owner.user().and_then(|user| snapshot.control.user(user));
    json!({
        "user_id": user.map_or(OPERATOR, |user| user.id.as_str()),
        "key": begun.secret.expose(),
        "user_email": user.and_then(|user| user.email.as_deref()),
        "user_role": role_name::name(user.map_or(Role::Operator, |user| user.role)),
        "login_method": "username_password",
        "premium_user": false,
        "auth_header_name": "Authorization",
        "disabled_non_admin_personal_key_creation": false,
        "server_root_path": "",
    })
}
