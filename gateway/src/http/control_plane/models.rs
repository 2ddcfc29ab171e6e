//! `GET /api/models` and `GET /api/models/{id}`.

use axum::Json;
use axum::extract::{Path, State};
use http::HeaderMap;
use serde_json::{Value, json};

use super::{find, shown};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::operator;

/// All models that are in service.
pub(super) async fn list(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/api/models").await?;
    let snapshot = app.pipeline.views.control.snapshot();
    let control = &snapshot.control;
    let in_service = control.models.iter().filter(|(_, model)| model.retired.is_none());
    let models: Vec<Value> = in_service.map(|(_, model)| shown::model(control, model)).collect();
    Ok(Json(json!({ "models": models })))
}

/// One model.
pub(super) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/api/models/{model}").await?;
    let snapshot = app.pipeline.views.control.snapshot();
    let model = find::model(&snapshot.control, &id)?;
    Ok(Json(json!({ "model": shown::model(&snapshot.control, model) })))
}
