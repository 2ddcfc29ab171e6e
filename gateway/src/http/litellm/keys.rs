//! `/key/*`: virtual keys. A team is a realm; a key without one belongs to the realm `default`.

mod request;
mod models;
mod budget;
pub(crate) mod declared_budget;
pub(crate) mod imported;
pub(super) mod find;
mod refused;
mod row;
mod generate;
mod update;
mod regenerate;
mod block;
mod delete;
mod info;
mod list;

pub(super) use row::team;

use axum::Router;
use axum::routing::{get, post};

use crate::http::App;

/// The routes of keys.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/key/generate", post(generate::generate))
        .route("/key/update", post(update::update))
        .route("/key/regenerate", post(regenerate::of_body))
        .route("/key/{key}/regenerate", post(regenerate::of_path))
        .route("/key/block", post(block::block))
        .route("/key/unblock", post(block::unblock))
        .route("/key/delete", post(delete::delete))
        .route("/key/info", get(info::one))
        .route("/v2/key/info", post(info::several))
        .route("/key/list", get(list::list))
}
