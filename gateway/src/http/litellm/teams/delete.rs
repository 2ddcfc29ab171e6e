//! `POST /team/delete`: removing teams with their keys and memberships.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::json;
use tallygate_core::actor::Actor;
use tallygate_core::command::{Command, TOGETHER_MAX};
use tallygate_core::id::RealmId;
use tallygate_core::key::RevokeKey;
use tallygate_core::realm::RemoveRealm;
use tallygate_core::stream::Position;
use tallygate_core::user::RemoveMember;
use tallygate_projections::{PAGE_ROWS_MAX, Page};

use super::find;
use super::refused::refused;
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::litellm::keys;
use crate::http::operator;

/// Removes teams for ever. One that is not there is an error, and then none is removed.
pub(super) async fn delete(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/team/delete").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let names = fields.texts("team_ids")?.into_value().ok_or_else(|| fields.missing("team_ids"))?;
    let position = remove(&app, manager.actor, &fields, &names, ("team_ids", "team_id")).await?;
    Ok(changed(position, json!({ "deleted_teams": names })))
}

/// Removes realms: all in one step, from which on nothing of them is served. Then their keys are revoked and their
/// memberships end, a hundred at a time: what a crash leaves of those is refused either way.
///
/// # Errors
/// 404 for a realm that is not there, 400 for one that others nest in.
pub(in crate::http::litellm) async fn remove(
    app: &App,
    actor: Actor,
    fields: &Fields<'_>,
    names: &[String],
    (field, name): (&'static str, &'static str),
) -> Result<Position, ApiError> {
    if names.len() > TOGETHER_MAX {
        return Err(fields.refused(field, &format!("at most {TOGETHER_MAX} are deleted at once, not {}", names.len())));
    }
    let snapshot = app.pipeline.views.control.snapshot();
    let realms = names.iter().map(|id| find::by_id(&snapshot.control, id, name).map(|realm| realm.id.clone()));
    let realms = realms.collect::<Result<Vec<RealmId>, ApiError>>()?;
    let removals = realms.iter().map(|realm| RemoveRealm { realm: realm.clone() }.into()).collect();
    let mut position = carry_out(app, actor.clone(), removals).await.map_err(refused)?;
    let mut rest: Vec<Command> = Vec::new();
    for realm in &realms {
        rest.extend(keys_of(app, realm.clone()).await?);
        let users = snapshot.control.users.iter().filter(|(_, user)| user.removed.is_none());
        let members = users.filter(|(_, user)| user.memberships.contains_key(realm));
        rest.extend(members.map(|(user, _)| RemoveMember { realm: realm.clone(), user: user.clone() }.into()));
    }
    while !rest.is_empty() {
        let later = rest.split_off(rest.len().min(TOGETHER_MAX));
        position = carry_out(app, actor.clone(), rest).await.map_err(refused)?;
        rest = later;
    }
    Ok(position)
}

/// The commands that revoke the keys of a realm.
async fn keys_of(app: &App, realm: RealmId) -> Result<Vec<Command>, ApiError> {
    let view = app.pipeline.views.control.clone();
    let read = tokio::task::spawn_blocking(move || {
        let (mut commands, mut skip): (Vec<Command>, usize) = (Vec::new(), 0);
        loop {
            let rows = view.keys_of_realm(&realm, Page { skip, rows: PAGE_ROWS_MAX })?.keys;
            let is_last = rows.len() < PAGE_ROWS_MAX;
            commands.extend(rows.iter().map(|row| RevokeKey { key: row.key.id }.into()));
            if is_last {
                return Ok(commands);
            }
            skip += PAGE_ROWS_MAX;
        }
    });
    let read = read.await.map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    read.map_err(|error| keys::find::unreadable(&error))
}
