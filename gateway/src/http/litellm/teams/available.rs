//! `GET /team/available`: the teams that somebody could join by themselves. Here people are added by those who manage a team, so
//! there is none.

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use serde_json::{Value, json};

use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::caller::Caller;

/// See the module.
pub(super) async fn list(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    Caller::of_reader(&app, &headers, "/team/available").await?;
    Ok(Json(json!([])))
}
