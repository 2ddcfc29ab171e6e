//! `/tag/*`: words by which requests are told apart, and what is to hold of those that carry one.

mod request;
mod refused;
mod find;
mod row;
mod new;
mod update;
mod delete;
mod read;
pub(super) mod used;

use axum::Router;
use axum::routing::{get, post};

use crate::http::App;

/// The routes of tags.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/tag/new", post(new::new))
        .route("/tag/update", post(update::update))
        .route("/tag/delete", post(delete::delete))
        .route("/tag/info", post(read::info))
        .route("/tag/list", get(read::list))
}
