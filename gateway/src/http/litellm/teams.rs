//! `/team/*`: teams, which are realms. A team of an organization nests in it, and can never do more.

pub(super) mod request;
pub(super) mod row;
pub(super) mod find;
pub(super) mod refused;
pub(super) mod delete;
mod new;
mod update;
mod block;
mod models;
mod info;
mod list;
pub(super) mod member;
mod members;
mod bulk;
mod permissions;
mod available;

use axum::Router;
use axum::routing::{get, post};

use crate::http::App;

/// The routes of teams.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/team/new", post(new::new))
        .route("/team/update", post(update::update))
        .route("/team/delete", post(delete::delete))
        .route("/team/block", post(block::block))
        .route("/team/unblock", post(block::unblock))
        .route("/team/model/add", post(models::add))
        .route("/team/model/delete", post(models::delete))
        .route("/team/info", get(info::info))
        .route("/team/list", get(list::all))
        .route("/v2/team/list", get(list::paged))
        .route("/team/member_add", post(members::add))
        .route("/team/bulk_member_add", post(bulk::add))
        .route("/team/permissions_list", get(permissions::list))
        .route("/team/permissions_update", post(permissions::update))
        .route("/team/available", get(available::list))
        .route("/team/member_update", post(members::update))
        .route("/team/member_delete", post(members::delete))
}
