//! `POST /organization/new`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::Value;
use tallygate_core::id::RealmId;
use tallygate_core::patch::Patch;

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

/// Makes an organization with its models and its budget, in one step.
pub(super) async fn new(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/organization/new").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    if fields.text("organization_alias")?.into_value().is_none() {
        return Err(fields.missing("organization_alias"));
    }
    let request = RealmRequest::read(&fields, Kind::Organization)?;
    let id = match fields.id("organization_id", RealmId::new)? {
        Patch::Set(id) => id,
        Patch::Keep | Patch::Clear => {
            let made = app.pipeline.ids.uuid().to_string();
            RealmId::new(made).map_err(|error| fields.refused("organization_id", &error.to_string()))?
        }
    };
    let commands = request.register(id.clone(), None, app.pipeline.clock.now())?;
    let position = carry_out(&app, manager.actor, commands).await.map_err(refused)?;
    let snapshot = app.pipeline.views.control.snapshot();
    let realm = find::by_id(&snapshot.control, id.as_str(), "organization_id")?;
    Ok(changed(position, Value::Object(row::organization(&app, &snapshot.control, realm, false)?)))
}
