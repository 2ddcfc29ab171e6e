//! A tag as LiteLLM shows it.

use serde_json::{Map, Value, json};
use tallygate_adapters::litellm::amount::usd;
use tallygate_adapters::litellm::model_list;
use tallygate_core::control::Control;
use tallygate_core::scope::Scope;
use tallygate_core::tag::Tag;

use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::budgets;
use crate::http::litellm::keys::row::{name, object};
use crate::http::litellm::spent::{counted, spend_of_tag};

/// What an answer to a change has.
pub(super) fn brief(tag: &Tag) -> Map<String, Value> {
    object(json!({
        "name": tag.tag.name,
        "description": tag.description,
        "models": model_list::listed(&tag.models),
        "model_info": {},
        "team_id": tag.tag.realm,
        "created_at": tag.trail.created.at,
        "updated_at": tag.trail.changed.at,
        "created_by": name(&tag.trail.created.by),
    }))
}

/// The whole row, with that of its budget. What was spent is that of the budget's open window; without one, what was asked
/// under the tag in all.
///
/// # Errors
/// 503 if what was spent cannot be read.
pub(super) fn row(app: &App, control: &Control, tag: &Tag) -> Result<Map<String, Value>, ApiError> {
    let scope = Scope::Tag(tag.tag.clone());
    let spend = match counted(app, control, &scope)? {
        Some(counted) => counted,
        None => spend_of_tag(app, control, &tag.tag)?,
    };
    let budget = control.budget(&scope);
    let mut fields = brief(tag);
    fields.insert("spend".to_owned(), usd(spend));
    fields.insert("budget_id".to_owned(), json!(budget.and_then(|budget| budget.named.as_ref())));
    fields.insert("litellm_budget_table".to_owned(), budgets::row::table(app, budget, &tag.limits));
    Ok(fields)
}
