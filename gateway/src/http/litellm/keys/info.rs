//! `GET /key/info` and `POST /v2/key/info`.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::{Map, Value, json};
use tallygate_projections::KeyRow;

use super::{find, row};
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::fields::Fields;
use crate::http::litellm::query::Query;
use crate::http::litellm::spent;

/// The most keys of one call.
const KEYS_MAX: usize = 1_000;

/// A key by its secret or hash; without one, the key that asks. One of another realm is as one that is not there.
pub(super) async fn one(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, "/key/info").await?;
    let snapshot = app.pipeline.views.control.snapshot();
    let query = Query::read(&uri)?;
    spent::catch_up(&app).await;
    let not_found = || find::not_found("Key not found in database");
    let (named, found) = match (query.text("key"), &caller) {
        (Some(named), _) => (named.to_owned(), find::by_secret_or_hash(&app, named)?.ok_or_else(not_found)?),
        (None, Caller::Key(own)) => (own.key.hash.to_string(), own.clone()),
        (None, Caller::Operator) => return Err(not_found()),
    };
    let sees = caller.may_see(&snapshot.control, &found.key);
    if !sees && !caller.is_of_realm(&found.key.realm) {
        return Err(not_found());
    }
    if !sees {
        let message = "You are not allowed to access this key's info. Your role=internal_user";
        return Err(ApiError::new(ErrorCode::AdminOnly, message).status(403).kind("auth_error").param("key"));
    }
    Ok(Json(json!({ "key": named, "info": info(&app, &found)? })))
}

/// Several keys by their secrets or hashes. Those that are not there, or not the caller's to see, are left out.
pub(super) async fn several(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, "/v2/key/info").await?;
    let snapshot = app.pipeline.views.control.snapshot();
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let keys = fields.texts("keys")?.into_value().ok_or_else(|| fields.missing("keys"))?;
    if keys.len() > KEYS_MAX {
        return Err(fields.refused("keys", &format!("at most {KEYS_MAX} keys are told of at once, not {}", keys.len())));
    }
    spent::catch_up(&app).await;
    let mut told = Vec::new();
    for key in &keys {
        let found = find::by_secret_or_hash(&app, key)?;
        if let Some(found) = found.filter(|found| caller.may_see(&snapshot.control, &found.key)) {
            told.push(info(&app, &found)?);
        }
    }
    Ok(Json(json!({ "key": keys, "info": told })))
}

/// The row without its token.
fn info(app: &App, found: &KeyRow) -> Result<Map<String, Value>, ApiError> {
    let mut info = row::row(app, found)?;
    info.remove("token");
    Ok(info)
}
