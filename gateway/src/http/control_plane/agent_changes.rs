//! Changes of agents: registered, given another token, removed.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};
use tallygate_core::agent::{RegisterAgent, RemoveAgent, RotateAgentToken, TokenHash};
use tallygate_core::command::Command;
use tallygate_core::id::{AgentId, AgentName};

use super::agents::agent_shown;
use super::{answered, asked, find, memberships};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::change::carry_out;
use crate::http::operator;
use crate::random;

/// An agent that is to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewAgent {
    name: AgentName,
    /// Chosen by the caller, or made of a new UUID.
    did: Option<AgentId>,
    #[serde(alias = "workspaceId")]
    realm_id: Option<String>,
}

/// `POST /api/agents`. The token is in this answer and nowhere else.
pub(super) async fn register(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/api/agents").await?;
    let NewAgent { name, did, realm_id } = asked::read(&app, &headers, body).await?;
    let agent = match did {
        Some(did) => did,
        None => AgentId::new(format!("did:tallygate:{}", app.pipeline.ids.uuid()))
            .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?,
    };
    let token = random::token();
    let register = RegisterAgent { agent: agent.clone(), name, token: TokenHash::of_token(&token) };
    let mut commands: Vec<Command> = vec![register.into()];
    if let Some(realm) = realm_id {
        commands.push(memberships::command(&app, &agent, &realm, true)?);
    }
    let position = carry_out(&app, actor, commands).await?;
    let shown = shown_now(&app, &agent, &headers)?;
    Ok(answered::created(position, json!({ "agent": shown, "token": token })))
}

/// `POST /api/agents/{did}/token`: another token. The old one is refused from now on, and its connection ends.
pub(super) async fn new_token(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/api/agents/{agent}/token").await?;
    let agent = id_of(&app, &id)?;
    let token = random::token();
    let rotate = RotateAgentToken { agent: agent.clone(), token: TokenHash::of_token(&token) };
    let position = app.commands.issue(actor, rotate).await?.position;
    Ok(answered::created(position, json!({ "agent": shown_now(&app, &agent, &headers)?, "token": token })))
}

/// `DELETE /api/agents/{did}`: refused for ever, its keys revoked, its connection ended.
pub(super) async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/api/agents/{agent}").await?;
    let agent = id_of(&app, &id)?;
    let position = app.commands.issue(actor, RemoveAgent { agent: agent.clone() }).await?.position;
    Ok(answered::changed(position, json!({ "did": agent })))
}

/// The id of an agent that a path names.
///
/// # Errors
/// 404 if there is none.
pub(super) fn id_of(app: &App, id: &str) -> Result<AgentId, ApiError> {
    let snapshot = app.pipeline.views.control.snapshot();
    find::agent(&snapshot.control, id).map(|agent| agent.id.clone())
}

/// An agent as it is after a change.
///
/// # Errors
/// 404 if it was removed meanwhile.
pub(super) fn shown_now(app: &App, agent: &AgentId, headers: &HeaderMap) -> Result<Value, ApiError> {
    let snapshot = app.pipeline.views.control.snapshot();
    let agent = find::agent(&snapshot.control, agent.as_str())?;
    Ok(agent_shown(app, &snapshot.control, agent, headers))
}
