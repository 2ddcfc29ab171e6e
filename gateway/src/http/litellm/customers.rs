//! `/customer/*`, and `/end_user/*` as it was called before: end users, in whose name keys ask.

mod request;
mod refused;
mod find;
mod row;
mod new;
mod update;
mod delete;
mod block;
mod read;

pub(super) use new::home;

use axum::Router;
use axum::routing::{get, post};

use crate::http::App;

/// The routes of end users.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/customer/new", post(new::new))
        .route("/customer/update", post(update::update))
        .route("/customer/delete", post(delete::delete))
        .route("/customer/block", post(block::block))
        .route("/customer/unblock", post(block::unblock))
        .route("/customer/info", get(read::info))
        .route("/customer/list", get(read::list))
        .route("/end_user/new", post(new::new))
        .route("/end_user/update", post(update::update))
        .route("/end_user/delete", post(delete::delete))
        .route("/end_user/block", post(block::block))
        .route("/end_user/unblock", post(block::unblock))
        .route("/end_user/info", get(read::info))
        .route("/end_user/list", get(read::list))
}
