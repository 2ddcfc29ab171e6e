//! What of a wanted object differs from what the proxy has: only that is sent.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The field that is merged: what the proxy keeps there beside ours may limit a key.
const METADATA: &str = "metadata";
/// How much may be spent, and the length of the windows in which.
const MAX_BUDGET: &str = "max_budget";
const WINDOWS: &str = "budget_duration";
/// The least amount that differs, in dollars.
const NANO_USD: f64 = 1e-9;
/// Fields that limit somebody.
const LIMITING: [&str; 7] =
    ["aliases", "allowed_routes", "max_budget", "max_parallel_requests", "models", "rpm_limit", "tpm_limit"];
/// Whom LiteLLM has own what its operator makes for nobody.
const OPERATOR: &str = "default_user_id";
/// Lists in which only membership means something.
const SETS: [&str; 2] = ["models", "allowed_routes"];

/// The wanted fields that are not so there.
#[must_use]
pub fn of(wanted: &Map<String, Value>, there: &Value) -> Map<String, Value> {
    let differing = wanted.iter().filter_map(|(name, value)| {
        let found = there.get(name).unwrap_or(&Value::Null);
        let value = if name == METADATA { merged(value, found) } else { value.clone() };
        let is_so = is_same(name, &value, found) || (name == MAX_BUDGET && leaves_as_much(wanted, there));
        (!is_so).then(|| (name.clone(), value))
    });
    differing.collect()
}

/// The limiting fields that say something, and are not so there. None should be left after a change: a proxy passes over what it
/// does not know, and allows more then.
#[must_use]
pub fn limits_not_taken<'w>(wanted: &'w Map<String, Value>, there: &Value) -> Vec<&'w str> {
    let not_taken = wanted.iter().filter(|(name, value)| {
        let found = there.get(name.as_str()).unwrap_or(&Value::Null);
        let is_so = is_same(name, value, found) || (*name == MAX_BUDGET && leaves_as_much(wanted, there));
        LIMITING.contains(&name.as_str()) && !says_nothing(value) && !is_so
    });
    not_taken.map(|(name, _)| name.as_str()).collect()
}

/// Whether a budget without windows leaves at most what the wanted one is, and was not meant to be less: the proxy counts from the
/// key's beginning, and here it counts from when the budget was set. So what an import left of a budget stays.
fn leaves_as_much(wanted: &Map<String, Value>, there: &Value) -> bool {
    let of_wanted = |name: &str| wanted.get(name).unwrap_or(&Value::Null);
    let there = |name: &str| there.get(name).unwrap_or(&Value::Null);
    if !says_nothing(of_wanted(WINDOWS)) || !says_nothing(there(WINDOWS)) {
        return false;
    }
    let (wanted, most, spent) = (of_wanted(MAX_BUDGET).as_f64(), there(MAX_BUDGET).as_f64(), there("spend").as_f64());
    let (Some(wanted), Some(most)) = (wanted, most) else { return false };
    most >= wanted && most - spent.unwrap_or_default() <= wanted + NANO_USD
}

/// What is there, with what is wanted over it.
fn merged(wanted: &Value, there: &Value) -> Value {
    let mut merged = there.as_object().cloned().unwrap_or_default();
    merged.extend(wanted.as_object().cloned().unwrap_or_default());
    Value::Object(merged)
}

fn is_same(name: &str, one: &Value, other: &Value) -> bool {
    match (one, other) {
        _ if says_nothing(one) && says_nothing(other) => true,
        (Value::Null, Value::String(other)) if name == "user_id" => other == OPERATOR,
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) if SETS.contains(&name) => set(one) == set(other),
        _ => one == other,
    }
}

fn set(values: &[Value]) -> BTreeSet<String> {
    values.iter().map(Value::to_string).collect()
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{limits_not_taken, of};
    use serde_json::{Value, json};

    fn differing(wanted: &Value, there: &Value) -> Value {
        Value::Object(of(wanted.as_object().unwrap(), there))
    }

    #[test]
    fn only_what_is_not_so_there_is_sent() {
        let wanted =
            json!({ "max_budget": 5, "models": ["b", "a"], "key_alias": "ci", "rpm_limit": null, "aliases": {} });
        let there = json!({ "max_budget": 5.0, "models": ["a", "b"], "key_alias": "old", "spend": 3 });
        assert_eq!(differing(&wanted, &there), json!({ "key_alias": "ci" }));
    }

    #[test]
    fn zero_is_a_limit_and_an_empty_list_of_models_takes_a_narrower_one_away() {
        assert_eq!(differing(&json!({ "rpm_limit": 0 }), &json!({})), json!({ "rpm_limit": 0 }));
        assert_eq!(differing(&json!({ "models": [] }), &json!({ "models": ["a"] })), json!({ "models": [] }));
    }

    #[test]
    fn a_limit_that_was_passed_over_is_found_out_and_a_narrower_one_than_wanted_is_none() {
        let wanted =
            json!({ "rpm_limit": 5, "models": ["a"], "tpm_limit": null, "key_alias": "x", "allowed_routes": [] });
        let wanted = wanted.as_object().unwrap();
        assert_eq!(limits_not_taken(wanted, &json!({ "models": [], "tpm_limit": 3 })), ["models", "rpm_limit"]);
        assert!(limits_not_taken(wanted, &json!({ "rpm_limit": 5.0, "models": ["a"] })).is_empty());
    }

    #[test]
    fn what_an_import_left_of_a_budget_is_the_same_budget() {
        let sent =
            |wanted: f64, there: Value| differing(&json!({ "max_budget": wanted, "budget_duration": null }), &there);
        assert_eq!(sent(7.75, json!({ "max_budget": 10.0, "spend": 2.25 })), json!({}));
        assert_eq!(sent(7.75, json!({ "max_budget": 10.0, "spend": 4.0 })), json!({}), "it was spent there meanwhile");
        assert_eq!(
            sent(5.0, json!({ "max_budget": 10.0, "spend": 2.25 })),
            json!({ "max_budget": 5.0 }),
            "more would be left"
        );
        assert_eq!(sent(20.0, json!({ "max_budget": 10.0, "spend": 2.25 })), json!({ "max_budget": 20.0 }));
        let in_windows = json!({ "max_budget": 10.0, "spend": 2.25, "budget_duration": "7d" });
        assert_eq!(sent(7.75, in_windows)["max_budget"], 7.75);
    }

    #[test]
    fn what_the_operator_made_for_nobody_is_nobodys() {
        assert_eq!(differing(&json!({ "user_id": null }), &json!({ "user_id": "default_user_id" })), json!({}));
        assert_eq!(differing(&json!({ "user_id": null }), &json!({ "user_id": "ann" })), json!({ "user_id": null }));
    }

    #[test]
    fn metadata_are_merged_so_that_a_limit_that_is_kept_there_stays() {
        let wanted = json!({ "metadata": { "team": "x" } });
        let merged = differing(&wanted, &json!({ "metadata": { "guardrails": ["g"] } }));
        assert_eq!(merged, json!({ "metadata": { "guardrails": ["g"], "team": "x" } }));
        assert_eq!(differing(&wanted, &json!({ "metadata": { "team": "x", "more": 1 } })), json!({}));
    }
}
