//! `POST /team/update`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::json;
use tallygate_core::realm::Realm;

use super::refused::refused;
use super::request::{Kind, RealmRequest};
use super::{find, row};
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::operator;

/// Changes a team, in one step. Only the fields that are sent change.
pub(super) async fn update(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/team/update").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let request = RealmRequest::read(&fields, Kind::Team)?;
    let control = &app.pipeline.views.control;
    let snapshot = control.snapshot();
    let realm = find::named(&snapshot.control, &fields, "team_id")?;
    stays_where_it_is(&fields, realm)?;
    let id = realm.id.clone();
    let commands = request.revise(&snapshot.control, realm, app.pipeline.clock.now())?;
    let position = carry_out(&app, manager.actor, commands).await.map_err(refused)?;
    let snapshot = control.snapshot();
    let realm = find::by_id(&snapshot.control, id.as_str(), "team_id")?;
    let data = row::team(&app, &snapshot.control, realm)?;
    Ok(changed(position, json!({ "team_id": id, "data": data })))
}

/// A realm's parent never changes: its keys would come to spend another's money.
fn stays_where_it_is(fields: &Fields<'_>, realm: &Realm) -> Result<(), ApiError> {
    match fields.text("organization_id")?.into_value().filter(|id| !id.is_empty()) {
        Some(asked) if realm.parent.as_ref().map(|parent| parent.as_str()) != Some(asked.as_str()) => {
            let message = "a team cannot move to another organization: make another team";
            Err(ApiError::new(ErrorCode::ParameterUnsupported, message).param("organization_id"))
        }
        _ => Ok(()),
    }
}
