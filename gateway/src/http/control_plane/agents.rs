//! `GET /api/agents` and `GET /api/agents/{did}`: who there is, who is connected to which gateway, and what they use.

use axum::Json;
use axum::extract::{Path, State};
use http::HeaderMap;
use serde_json::{Value, json};
use tallygate_core::agent::{Agent, Configuration};
use tallygate_core::control::Control;
use tallygate_core::scope::Scope;

use super::connect::base_url;
use super::{find, shown};
use crate::agents::Seen;
use crate::agents::told::told;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::operator;

/// All agents that were not removed.
pub(super) async fn list(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/api/agents").await?;
    let snapshot = app.pipeline.views.control.snapshot();
    let control = &snapshot.control;
    let there = control.agents.iter().filter(|(_, agent)| agent.removed.is_none());
    let agents: Vec<Value> = there.map(|(_, agent)| agent_shown(&app, control, agent, &headers)).collect();
    Ok(Json(json!({ "agents": agents })))
}

/// One agent.
pub(super) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/api/agents/{agent}").await?;
    let snapshot = app.pipeline.views.control.snapshot();
    let agent = find::agent(&snapshot.control, &id)?;
    Ok(Json(json!({ "agent": agent_shown(&app, &snapshot.control, agent, &headers) })))
}

/// An agent as it is shown.
pub(super) fn agent_shown(app: &App, control: &Control, agent: &Agent, headers: &HeaderMap) -> Value {
    let seen = app.agents.seen(&agent.id);
    let told = told(&app.pipeline, control, agent, &base_url(app, headers));
    json!({
        "did": agent.id,
        "name": agent.name,
        "realms": realms(control, agent),
        "budget": shown::budget(control, &Scope::Agent(agent.id.clone())),
        "mode": mode(agent),
        "config": told.config,
        "reason": told.reason,
        "connected": seen.is_some(),
        "gateway": seen.as_ref().map(|seen| &seen.gateway),
        "connectedSince": seen.as_ref().map(|seen| seen.since),
        "told": told_shown(seen.as_ref()),
        "createdAt": agent.trail.created.at,
        "updatedAt": agent.trail.changed.at,
    })
}

/// The realms that an agent is in, the primary one first.
pub(super) fn realms(control: &Control, agent: &Agent) -> Vec<Value> {
    let places = agent.realms.iter().enumerate();
    places
        .map(|(place, membership)| {
            let realm = control.realms.get(&membership.realm);
            json!({
                "realmId": membership.realm,
                "realmName": realm.map_or(membership.realm.as_str(), |realm| shown::name_of(realm)),
                "isPrimary": place == 0,
                "keyId": membership.key,
            })
        })
        .collect()
}

/// How an agent comes by what it uses.
pub(super) fn mode(agent: &Agent) -> &'static str {
    match &agent.configuration {
        None => "automatic",
        Some(Configuration::Realm(_)) => "realm",
        Some(Configuration::Registry(_)) => "registry",
        Some(Configuration::Manual(_)) => "manual",
    }
}

/// What an agent was told last, and whether it said that it uses that.
fn told_shown(seen: Option<&Seen>) -> Value {
    let Some((told, acknowledged_at)) = seen.and_then(|seen| Some((seen.told.as_ref()?, seen.acknowledged_at))) else {
        return Value::Null;
    };
    json!({
        "messageId": told.message,
        "position": told.position,
        "at": told.at,
        "acknowledged": acknowledged_at.is_some(),
        "acknowledgedAt": acknowledged_at,
    })
}
