//! `GET /api/limits`: how the rate limits of a scope are divided among the gateways, as this one knows it.

use axum::Json;
use axum::extract::{Query, State};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};
use tallygate_core::scope::Scope;

use super::App;
use super::error::ApiError;
use super::error_code::ErrorCode;
use super::operator;
use crate::limits::exchange::Divided;

/// Whose limits are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    scope: Scope,
}

/// The gateways, and what each has of each limit that was used here since the start. Without other gateways there is
/// nothing to divide, and no portions are told.
pub(super) async fn divided(
    State(app): State<App>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/api/limits").await?;
    let Query(Asked { scope }) =
        asked.map_err(|error| ApiError::new(ErrorCode::ParameterInvalid, error.body_text()))?;
    let (gateways, limits) = app.rates.as_ref().map(|rates| rates.divided(&scope)).unwrap_or_default();
    let limits: Vec<_> = limits.iter().map(limit).collect();
    Ok(Json(json!({ "scope": scope, "gateways": gateways, "limits": limits })))
}

fn limit(divided: &Divided) -> Value {
    let portions = divided
        .portions
        .iter()
        .map(|(gateway, demand, held)| json!({ "gateway": gateway, "demand_parts": demand, "held_parts": held }));
    json!({
        "limit_type": divided.limit.kind.name(),
        "parts": divided.parts,
        "portions": portions.collect::<Vec<_>>(),
    })
}
