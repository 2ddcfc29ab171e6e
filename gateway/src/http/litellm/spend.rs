//! `/spend/logs` and `/global/spend`: what requests cost, from the views of activity.

mod filter;
mod record;
mod logs;
mod daily;
mod global;

use axum::Router;
use axum::routing::get;

use crate::http::App;

/// The routes of spend.
pub(super) fn router() -> Router<App> {
    Router::new().route("/spend/logs", get(logs::logs)).route("/global/spend", get(global::spend))
}
