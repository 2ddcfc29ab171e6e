//! Rules as fields that teams, users and keys have alike, and those that have no field.

use serde_json::{Map, Value, json};
use tallygate_core::budget::Budget;
use tallygate_core::control::Control;
use tallygate_core::id::RealmId;
use tallygate_core::limits::Limits;
use tallygate_core::model_pattern::Allowed;
use tallygate_core::realm::Realm;
use tallygate_core::scope::Scope;
use tallygate_core::stream::StreamId;

use super::wanted::Wanted;
use crate::litellm::{amount, duration};

/// The limits of a scope, with those that its named budget brings.
pub(super) fn limits(own: Limits, budget: Option<&Budget>) -> Limits {
    own.or(budget.map(|budget| budget.rates).unwrap_or_default())
}

/// Whether a budget limits anything.
pub(super) fn has_limits(budget: Option<&Budget>) -> bool {
    budget.is_some_and(|budget| !budget.limits.is_empty())
}

/// The fields of a budget. More limits than one have none.
pub(super) fn say_budget(wanted: &mut Wanted, budget: Option<&Budget>) {
    let limits = budget.map(|budget| budget.limits.as_slice()).unwrap_or_default();
    let first = limits.first();
    wanted.fields.insert("max_budget".to_owned(), first.map_or(Value::Null, |limit| amount::usd(limit.limit_nano_usd)));
    let windows = first.and_then(|limit| duration::written(limit.period));
    wanted.fields.insert("budget_duration".to_owned(), json!(windows));
    if limits.len() > 1 {
        wanted.unsaid.push(format!("its budget has limits for {} periods, and LiteLLM has one", limits.len()));
    }
}

/// The fields of limits by the minute.
pub(super) fn say_rates(fields: &mut Map<String, Value>, limits: Limits) {
    fields.insert("rpm_limit".to_owned(), json!(limits.requests_per_minute));
    fields.insert("tpm_limit".to_owned(), json!(limits.tokens_per_minute));
}

/// Notes the rules of a realm that no team carries: one that others nest in, or the realm `default`.
pub(super) fn note_rules_of(control: &Control, realm: &Realm, unsaid: &mut Vec<String>) {
    let budget = control.budget(&Scope::Realm(realm.id.clone()));
    if has_limits(budget) {
        unsaid.push(format!("the realm `{}` above it has a budget", realm.id));
    }
    if limits(realm.limits, budget) != Limits::default() {
        unsaid.push(format!("the realm `{}` above it has rate limits", realm.id));
    }
    note_budgets_of_models(control, &realm.id, unsaid);
}

/// Notes budgets for models within a realm.
pub(super) fn note_budgets_of_models(control: &Control, realm: &RealmId, unsaid: &mut Vec<String>) {
    let mut budgets = control.model_budgets.iter();
    let has_one = |((of, _), budget): (&(RealmId, _), &std::sync::Arc<Budget>)| of == realm && has_limits(Some(budget));
    if budgets.any(has_one) {
        unsaid.push(format!("the realm `{realm}` has budgets for single models"));
    }
}

/// Whether one of some streams has an event that this version cannot read.
pub(super) fn has_unread(control: &Control, streams: &[StreamId]) -> bool {
    streams.iter().any(|stream| control.quarantined.contains(stream))
}

/// Notes the budget of the whole gateway.
pub(super) fn note_budget_of_gateway(control: &Control, unsaid: &mut Vec<String>) {
    if has_limits(control.budget(&Scope::Gateway)) {
        unsaid.push("the gateway as a whole has a budget".to_owned());
    }
}

/// What a realm and all that it nests in were granted. A chain that ends at a parent which is not there allows nothing.
pub(super) fn models_of(control: &Control, realm: &RealmId) -> Allowed {
    let mut above = Some(realm);
    let mut allowed = Allowed::All;
    for ancestor in control.chain(realm) {
        above = ancestor.parent.as_ref();
        let granted = control.grants.get(&ancestor.id).map_or_else(Allowed::none, |grants| grants.allowed.clone());
        allowed = allowed.within(&granted);
    }
    if above.is_none() { allowed } else { Allowed::none() }
}
