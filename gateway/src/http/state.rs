//! `GET /api/state`: this gateway's version, and the digests of its views. Two gateways of one log at one position have
//! the same digests, and so has a rebuild.

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use serde_json::{Value, json};

use super::App;
use super::error::ApiError;
use super::error_code::ErrorCode;
use super::operator;
use crate::pipeline::refusal;

/// The version and both digests. These are computed over all rows, so this takes seconds for millions of keys.
pub(super) async fn digests(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/api/state").await?;
    let views = app.pipeline.views.clone();
    let computed = tokio::task::spawn_blocking(move || Ok((views.control.digest()?, views.activity.digest()?)));
    let computed = computed.await.map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    let ((head, control), (positions, activity)) =
        computed.map_err(|error: tallygate_projections::StoreError| refusal::views(&error))?;
    let positions: serde_json::Map<String, Value> =
        positions.iter().map(|(chain, position)| (chain.to_string(), json!(position))).collect();
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "control": { "position": head.position, "head": head.hash, "rows": control.rows, "digest": control.digest },
        "activity": { "positions": positions, "rows": activity.rows, "digest": activity.digest },
        "configuration": app.declarations.told(),
    })))
}
