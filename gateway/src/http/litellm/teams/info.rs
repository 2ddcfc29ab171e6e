//! `GET /team/info`.

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::{Map, Value, json};
use tallygate_core::control::Control;
use tallygate_core::realm::Realm;
use tallygate_projections::Page;

use super::{find, row};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::fields::located;
use crate::http::litellm::keys;
use crate::http::litellm::query::Query;
use crate::http::litellm::spent;

/// The most keys of a team that are told.
const KEYS_MAX: usize = 1_000;

/// A team with its keys and members. One that is not the caller's to know is as one that is not there.
pub(super) async fn info(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, "/team/info").await?;
    let query = Query::read(&uri)?;
    let id = query
        .text("team_id")
        .ok_or_else(|| located("query", &["team_id"], "missing", "Field required", &json!(null)))?;
    spent::catch_up(&app).await;
    let snapshot = app.pipeline.views.control.snapshot();
    let control = &snapshot.control;
    let not_found = || {
        let message = format!("Team not found, passed team id: {id}.");
        ApiError::coded("realm_not_registered", 404, message).kind("auth_error").param("team_id")
    };
    let realm = find::by_id(control, id, "team_id").map_err(|_| not_found())?;
    if !caller.may_know(control, &realm.id) {
        return Err(not_found());
    }
    let memberships: Vec<Value> = find::members(control, &realm.id)
        .iter()
        .map(|(user, _)| {
            json!({ "user_id": user.id, "team_id": realm.id, "spend": null, "budget_id": null, "litellm_budget_table": null })
        })
        .collect();
    Ok(Json(json!({
        "team_id": realm.id,
        "team_info": row::team(&app, control, realm)?,
        "keys": keys_of(&app, &caller, control, realm)?,
        "team_memberships": memberships,
    })))
}

/// The newest keys of a team that the caller may see, without their tokens.
fn keys_of(app: &App, caller: &Caller, control: &Control, realm: &Realm) -> Result<Vec<Map<String, Value>>, ApiError> {
    let page = app.pipeline.views.control.keys_of_realm(&realm.id, Page { skip: 0, rows: KEYS_MAX });
    let page = page.map_err(|error| keys::find::unreadable(&error))?;
    let seen = page.keys.iter().filter(|row| caller.may_see(control, &row.key));
    seen.map(|key| keys::row::row(app, key)).collect()
}
