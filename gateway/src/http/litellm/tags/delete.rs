//! `POST /tag/delete`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::json;
use tallygate_core::tag::{RemoveTag, TagRef};

use super::find;
use super::refused::refused;
use super::request::team;
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::operator;

/// Removes a tag with its budget. What was spent under it stays on record.
pub(super) async fn delete(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/tag/delete").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let name = fields.text("name")?.into_value().ok_or_else(|| fields.missing("name"))?;
    let snapshot = app.pipeline.views.control.snapshot();
    let found = find::named(&snapshot.control, &Caller::from(&manager), &name, team(&fields)?.as_ref())?;
    let TagRef { realm, name: tag } = found.tag.clone();
    let position = carry_out(&app, manager.actor, vec![RemoveTag { tag, realm }.into()]).await.map_err(refused)?;
    Ok(changed(position, json!({ "message": format!("Tag {name} deleted successfully") })))
}
