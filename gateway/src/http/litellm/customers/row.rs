//! An end user as LiteLLM shows them: the row of its table, with the row of their budget.

use serde_json::{Map, Value, json};
use tallygate_core::budget::Budget;
use tallygate_core::control::Control;
use tallygate_core::end_user::EndUser;
use tallygate_core::scope::Scope;

use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::amount::usd;
use crate::http::litellm::keys::budget;
use crate::http::litellm::keys::row::object;
use crate::http::litellm::spent::{counted, spend_of_end_user};

/// The row. What was spent is that of the open window of their budget; without one, what was asked in their name in all.
///
/// # Errors
/// 503 if what was spent cannot be read.
pub(super) fn row(app: &App, control: &Control, end_user: &EndUser) -> Result<Map<String, Value>, ApiError> {
    let scope = Scope::EndUser(end_user.end_user.clone());
    let spend = match counted(app, control, &scope)? {
        Some(counted) => counted,
        None => spend_of_end_user(app, control, &end_user.end_user)?,
    };
    let budget = control.budget(&scope).filter(|budget| !budget.limits.is_empty());
    Ok(object(json!({
        "user_id": end_user.end_user.id,
        "alias": end_user.alias,
        "blocked": end_user.blocked.is_some(),
        "spend": usd(spend),
        "allowed_model_region": null,
        "default_model": null,
        "budget_id": null,
        "litellm_budget_table": budget_table(app, end_user, budget),
        "object_permission_id": null,
        "object_permission": null,
        "team_id": end_user.end_user.realm,
        "created_at": end_user.trail.created.at,
        "updated_at": end_user.trail.changed.at,
    })))
}

/// What LiteLLM keeps in a table of budgets: the budget, and the rate limits.
fn budget_table(app: &App, end_user: &EndUser, budget: Option<&Budget>) -> Value {
    let limits = &end_user.limits;
    if budget.is_none() && *limits == tallygate_core::limits::Limits::default() {
        return Value::Null;
    }
    let now = app.pipeline.clock.now();
    let limit = budget.and_then(|budget| budget.limits.first());
    json!({
        "budget_id": null,
        "max_budget": limit.map(|limit| usd(limit.limit_nano_usd)),
        "soft_budget": null,
        "max_parallel_requests": limits.parallel_requests,
        "tpm_limit": limits.tokens_per_minute,
        "rpm_limit": limits.requests_per_minute,
        "model_max_budget": null,
        "budget_duration": limit.and_then(|limit| budget::duration_text(limit.period)),
        "budget_reset_at": limit.map_or(Value::Null, |limit| budget::resets_at(limit, now)),
    })
}
