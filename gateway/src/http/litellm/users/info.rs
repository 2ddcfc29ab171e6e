//! `GET /user/info`.

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde_json::{Map, Value, json};
use tallygate_core::control::Control;
use tallygate_core::id::UserId;
use tallygate_core::user::User;
use tallygate_projections::KeyRow;

use super::row;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::keys::of_user::of_users;
use crate::http::litellm::keys::row as key_row;
use crate::http::litellm::query::Query;
use crate::http::litellm::{roles, spent, teams};

/// A user with their keys and teams; without an id, the user whose key asks. Others are told of to those who manage them.
pub(super) async fn info(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_reader(&app, &headers, "/user/info").await?;
    let query = Query::read(&uri)?;
    spent::catch_up(&app).await;
    let snapshot = app.pipeline.views.control.snapshot();
    let control = &snapshot.control;
    let own = match &caller {
        Caller::Key(row) => row.key.user.as_ref(),
        Caller::Operator => None,
    };
    let forbidden = || {
        let message = "You are not allowed to access this user's info. Your role=internal_user";
        ApiError::new(ErrorCode::AdminOnly, message).status(403).kind("auth_error").param("user_id")
    };
    let named = match (query.text("user_id").or(own.map(UserId::as_str)), &caller) {
        (Some(named), _) => named,
        (None, Caller::Operator) => return everybody(&app, control).map(Json),
        (None, Caller::Key(_)) => return Err(forbidden()),
    };
    if !may_know(&caller, control, own, named) {
        return Err(forbidden());
    }
    let user = roles::by_id(control, named)?;
    let keys = of_users(&app, vec![user.id.clone()]).await?.remove(&user.id).unwrap_or_default();
    Ok(Json(json!({
        "user_id": user.id,
        "user_info": row::row(&app, control, user, &keys)?,
        "keys": shown(&app, &keys)?,
        "teams": teams_of(&app, control, user)?,
    })))
}

/// Themselves, and those who belong to a realm that they manage.
fn may_know(caller: &Caller, control: &Control, own: Option<&UserId>, named: &str) -> bool {
    let is_self = own.is_some_and(|own| own.as_str() == named);
    let manages = |user: &User| {
        let admin = caller.user(control).is_some_and(|by| by.role <= tallygate_core::user::Role::Admin);
        admin || user.realm.as_ref().is_some_and(|realm| caller.manages(control, realm))
    };
    matches!(caller, Caller::Operator) || is_self || control.users.get(named).is_some_and(|user| manages(user))
}

/// What the operator is told who names nobody: all teams. Keys have a list of their own, which has pages.
fn everybody(app: &App, control: &Control) -> Result<Value, ApiError> {
    let teams = teams::row::teams(control).map(|realm| teams::row::team(app, control, realm));
    let teams = teams.collect::<Result<Vec<_>, _>>()?;
    Ok(json!({ "user_id": null, "user_info": null, "keys": [], "teams": teams }))
}

fn shown(app: &App, keys: &[KeyRow]) -> Result<Vec<Map<String, Value>>, ApiError> {
    keys.iter().map(|key| key_row::row(app, key)).collect()
}

fn teams_of(app: &App, control: &Control, user: &User) -> Result<Vec<Map<String, Value>>, ApiError> {
    let realms = user.realm.iter().chain(user.memberships.keys()).filter_map(|realm| control.realms.get(realm));
    realms.filter(|realm| realm.removed.is_none()).map(|realm| teams::row::team(app, control, realm)).collect()
}
