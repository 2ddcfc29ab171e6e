//! `PATCH /organization/update`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::Value;

use super::row;
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::litellm::teams::find;
use crate::http::litellm::teams::refused::refused;
use crate::http::litellm::teams::request::{Kind, RealmRequest};
use crate::http::operator;

/// Changes an organization, in one step. Only the fields that are sent change.
pub(super) async fn update(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/organization/update").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let request = RealmRequest::read(&fields, Kind::Organization)?;
    let control = &app.pipeline.views.control;
    let snapshot = control.snapshot();
    let realm = find::named(&snapshot.control, &fields, "organization_id")?;
    let id = realm.id.clone();
    let commands = request.revise(&snapshot.control, realm, app.pipeline.clock.now())?;
    let position = carry_out(&app, manager.actor, commands).await.map_err(refused)?;
    let snapshot = control.snapshot();
    let realm = find::by_id(&snapshot.control, id.as_str(), "organization_id")?;
    Ok(changed(position, Value::Object(row::organization(&app, &snapshot.control, realm, true)?)))
}
