//! `/user/daily/activity` and its kin: what was used on each day by a user, a team, a tag or an end user; by model, provider
//! and key.

mod asked;
mod by_day;
mod of_people;
mod of_names;

use axum::Router;
use axum::routing::get;

use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;

/// The routes of daily activity.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/user/daily/activity", get(of_people::of_user))
        .route("/team/daily/activity", get(of_people::of_team))
        .route("/tag/daily/activity", get(of_names::of_tag))
        .route("/customer/daily/activity", get(of_names::of_end_user))
        .route("/end_user/daily/activity", get(of_names::of_end_user))
}

/// The answer to someone who asks for another's.
fn forbidden(param: &'static str) -> ApiError {
    let message = "You are not allowed to see this activity. Your role=internal_user";
    ApiError::new(ErrorCode::AdminOnly, message).status(403).kind("auth_error").param(param)
}
