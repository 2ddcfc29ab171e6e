//! `/user/*`: users, and what they have.

mod request;
pub(super) mod row;
mod new;
mod update;
mod bulk;
mod delete;
mod info;
mod list;

use axum::Router;
use axum::routing::{get, post};

use crate::http::App;

/// The routes of users.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/user/new", post(new::new))
        .route("/user/update", post(update::update))
        .route("/user/bulk_update", post(bulk::update))
        .route("/user/delete", post(delete::delete))
        .route("/user/info", get(info::info))
        .route("/user/list", get(list::list))
}
