//! `/spend/*`, `/global/spend*` and `/global/activity*`: what requests cost, from the views of activity.

pub(super) mod filter;
mod record;
mod logs;
pub(super) mod daily;
mod ranking;
mod overview;
mod global;
mod end_users;
mod tags;
mod report;
mod calculate;
mod reset;

use axum::Router;
use axum::routing::{get, post};

use crate::http::App;

/// The routes of spend.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/spend/logs", get(logs::logs))
        .route("/spend/keys", get(ranking::keys))
        .route("/spend/users", get(ranking::users))
        .route("/spend/tags", get(tags::tags))
        .route("/spend/calculate", post(calculate::calculate))
        .route("/global/spend", get(global::spend))
        .route("/global/spend/tags", get(tags::of_days))
        .route("/global/spend/all_tag_names", get(tags::names))
        .route("/global/spend/report", get(report::report))
        .route("/global/spend/reset", post(reset::reset))
        .route("/global/spend/keys", get(ranking::global_keys))
        .route("/global/spend/end_users", post(end_users::end_users))
        .route("/global/spend/models", get(ranking::models))
        .route("/global/spend/teams", get(ranking::teams))
        .route("/global/spend/provider", get(ranking::providers))
        .route("/global/spend/logs", get(overview::by_day))
        .route("/global/activity", get(overview::activity))
        .route("/global/activity/model", get(overview::activity_by_model))
}
