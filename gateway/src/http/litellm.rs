//! LiteLLM's management API, in its own shapes. Every route only translates: to commands, and from views.

use axum::Router;

use super::App;

/// All routes of the management API.
pub(super) fn router() -> Router<App> {
    Router::new()
}
