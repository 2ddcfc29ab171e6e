//! `/budget/*`: named budgets, which many keys, teams, users and end users have together.

mod change;
mod read;
mod refused;
pub(super) mod row;

use axum::Router;
use axum::routing::{get, post};

use crate::http::App;

/// The routes of named budgets.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/budget/new", post(change::new))
        .route("/budget/update", post(change::update))
        .route("/budget/delete", post(change::delete))
        .route("/budget/info", post(read::info))
        .route("/budget/list", get(read::list))
        .route("/budget/settings", get(read::settings))
}
