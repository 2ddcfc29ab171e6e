//! Routes that coding agents call beside those they need: to open a connection early, and to tell their maker how they are
//! used. They are answered and nothing comes of them: an agent that meets an error there says so to its user.

use axum::Router;
use axum::routing::{get, post};
use http::StatusCode;

use super::App;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/", get(nothing))
        .route("/api/hello", get(nothing))
        .route("/api/event_logging/batch", post(nothing))
}

async fn nothing() -> StatusCode {
    StatusCode::OK
}
