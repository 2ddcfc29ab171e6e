//! `/organization/*`: organizations, which are realms that teams nest in.

mod row;
mod new;
mod members;
mod update;
mod read;
mod delete;

use axum::Router;
use axum::routing::{delete as delete_method, get, patch, post};

use crate::http::App;

/// The routes of organizations.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/organization/new", post(new::new))
        .route("/organization/update", patch(update::update))
        .route("/organization/delete", delete_method(delete::delete))
        .route("/organization/member_add", post(members::add))
        .route("/organization/member_update", patch(members::update))
        .route("/organization/member_delete", delete_method(members::delete))
        .route("/organization/info", get(read::info))
        .route("/organization/list", get(read::list))
}
