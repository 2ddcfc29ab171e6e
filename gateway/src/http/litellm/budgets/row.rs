//! A budget as a row of LiteLLM's table of budgets.

use serde_json::{Map, Value, json};
use tallygate_adapters::litellm::amount::usd;
use tallygate_adapters::litellm::duration;
use tallygate_core::budget::{Budget, BudgetLimit};
use tallygate_core::limits::Limits;
use tallygate_core::named_budget::NamedBudget;

use crate::http::App;
use crate::http::litellm::keys::row::{name, object};
use crate::http::litellm::keys::{budget, terms};

/// The row of a named budget. Of several limits it is the first.
pub(super) fn row(app: &App, named: &NamedBudget) -> Map<String, Value> {
    let mut fields = shared(app, named.limits.first(), &named.rates);
    fields.extend(object(json!({
        "soft_budget": named.told_at_nano_usd.map(usd),
        "budget_id": named.budget,
        "created_at": named.trail.created.at,
        "created_by": name(&named.trail.created.by),
        "updated_at": named.trail.changed.at,
        "updated_by": name(&named.trail.changed.by),
    })));
    fields
}

/// The budget of somebody who has one, with the rate limits that hold for them: their own, and else those of the named
/// budget.
pub(in crate::http::litellm) fn table(app: &App, budget: Option<&Budget>, own: &Limits) -> Value {
    let rates = own.or(budget.map(|budget| budget.rates).unwrap_or_default());
    let named = budget.and_then(|budget| budget.named.as_ref());
    let limit = budget.and_then(|budget| budget.limits.first());
    if named.is_none() && limit.is_none() && rates == Limits::default() {
        return Value::Null;
    }
    let mut fields = shared(app, limit, &rates);
    fields.insert("budget_id".to_owned(), json!(named));
    fields.insert("soft_budget".to_owned(), json!(budget.and_then(Budget::soft_limit).map(usd)));
    Value::Object(fields)
}

/// `budget_id` and the budget's row, for somebody who has a named budget, and the terms of theirs; nulls for others.
pub(in crate::http::litellm) fn attached(app: &App, budget: Option<&Budget>) -> Map<String, Value> {
    let named = budget.filter(|budget| budget.named.is_some());
    let table = named.map_or(Value::Null, |budget| table(app, Some(budget), &Limits::default()));
    let mut fields = terms::shown(budget, app.pipeline.clock.now());
    fields.insert("budget_id".to_owned(), json!(named.and_then(|budget| budget.named.as_ref())));
    fields.insert("litellm_budget_table".to_owned(), table);
    fields
}

fn shared(app: &App, limit: Option<&BudgetLimit>, rates: &Limits) -> Map<String, Value> {
    let now = app.pipeline.clock.now();
    object(json!({
        "max_budget": limit.map(|limit| usd(limit.limit_nano_usd)),
        "soft_budget": null,
        "max_parallel_requests": rates.parallel_requests,
        "tpm_limit": rates.tokens_per_minute,
        "rpm_limit": rates.requests_per_minute,
        "model_max_budget": null,
        "budget_duration": limit.and_then(|limit| duration::written(limit.period)),
        "budget_reset_at": limit.map_or(Value::Null, |limit| budget::resets_at(limit, now)),
    }))
}
