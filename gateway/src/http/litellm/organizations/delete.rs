//! `DELETE /organization/delete`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::Value;

use super::row;
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::change::changed;
use crate::http::litellm::fields::Fields;
use crate::http::litellm::teams::{delete, find};
use crate::http::operator;

/// Removes organizations for ever, and tells what they were. Their teams must be deleted first.
pub(super) async fn delete(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/organization/delete").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let names = fields.texts("organization_ids")?.into_value().ok_or_else(|| fields.missing("organization_ids"))?;
    let snapshot = app.pipeline.views.control.snapshot();
    let rows = names.iter().map(|id| {
        let realm = find::by_id(&snapshot.control, id, "organization_id")?;
        row::organization(&app, &snapshot.control, realm, false).map(Value::Object)
    });
    let rows = rows.collect::<Result<Vec<Value>, ApiError>>()?;
    let named = ("organization_ids", "organization_id");
    let position = delete::remove(&app, manager.actor, &fields, &names, named).await?;
    Ok(changed(position, Value::Array(rows)))
}
