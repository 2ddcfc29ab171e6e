//! LiteLLM's management API, in its own shapes. Every route only translates: to commands, and from views.
//!
//! Where a client can tell, it is LiteLLM 1.109's: fields, statuses, messages. It differs on purpose where LiteLLM would
//! do something silently: a field that would change access or money and is not built yet is refused by name, an
//! identical registration adds nothing, and numbers are exact or refused.

mod fields;
mod query;
mod unsupported;
pub(super) mod caller;
pub(super) mod change;
mod attached;
mod meant;
pub(crate) mod keys;
mod teams;
mod organizations;
mod users;
mod customers;
mod tags;
mod budgets;
pub(super) mod roles;
pub(crate) mod models;
mod spent;
mod spend;
mod activity;
mod served;
mod tokens;
mod health;
mod fallbacks;

use axum::Router;
use axum::routing::{get, post};

use super::App;

/// All routes of the management API.
pub(super) fn router() -> Router<App> {
    let counter = Router::new().route("/utils/token_counter", post(tokens::count));
    let health = Router::new().route("/health", get(health::health));
    keys::router()
        .merge(teams::router())
        .merge(organizations::router())
        .merge(users::router())
        .merge(customers::router())
        .merge(tags::router())
        .merge(budgets::router())
        .merge(models::router())
        .merge(spend::router())
        .merge(activity::router())
        .merge(counter)
        .merge(health)
        .merge(fallbacks::router())
}
