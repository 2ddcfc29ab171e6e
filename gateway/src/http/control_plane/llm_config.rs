//! `/api/agents/{did}/llm-config`: what an agent is told to use, in one of three ways, or none to follow its realms. The
//! key is told to the agent alone.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};
use tallygate_core::agent::{Agent, ClearAgentConfiguration, Configuration, ConfigureAgent, Manual, RealmRouting};
use tallygate_core::command::Command;
use tallygate_core::control::Control;
use tallygate_core::id::{AgentId, ModelId};
use tallygate_core::secret::Secret;

use super::agent_changes::id_of;
use super::agents::mode;
use super::connect::base_url;
use super::{answered, asked, find};
use crate::agents::sealing;
use crate::agents::told::told;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::change::carry_out;
use crate::http::operator;

/// What an agent is to use: a realm, with a model of the registry or the one that is selected there; a model of the registry
/// alone; or a server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Asked {
    #[serde(alias = "workspaceId")]
    realm_id: Option<String>,
    #[serde(alias = "workspaceModelId")]
    realm_model_id: Option<String>,
    model_id: Option<String>,
    provider: Option<String>,
    model: Option<String>,
    base_url: Option<String>,
    api_key: Option<Secret>,
}

/// What is in force.
pub(super) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/api/agents/{agent}/llm-config").await?;
    let snapshot = app.pipeline.views.control.snapshot();
    let agent = find::agent(&snapshot.control, &id)?;
    let pushed = app.agents.seen(&agent.id).is_some_and(|seen| seen.told.is_some());
    Ok(Json(in_force(&app, &snapshot.control, agent, &headers, pushed)))
}

/// Tells an agent what to use. To say again what is so is no error, and writes nothing.
pub(super) async fn set(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/api/agents/{agent}/llm-config").await?;
    let asked: Asked = asked::read(&app, &headers, body).await?;
    let agent = id_of(&app, &id)?;
    let configuration = configuration(&app, &agent, asked)?;
    let configure: Command = ConfigureAgent { agent: agent.clone(), configuration }.into();
    let position = carry_out(&app, actor, vec![configure]).await?;
    finish(&app, &agent, position, &headers).await
}

/// Lets an agent follow its realms again. To say so again is no error.
pub(super) async fn clear(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/api/agents/{agent}/llm-config").await?;
    let agent = id_of(&app, &id)?;
    let position = match app.commands.issue(actor, ClearAgentConfiguration { agent: agent.clone() }).await {
        Ok(receipt) => receipt.position,
        Err(refused) if refused.code == "agent_not_configured" => app.pipeline.views.control.position(),
        Err(refused) => return Err(refused.into()),
    };
    finish(&app, &agent, position, &headers).await
}

fn configuration(app: &App, agent: &AgentId, asked: Asked) -> Result<Configuration, ApiError> {
    let Asked { realm_id, realm_model_id, model_id, provider, model, base_url, api_key } = asked;
    let by_hand = provider.is_some() || model.is_some() || base_url.is_some() || api_key.is_some();
    let registered = realm_model_id.or(model_id);
    let snapshot = app.pipeline.views.control.snapshot();
    let control = &snapshot.control;
    match (realm_id, registered, by_hand) {
        (Some(realm), model, false) => {
            let realm = find::realm(control, &realm)?.id.clone();
            let model = model.map(|model| model_of(control, &model)).transpose()?;
            Ok(Configuration::Realm(RealmRouting { realm, model }))
        }
        (None, Some(model), false) => Ok(Configuration::Registry(model_of(control, &model)?)),
        (None, None, true) => {
            let (Some(provider), Some(model)) = (provider, model) else { return Err(one_of_three()) };
            let key = api_key.filter(|key| !key.is_empty()).map(|key| sealed(app, agent, &key)).transpose()?;
            Ok(Configuration::Manual(Manual { provider, model, base_url, key }))
        }
        _ => Err(one_of_three()),
    }
}

fn sealed(app: &App, agent: &AgentId, key: &Secret) -> Result<tallygate_core::agent::ManualKey, ApiError> {
    let sealed = sealing::seal_manual(app.pipeline.upstreams.vault(), app.pipeline.ids.as_ref(), agent, key);
    sealed.map_err(|error| asked::refused("apiKey", error))
}

fn model_of(control: &Control, id: &str) -> Result<ModelId, ApiError> {
    find::model(control, id).map(|model| model.id)
}

fn one_of_three() -> ApiError {
    let message = "say one of three: `realmId` (with `realmModelId` or without), `modelId` alone, or `provider` and `model` (with `baseUrl` and `apiKey` or without)";
    asked::refused("realmId", message)
}

async fn finish(
    app: &App,
    agent: &AgentId,
    position: tallygate_core::stream::Position,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let pushed = app.agents.told_by(agent, position).await.is_some_and(|seen| seen.told.is_some());
    let snapshot = app.pipeline.views.control.snapshot();
    let agent = find::agent(&snapshot.control, agent.as_str())?;
    Ok(answered::changed(position, in_force(app, &snapshot.control, agent, headers, pushed)))
}

/// What an agent is to use, and how it comes by it; `pushed` says whether it is connected and was told.
fn in_force(app: &App, control: &Control, agent: &Agent, headers: &HeaderMap, pushed: bool) -> Value {
    let told = told(&app.pipeline, control, agent, &base_url(app, headers));
    let acknowledged = app.agents.seen(&agent.id).is_some_and(|seen| seen.acknowledged_at.is_some());
    let (realm, model) = match &agent.configuration {
        Some(Configuration::Realm(routing)) => (Some(&routing.realm), routing.model),
        Some(Configuration::Registry(model)) => (None, Some(*model)),
        Some(Configuration::Manual(_)) | None => (None, None),
    };
    json!({
        "agentId": agent.id,
        "mode": mode(agent),
        "realmId": realm,
        "realmModelId": model,
        "config": told.config,
        "reason": told.reason,
        "pushed": pushed,
        "acknowledged": acknowledged,
    })
}
