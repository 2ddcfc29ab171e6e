//! `GET /team/permissions_list` and `POST /team/permissions_update`: what members of a team may do with its keys.
//!
//! Here it follows from their roles, and is the same in every team: members manage their own keys, viewers read.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tallygate_core::control::Control;
use tallygate_core::realm::Realm;

use super::{find, row};
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::fields::{self, Fields};
use crate::http::litellm::query::Query;
use crate::http::operator::{self, admins_only};

/// What members may do, of their own keys.
const OF_MEMBERS: [&str; 8] = [
    "/key/bulk_update",
    "/key/delete",
    "/key/generate",
    "/key/info",
    "/key/list",
    "/key/regenerate",
    "/key/update",
    "/key/{key_id}/regenerate",
];
/// What is for those who manage the team.
const OF_ADMINS: [&str; 4] = ["/key/block", "/key/health", "/key/service-account/generate", "/key/unblock"];

/// What members may do, and what there is to do.
pub(super) async fn list(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, "/team/permissions_list").await?;
    let query = Query::read(&uri)?;
    let missing = || fields::located("query", &["team_id"], "missing", "Field required", &Value::Null);
    let id = query.text("team_id").ok_or_else(missing)?;
    let snapshot = app.pipeline.views.control.snapshot();
    let realm = managed(&snapshot.control, &caller, id)?;
    let all: Vec<&str> = OF_MEMBERS.iter().chain(&OF_ADMINS).copied().collect();
    Ok(Json(json!({
        "team_id": realm.id, "team_member_permissions": OF_MEMBERS, "all_available_permissions": all,
    })))
}

/// Says again what is so. Other permissions are refused: they would have no effect.
pub(super) async fn update(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Json<Value>, ApiError> {
    let manager = operator::manager(&app, &headers, "/team/permissions_update").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let id = fields.text("team_id")?.into_value().ok_or_else(|| fields.missing("team_id"))?;
    let name = "team_member_permissions";
    let mut wanted = fields.texts(name)?.into_value().ok_or_else(|| fields.missing(name))?;
    let snapshot = app.pipeline.views.control.snapshot();
    let realm = managed(&snapshot.control, &Caller::from(&manager), &id)?;
    wanted.sort();
    wanted.dedup();
    if wanted != OF_MEMBERS {
        let message = format!(
            "members manage their own keys in every team ({}): make someone a viewer who is to read alone",
            OF_MEMBERS.join(", ")
        );
        return Err(ApiError::new(ErrorCode::ParameterUnsupported, message).param(name));
    }
    row::team(&app, &snapshot.control, realm).map(|row| Json(Value::Object(row)))
}

/// The team, if the caller manages it.
fn managed<'a>(control: &'a Control, caller: &Caller, id: &str) -> Result<&'a Realm, ApiError> {
    let realm = find::by_id(control, id, "team_id")?;
    if caller.manages(control, &realm.id) {
        return Ok(realm);
    }
    Err(admins_only("/team/permissions_list").status(403).param("team_id"))
}
