//! `GET /api/realms` and `GET /api/realms/{id}`.

use axum::Json;
use axum::extract::{Path, State};
use http::HeaderMap;
use serde_json::{Value, json};

use super::{find, shown};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::operator;

/// All realms, by id.
pub(super) async fn list(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/api/realms").await?;
    let snapshot = app.pipeline.views.control.snapshot();
    let control = &snapshot.control;
    let there = control.realms.iter().map(|(_, realm)| realm).filter(|realm| realm.removed.is_none());
    let realms: Result<Vec<Value>, ApiError> = there.map(|realm| shown::realm(&app, control, realm)).collect();
    Ok(Json(json!({ "realms": realms? })))
}

/// One realm.
pub(super) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/api/realms/{realm}").await?;
    let snapshot = app.pipeline.views.control.snapshot();
    let realm = find::realm(&snapshot.control, &id)?;
    Ok(Json(json!({ "realm": shown::realm(&app, &snapshot.control, realm)? })))
}
