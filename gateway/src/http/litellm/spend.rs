//! `/spend/*`, `/global/spend*` and `/global/activity*`: what requests cost, from the views of activity.

pub(super) mod filter;
mod record;
mod logs;
pub(super) mod daily;
mod ranking;
mod overview;
mod global;
mod end_users;

use axum::Router;
use axum::routing::{get, post};

use crate::http::App;

/// The routes of spend.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/spend/logs", get(logs::logs))
        .route("/spend/keys", get(ranking::keys))
        .route("/spend/users", get(ranking::users))
        .route("/global/spend", get(global::spend))
        .route("/global/spend/keys", get(ranking::global_keys))
        .route("/global/spend/end_users", post(end_users::end_users))
        .route("/global/spend/models", get(ranking::models))
        .route("/global/spend/teams", get(ranking::teams))
        .route("/global/spend/provider", get(ranking::providers))
        .route("/global/spend/logs", get(overview::by_day))
        .route("/global/activity", get(overview::activity))
        .route("/global/activity/model", get(overview::activity_by_model))
}
