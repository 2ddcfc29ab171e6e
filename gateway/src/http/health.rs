//! Whether the gateway lives, is ready, and how it does. No model, key or tenant is named here.

use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use tallygate_core::money::NanoUsd;
use tallygate_projections::Health;

use super::App;
use super::error::ApiError;
use super::error_code::ErrorCode;

/// The LiteLLM whose API this is. Its clients and dashboards look for it here; it is the same in every version of this
/// gateway for as long as the API is, so it tells nothing of what runs.
const LITELLM_VERSION: &str = "1.109.1";

/// The longest autonomy that is told, in seconds.
const DAY: u64 = 86_400;

/// `GET /health/liveliness`: LiteLLM's very words.
pub(super) async fn alive() -> Json<&'static str> {
    Json("I'm alive!")
}

/// `GET /health/readiness`: whether requests and commands would be served. 503 when not, with the reason.
///
/// Anybody may ask, so it says neither what version runs (`GET /api/state` does, to the operator) nor what an error said,
/// which could name addresses and files (the log does).
pub(super) async fn ready(State(app): State<App>) -> Response {
    let reason = match &*app.pipeline.views.control.health().borrow() {
        Health::Stopped(_) => Some("the views have stopped"),
        Health::Waiting(_) => Some("the control log is away"),
        Health::Recovering(_) => Some("the views wait for the disk, or are made again"),
        Health::Idle => Some("the views have not begun"),
        Health::Closed => Some("the gateway is being stopped"),
        Health::Following if !app.pipeline.activity.has_room() => Some("the activity log is away"),
        Health::Following => app.pipeline.standing.reason(Instant::now()),
    };
    let status = if reason.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body: Value = json!({
        "status": if reason.is_none() { "healthy" } else { "unhealthy" },
        "db": if reason.is_none() { "connected" } else { "Not connected" },
        "cache": null,
        "litellm_version": LITELLM_VERSION,
        "success_callbacks": [],
        "use_aiohttp_transport": false,
        "tallygate": {
            "position": app.pipeline.views.control.position(),
            "activity_waiting": app.pipeline.activity.waiting(),
            "reason": reason,
            "configuration": app.declarations.state(),
        },
    });
    (status, Json(body)).into_response()
}

/// `GET /metrics`: Prometheus' text format.
pub(super) async fn metrics(State(app): State<App>) -> Result<Response, ApiError> {
    let metrics = &app.pipeline.metrics;
    let waiting = i64::try_from(app.pipeline.activity.waiting()).unwrap_or(i64::MAX);
    metrics.activity_waiting.set(waiting);
    app.pipeline.standing.measure(Instant::now());
    let position = app.pipeline.views.control.position().get();
    metrics.position.set(i64::try_from(position).unwrap_or(i64::MAX));
    metrics.clientless.set(i64::try_from(app.pipeline.clientless.count()).unwrap_or(i64::MAX));
    if let Some(mirror) = &app.mirror {
        mirror.measure(app.pipeline.views.control.position(), app.pipeline.clock.now());
    }
    let figures = app.pipeline.activity.outbox().figures();
    let number = |amount: NanoUsd| amount.nano();
    let spending = &metrics.spending;
    spending.slices.set(i64::try_from(figures.slices).unwrap_or(i64::MAX));
    spending.holds_open.set(i64::try_from(figures.open).unwrap_or(i64::MAX));
    spending.held_nano_usd.set(number(figures.held));
    spending.suspense_nano_usd.set(number(figures.suspense));
    spending.autonomy_seconds.set(i64::try_from(figures.autonomy_seconds.unwrap_or(DAY).min(DAY)).unwrap_or(0));
    spending.unheard_seconds.set(figures.unheard_ms.map_or(-1, |ms| i64::try_from(ms / 1_000).unwrap_or(i64::MAX)));
    metrics.journal_writable.set(i64::from(app.pipeline.activity.outbox().is_safe()));
    let text = metrics.text().map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
