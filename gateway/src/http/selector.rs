//! The model selector: what may be chosen, what is chosen, a choice of another model, and the way back. `/models/list`,
//! `/models/providers`, `/models/current`, `/models/select`, `/models/undo`, `/models/history`, `/models/presets`.
//!
//! A virtual key chooses for itself and sees what it may call; the holder of the master key chooses for the gateway, or for
//! the scope that they name. A choice is the command `SelectModel` or `SelectPreset`, and the way back `UndoSelection`.

mod chooser;
pub(super) mod named;
mod shown;
pub(super) mod asked;
mod list;
mod current;
mod carried;
mod select;
mod undo;
mod history;
pub(crate) mod parameters;
mod presets;

use axum::Router;
use axum::routing::{get, post};

use super::App;

/// The routes of the selector.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/models/list", get(list::models))
        .route("/models/providers", get(list::providers))
        .route("/models/current", get(current::current))
        .route("/models/select", post(select::select))
        .route("/models/undo", post(undo::undo))
        .route("/models/history", get(history::history))
        .route("/models/presets", get(presets::list).post(presets::save).delete(presets::delete))
}
