//! What a rule of named budgets is answered with.

use serde_json::json;
use tallygate_core::command::Rejection;
use tallygate_core::named_budget::Rejection as Rule;

use crate::command::Refused;
use crate::http::error::ApiError;

/// LiteLLM's status and parameter for a refused command about a named budget.
pub(super) fn refused(refused: Refused) -> ApiError {
    match refused.rejection.as_deref() {
        Some(Rejection::NamedBudget(Rule::AlreadyRegistered(id))) => {
            let message = format!("Budget with id '{id}' already exists.");
            let detail = json!({ "error": message });
            ApiError::coded(refused.code, 400, message).param("budget_id").framework_detail(detail)
        }
        Some(Rejection::NamedBudget(Rule::NotRegistered(id))) => not_found(id.as_str(), "budget_id"),
        Some(Rejection::NamedBudget(Rule::Limits(_))) => {
            ApiError::coded(refused.code, 400, refused.message).param("max_budget")
        }
        Some(Rejection::NamedBudget(Rule::NoLimit(_))) => {
            ApiError::coded(refused.code, 400, refused.message).param("soft_budget")
        }
        _ => refused.into(),
    }
}

/// The answer when there is no such budget.
pub(super) fn not_found(named: &str, param: &'static str) -> ApiError {
    let message = format!("Budget id={named} does not exist");
    let detail = json!({ "error": message });
    ApiError::coded("named_budget_not_registered", 404, message).param(param).framework_detail(detail)
}
