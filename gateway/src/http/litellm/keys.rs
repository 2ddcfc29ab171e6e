//! `/key/*`: virtual keys. A team is a realm; a key without one belongs to the realm `default`.

pub(super) mod request;
pub(super) mod budget;
pub(super) mod terms;
pub(crate) mod declared_budget;
pub(crate) mod imported;
pub(super) mod find;
pub(super) mod refused;
pub(super) mod row;
pub(super) mod generate;
pub(super) mod of_user;
mod update;
mod regenerate;
mod block;
mod delete;
mod info;
mod list;
mod bulk;
mod reset;

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
        .route("/key/bulk_update", post(bulk::update))
        .route("/key/{key}/reset_spend", post(reset::reset))
}
