//! `GET /global/spend`.

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use serde_json::{Value, json};
use tallygate_adapters::litellm::amount::usd;
use tallygate_core::money::NanoUsd;
use tallygate_core::scope::Scope;

use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::spent;
use crate::http::operator;

/// What everybody spent in all, and the gateway's own budget: 0 when it has none, as in LiteLLM.
pub(super) async fn spend(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/global/spend").await?;
    spent::catch_up(&app).await;
    let totals = app.pipeline.views.activity.spend_of_all_realms_for_operator();
    let totals = totals.map_err(|error| spent::unreadable(&error))?;
    let snapshot = app.pipeline.views.control.snapshot();
    let limit = snapshot.control.budget(&Scope::Gateway).and_then(|budget| budget.limits.first());
    let max_budget = limit.map_or(NanoUsd::ZERO, |limit| limit.limit_nano_usd);
    Ok(Json(json!({ "spend": usd(totals.cost_nano_usd), "max_budget": usd(max_budget) })))
}
