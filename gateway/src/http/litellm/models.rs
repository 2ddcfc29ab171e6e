//! `/model/*` and `/model_group/info`: deployments, in LiteLLM's words models. Deployments of one name make one model.

mod request;
mod params;
mod price;
mod known;
mod key;
mod wanted;
pub(super) mod find;
mod refused;
pub(super) mod row;
mod new;
mod update;
mod delete;
pub(super) mod info;
pub(crate) mod declared;
pub(in crate::http) mod groups;
pub(in crate::http) mod plain;

use axum::Router;
use axum::routing::{get, patch, post};

use crate::http::App;

/// The routes of models.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/model/new", post(new::new))
        .route("/model/update", post(update::of_body))
        .route("/model/{id}/update", patch(update::of_path))
        .route("/model/delete", post(delete::delete))
        .route("/model/info", get(info::info))
        .route("/v1/model/info", get(info::info))
        .route("/model_group/info", get(groups::info))
}
