//! The control plane under `/api`: realms, models, which realm may use which model, and agents. For the operator alone,
//! but for the agents' own connection. Every route only translates: to commands, and from views.
//!
//! A realm may also be called a workspace: in paths and in bodies both words mean the same.

pub(super) mod asked;
pub(super) mod answered;
pub(super) mod find;
mod slug;
mod shown;
mod realm_key;
mod grant_budget;
mod realms;
mod realm_changes;
mod models;
mod model_changes;
mod grants;
mod agents;
mod agent_changes;
mod memberships;
mod llm_config;
mod realm_llm;
pub(super) mod connect;

use axum::Router;
use axum::routing::{MethodRouter, delete, get, post};

use super::App;

/// All routes of the control plane.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/models", get(models::list).post(model_changes::create))
        .route("/api/models/{model}", get(models::show).patch(model_changes::revise).delete(model_changes::delete))
        .route("/api/agents", get(agents::list).post(agent_changes::register))
        .route("/api/agents/ws", get(connect::connect))
        .route("/api/agents/{agent}", get(agents::show).delete(agent_changes::remove))
        .route("/api/agents/{agent}/token", post(agent_changes::new_token))
        .route("/api/agents/{agent}/llm-config", get(llm_config::show).put(llm_config::set).delete(llm_config::clear))
        .route("/api/agents/{agent}/realm-llm", get(realm_llm::show))
        .merge(by_the_word_realm())
        .merge(by_the_word_workspace())
}

fn by_the_word_realm() -> Router<App> {
    Router::new()
        .route("/api/realms", all_realms())
        .route("/api/realms/{realm}", one_realm())
        .route("/api/realms/{realm}/suspend", post(realm_changes::suspend))
        .route("/api/realms/{realm}/resume", post(realm_changes::resume))
        .route("/api/realms/{realm}/key", post(realm_changes::new_key))
        .route("/api/models/{model}/realms", grants_of_a_model())
        .route("/api/models/{model}/realms/{realm}", delete(grants::withdraw))
        .route("/api/agents/{agent}/realms", realms_of_an_agent())
        .route("/api/agents/{agent}/realms/{realm}", delete(memberships::leave))
        .route("/api/agents/{agent}/realms/{realm}/key", post(memberships::new_key))
}

fn by_the_word_workspace() -> Router<App> {
    Router::new()
        .route("/api/workspaces", all_realms())
        .route("/api/workspaces/{realm}", one_realm())
        .route("/api/workspaces/{realm}/suspend", post(realm_changes::suspend))
        .route("/api/workspaces/{realm}/resume", post(realm_changes::resume))
        .route("/api/workspaces/{realm}/key", post(realm_changes::new_key))
        .route("/api/models/{model}/workspaces", grants_of_a_model())
        .route("/api/models/{model}/workspaces/{realm}", delete(grants::withdraw))
        .route("/api/agents/{agent}/workspaces", realms_of_an_agent())
        .route("/api/agents/{agent}/workspaces/{realm}", delete(memberships::leave))
        .route("/api/agents/{agent}/workspaces/{realm}/key", post(memberships::new_key))
}

fn all_realms() -> MethodRouter<App> {
    get(realms::list).post(realm_changes::create)
}

fn one_realm() -> MethodRouter<App> {
    get(realms::show).patch(realm_changes::revise).delete(realm_changes::delete)
}

fn grants_of_a_model() -> MethodRouter<App> {
    get(grants::list).post(grants::grant)
}

fn realms_of_an_agent() -> MethodRouter<App> {
    get(memberships::list).post(memberships::join)
}
