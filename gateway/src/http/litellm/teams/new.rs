//! `POST /team/new`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::Value;
use tallygate_core::id::RealmId;
use tallygate_core::patch::Patch;

use super::member::Members;
use super::refused::refused;
use super::request::{Kind, RealmRequest};
use super::{find, row};
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::operator;

/// Makes a team with its models, its budget and its members, in one step.
pub(super) async fn new(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/team/new").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let request = RealmRequest::read(&fields, Kind::Team)?;
    let control = &app.pipeline.views.control;
    let snapshot = control.snapshot();
    let id = match fields.id("team_id", RealmId::new)? {
        Patch::Set(id) => id,
        Patch::Keep | Patch::Clear => {
            let made = app.pipeline.ids.uuid().to_string();
            RealmId::new(made).map_err(|error| fields.refused("team_id", &error.to_string()))?
        }
    };
    let parent = fields.id("organization_id", RealmId::new)?.into_value();
    if let Some(parent) = &parent {
        find::by_id(&snapshot.control, parent.as_str(), "organization_id")?;
    }
    let mut commands = request.register(id.clone(), parent, app.pipeline.clock.now())?;
    let members = Members::read(&fields, "members_with_roles")?;
    commands.extend(members.commands(&app, &snapshot.control, &id, &manager)?.0);
    let position = carry_out(&app, manager.actor, commands).await.map_err(refused)?;
    let snapshot = control.snapshot();
    let realm = find::by_id(&snapshot.control, id.as_str(), "team_id")?;
    Ok(changed(position, Value::Object(row::team(&app, &snapshot.control, realm)?)))
}
