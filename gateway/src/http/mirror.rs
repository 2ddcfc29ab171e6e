//! `GET /api/mirror`: how the LiteLLM proxy stands that is kept in step, if there is one.

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use serde_json::{Value, json};

use super::App;
use super::error::ApiError;
use super::operator;

/// How far it is, how far behind, why, and what it could not carry over.
pub(super) async fn status(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/api/mirror").await?;
    let (head, now) = (app.pipeline.views.control.position(), app.pipeline.clock.now());
    let told = app.mirror.as_ref().map_or_else(|| json!({ "state": "off" }), |mirror| mirror.told(head, now));
    Ok(Json(json!({ "mirror": told })))
}
