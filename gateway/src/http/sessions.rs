//! Signing in and out, sessions, and passwords: `/api/sessions`, `/api/users/{user}/password`, and LiteLLM's `/login`.

mod asked;
mod start;
mod created;
mod list;
mod end;
mod password;
mod litellm;

use axum::Router;
use axum::routing::{delete, get, post, put};

use super::App;

/// All routes of signing in.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/sessions", get(list::list).post(created::create).delete(end::end_all))
        .route("/api/sessions/{session}", delete(end::end))
        .route("/api/users/{user}/password", put(password::set))
        .route("/login", post(litellm::by_form))
        .route("/v2/login", post(litellm::by_json))
        .route("/.well-known/litellm-ui-config", get(litellm::configuration))
        .route("/litellm/.well-known/litellm-ui-config", get(litellm::configuration))
}
