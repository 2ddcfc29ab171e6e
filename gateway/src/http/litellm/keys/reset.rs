//! `POST /key/{key}/reset_spend`: a budget that counts from now on.

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use serde_json::{Value, json};
use tallygate_adapters::litellm::amount::usd;
use tallygate_core::budget::ResetBudget;
use tallygate_core::money::NanoUsd;
use tallygate_core::patch::Patch;
use tallygate_core::scope::Scope;

use super::refused::refused;
use super::{budget, find};
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::litellm::spent;
use crate::http::operator;

/// The windows of a key's budget begin anew. What was spent stays on record; to count from another amount than zero is not
/// for anyone to say.
pub(super) async fn reset(
    State(app): State<App>,
    Path(key): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/key/{key}/reset_spend").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let bytes = if bytes.trim_ascii().is_empty() { Bytes::from_static(b"{}") } else { bytes };
    let fields = Fields::read(&bytes)?;
    if matches!(fields.usd("reset_to")?, Patch::Set(amount) if amount != NanoUsd::ZERO) {
        let message = "what was spent is counted, not said: a budget is reset to 0";
        return Err(ApiError::new(ErrorCode::ParameterUnsupported, message).param("reset_to"));
    }
    let current = find::by_secret_or_hash(&app, &key)?.ok_or_else(|| find::not_found("Key not found."))?;
    spent::catch_up(&app).await;
    let before = spent::spend_of_key(&app, &current)?;
    let commands = vec![ResetBudget { scope: Scope::Key(current.key.id) }.into()];
    let position = carry_out(&app, manager.actor, commands).await.map_err(refused)?;
    let row = find::by_id(&app, current.key.id)?;
    let limit = row.budget.as_deref().and_then(|budget| budget.limits.first());
    let now = app.pipeline.clock.now();
    Ok(changed(
        position,
        json!({
            "key_hash": row.key.hash.to_string(),
            "spend": usd(spent::spend_of_key(&app, &row)?),
            "previous_spend": usd(before),
            "max_budget": limit.map(|limit| usd(limit.limit_nano_usd)),
            "budget_reset_at": limit.map_or(Value::Null, |limit| budget::resets_at(limit, now)),
        }),
    ))
}
