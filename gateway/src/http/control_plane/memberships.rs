//! `/api/agents/{did}/realms`: which realms an agent is in, with a virtual key of its own in each.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};
use tallygate_core::agent::{AgentKey, JoinRealm, LeaveRealm, ReplaceAgentKey};
use tallygate_core::command::Command;
use tallygate_core::id::{AgentId, RealmId};
use tallygate_core::stream::Position;

use super::agent_changes::{id_of, shown_now};
use super::agents::realms;
use super::{answered, asked, find};
use crate::agents::sealing;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::operator;

/// A realm to join.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Asked {
    #[serde(alias = "workspaceId")]
    realm_id: String,
    #[serde(default, alias = "isPrimary")]
    primary: bool,
}

/// The realms that an agent is in, the primary one first.
pub(super) async fn list(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/api/agents/{agent}/realms").await?;
    let snapshot = app.pipeline.views.control.snapshot();
    let agent = find::agent(&snapshot.control, &id)?;
    Ok(Json(json!({ "realms": realms(&snapshot.control, agent) })))
}

/// Joins a realm. An agent that follows its realms is told at once what it may use there.
pub(super) async fn join(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/api/agents/{agent}/realms").await?;
    let Asked { realm_id, primary } = asked::read(&app, &headers, body).await?;
    let agent = id_of(&app, &id)?;
    let join = command(&app, &agent, &realm_id, primary)?;
    let position = app.commands.issue(actor, join).await?.position;
    finish(&app, &agent, position, &headers).await
}

/// Leaves a realm. The agent's key there is revoked, and no other's.
pub(super) async fn leave(
    State(app): State<App>,
    Path((id, realm)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/api/agents/{agent}/realms/{realm}").await?;
    let agent = id_of(&app, &id)?;
    let leave = LeaveRealm { agent: agent.clone(), realm: realm_of(&app, &realm)? };
    let position = app.commands.issue(actor, leave).await?.position;
    finish(&app, &agent, position, &headers).await
}

/// Gives the agent another key in a realm, and revokes the old one. The agent is told; nobody else is.
pub(super) async fn new_key(
    State(app): State<App>,
    Path((id, realm)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/api/agents/{agent}/realms/{realm}/key").await?;
    let agent = id_of(&app, &id)?;
    let realm = realm_of(&app, &realm)?;
    let key = new(&app, &agent, &realm)?;
    let replace = ReplaceAgentKey { agent: agent.clone(), realm, key };
    let position = app.commands.issue(actor, replace).await?.position;
    finish(&app, &agent, position, &headers).await
}

/// The command by which an agent joins a realm.
///
/// # Errors
/// 404 if there is no such realm.
pub(super) fn command(app: &App, agent: &AgentId, realm: &str, primary: bool) -> Result<Command, ApiError> {
    let realm = realm_of(app, realm)?;
    let key = new(app, agent, &realm)?;
    Ok(JoinRealm { agent: agent.clone(), realm, primary, key }.into())
}

fn new(app: &App, agent: &AgentId, realm: &RealmId) -> Result<AgentKey, ApiError> {
    sealing::new_key(app.pipeline.upstreams.vault(), app.pipeline.ids.as_ref(), agent, realm)
        .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))
}

fn realm_of(app: &App, realm: &str) -> Result<RealmId, ApiError> {
    let snapshot = app.pipeline.views.control.snapshot();
    find::realm(&snapshot.control, realm).map(|realm| realm.id.clone())
}

async fn finish(app: &App, agent: &AgentId, position: Position, headers: &HeaderMap) -> Result<Response, ApiError> {
    let pushed = app.agents.told_by(agent, position).await.is_some();
    let shown = shown_now(app, agent, headers)?;
    Ok(answered::changed(position, json!({ "agent": shown, "pushed": pushed })))
}
