//! Changes of realms: made, renamed, suspended, served again, ended; and another secret of a realm's key.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::json;
use tallygate_core::actor::Actor;
use tallygate_core::command::Command;
use tallygate_core::grant::ReplaceGrants;
use tallygate_core::id::RealmId;
use tallygate_core::json::Json as Attached;
use tallygate_core::key::RevokeKey;
use tallygate_core::limits::{Limits, LimitsPatch};
use tallygate_core::model_pattern::Allowed;
use tallygate_core::patch::Patch;
use tallygate_core::realm::{RegisterRealm, ResumeRealm, ReviseRealm, SuspendRealm};

use super::{answered, asked, find, realm_key, shown};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::change::carry_out;
use crate::http::operator;
use crate::random;

/// A realm that is to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewRealm {
    /// Chosen by the caller, or a new UUID.
    id: Option<RealmId>,
    name: String,
    parent_id: Option<RealmId>,
    #[serde(default)]
    metadata: Attached,
}

/// Changes of a realm.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Revision {
    #[serde(default)]
    name: Patch<String>,
    #[serde(default)]
    metadata: Patch<Attached>,
}

/// `POST /api/realms`. A new realm may call nothing.
pub(super) async fn create(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/api/realms").await?;
    let NewRealm { id, name, parent_id, metadata } = asked::read(&app, &headers, body).await?;
    let realm = match id {
        Some(id) => id,
        None => RealmId::new(app.pipeline.ids.uuid().to_string())
            .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?,
    };
    let register = RegisterRealm {
        realm: realm.clone(),
        name: Some(name),
        parent: parent_id,
        models: None,
        limits: Limits::default(),
        metadata,
    };
    let position = app.commands.issue(actor, register).await?.position;
    let snapshot = app.pipeline.views.control.snapshot();
    let found = find::realm(&snapshot.control, realm.as_str())?;
    let shown = shown::realm(&app, &snapshot.control, found)?;
    Ok(answered::created(position, json!({ "realm": shown })))
}

/// `PATCH /api/realms/{id}`.
pub(super) async fn revise(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/api/realms/{realm}").await?;
    let Revision { name, metadata } = asked::read(&app, &headers, body).await?;
    let realm = id_of(&app, &id)?;
    let revise = ReviseRealm { realm, name, limits: LimitsPatch::default(), metadata };
    finish(&app, actor, &id, vec![revise.into()]).await
}

/// `POST /api/realms/{id}/suspend`: nothing of the realm and its children is served.
pub(super) async fn suspend(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/api/realms/{realm}/suspend").await?;
    let realm = id_of(&app, &id)?;
    finish(&app, actor, &id, vec![SuspendRealm { realm }.into()]).await
}

/// `POST /api/realms/{id}/resume`.
pub(super) async fn resume(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/api/realms/{realm}/resume").await?;
    let realm = id_of(&app, &id)?;
    finish(&app, actor, &id, vec![ResumeRealm { realm }.into()]).await
}

/// `DELETE /api/realms/{id}`: the realm is suspended, granted nothing, and its key is revoked. What happened in it stays, and
/// so does its id.
pub(super) async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/api/realms/{realm}").await?;
    let realm = id_of(&app, &id)?;
    if realm == RealmId::default_realm() {
        return Err(asked::refused("realmId", "the realm `default` cannot be deleted: suspend it"));
    }
    let mut commands: Vec<Command> = vec![ReplaceGrants { realm: realm.clone(), models: Allowed::none() }.into()];
    let snapshot = app.pipeline.views.control.snapshot();
    if find::realm(&snapshot.control, &id)?.suspended.is_none() {
        commands.push(SuspendRealm { realm: realm.clone() }.into());
    }
    if let Some(row) = realm_key::find(&app, &realm)? {
        commands.push(RevokeKey { key: row.key.id }.into());
    }
    finish(&app, actor, &id, commands).await
}

/// `POST /api/realms/{id}/key`: another secret of the realm's key, or a key if it has none. It is in this answer and nowhere
/// else; the old one is refused from now on.
pub(super) async fn new_key(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/api/realms/{realm}/key").await?;
    let realm = id_of(&app, &id)?;
    let secret = random::key();
    let command = realm_key::renew(&app, &realm, &secret)?;
    let position = app.commands.issue(actor, command).await?.position;
    Ok(answered::created(position, json!({ "key": secret, "realmId": realm })))
}

fn id_of(app: &App, id: &str) -> Result<RealmId, ApiError> {
    let snapshot = app.pipeline.views.control.snapshot();
    find::realm(&snapshot.control, id).map(|realm| realm.id.clone())
}

async fn finish(app: &App, actor: Actor, id: &str, commands: Vec<Command>) -> Result<Response, ApiError> {
    let position = carry_out(app, actor, commands).await?;
    let snapshot = app.pipeline.views.control.snapshot();
    let shown = shown::realm(app, &snapshot.control, find::realm(&snapshot.control, id)?)?;
    Ok(answered::changed(position, json!({ "realm": shown })))
}
