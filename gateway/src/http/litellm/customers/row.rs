//! An end user as LiteLLM shows them: the row of its table, with the row of their budget.

use serde_json::{Map, Value, json};
use tallygate_adapters::litellm::amount::usd;
use tallygate_core::control::Control;
use tallygate_core::end_user::EndUser;
use tallygate_core::scope::Scope;

use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::budgets;
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
    let budget = control.budget(&scope);
    let named = budget.and_then(|budget| budget.named.as_ref());
    Ok(object(json!({
        "user_id": end_user.end_user.id,
        "alias": end_user.alias,
        "blocked": end_user.blocked.is_some(),
        "spend": usd(spend),
        "allowed_model_region": null,
        "default_model": null,
        "budget_id": named,
        "litellm_budget_table": budgets::row::table(app, budget, &end_user.limits),
        "object_permission_id": null,
        "object_permission": null,
        "team_id": end_user.end_user.realm,
        "created_at": end_user.trail.created.at,
        "updated_at": end_user.trail.changed.at,
    })))
}
