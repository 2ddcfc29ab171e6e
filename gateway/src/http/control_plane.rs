//! The control plane under `/api`: realms, models, which realm may use which model, and agents. For the operator alone,
//! but for the agents' own connection. Every route only translates: to commands, and from views.
//!
//! A realm may also be called a workspace: in paths and in bodies both words mean the same.

mod asked;
mod answered;
mod find;
mod slug;
mod shown;
mod realm_key;
mod realm_budget;
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
mod connect;

use axum::Router;
use axum::routing::{delete, get, post};

use super::App;

/// The words for a realm in paths.
const WORDS: [&str; 2] = ["realms", "workspaces"];

/// All routes of the control plane.
pub(super) fn router() -> Router<App> {
    let mut router = Router::new();
    for word in WORDS {
        router = router
            .route(&format!("/api/{word}"), get(realms::list).post(realm_changes::create))
            .route(
                &format!("/api/{word}/{{realm}}"),
                get(realms::show).patch(realm_changes::revise).delete(realm_changes::delete),
            )
            .route(&format!("/api/{word}/{{realm}}/suspend"), post(realm_changes::suspend))
            .route(&format!("/api/{word}/{{realm}}/resume"), post(realm_changes::resume))
            .route(&format!("/api/{word}/{{realm}}/key"), post(realm_changes::new_key))
            .route(&format!("/api/models/{{model}}/{word}"), get(grants::list).post(grants::grant))
            .route(&format!("/api/models/{{model}}/{word}/{{realm}}"), delete(grants::withdraw))
            .route(&format!("/api/agents/{{agent}}/{word}"), get(memberships::list).post(memberships::join))
            .route(&format!("/api/agents/{{agent}}/{word}/{{realm}}"), delete(memberships::leave))
            .route(&format!("/api/agents/{{agent}}/{word}/{{realm}}/key"), post(memberships::new_key));
    }
    router
        .route("/api/models", get(models::list).post(model_changes::create))
        .route(
            "/api/models/{model}",
            get(models::show).patch(model_changes::revise).delete(model_changes::delete),
        )
        .route("/api/agents", get(agents::list).post(agent_changes::register))
        .route("/api/agents/ws", get(connect::connect))
        .route("/api/agents/{agent}", get(agents::show).delete(agent_changes::remove))
        .route("/api/agents/{agent}/token", post(agent_changes::new_token))
        .route(
            "/api/agents/{agent}/llm-config",
            get(llm_config::show).put(llm_config::set).delete(llm_config::clear),
        )
        .route("/api/agents/{agent}/realm-llm", get(realm_llm::show))
}
