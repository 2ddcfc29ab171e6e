//! What several kinds of rows have in common: texts, amounts, moments, and the budgets that they refer to.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tallygate_adapters::litellm::database::{Database, DatabaseError, Table};
use tallygate_core::money::NanoUsd;
use tallygate_core::time::Timestamp;

/// Nano-dollars of a dollar.
const NANO: f64 = 1e9;
/// What a budget of its own says, and a row may say itself.
const OF_BUDGETS: [&str; 5] = ["max_budget", "budget_duration", "max_parallel_requests", "tpm_limit", "rpm_limit"];

/// The rows of budgets, by id.
pub(super) type Budgets = BTreeMap<String, Value>;

/// Reads the budgets.
///
/// # Errors
/// [`DatabaseError`].
pub(super) async fn budgets(database: &Database) -> Result<Budgets, DatabaseError> {
    let rows = database.rows(Table::Budgets).await?;
    Ok(rows.into_iter().map(|row| (text(&row, Table::Budgets.key()).to_owned(), row)).collect())
}

/// A text of a row; empty if it has none.
pub(super) fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A text of a row that says something.
pub(super) fn said<'a>(row: &'a Value, name: &str) -> Option<&'a str> {
    Some(text(row, name)).filter(|text| !text.is_empty())
}

/// A list of texts.
pub(super) fn texts(row: &Value, name: &str) -> Vec<String> {
    let items = row.get(name).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

/// What was spent, rounded up to a nano-dollar: LiteLLM keeps it as a double.
pub(super) fn spent(row: &Value) -> NanoUsd {
    let usd = row.get("spend").and_then(Value::as_f64).unwrap_or_default();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a conversion to an integer saturates, which is what is wanted"
    )]
    NanoUsd::new((usd.max(0.0) * NANO).ceil() as i64)
}

/// A moment of a column without a time zone, which is in UTC.
pub(super) fn moment(row: &Value, name: &str) -> Option<Result<Timestamp, String>> {
    let text = said(row, name)?;
    let parsed = text.parse().or_else(|_| format!("{text}Z").parse());
    Some(parsed.map_err(|error: tallygate_core::time::TimeError| error.to_string()))
}

/// Fields of a row by name, with what the budget that it refers to says where it says nothing itself.
pub(super) fn fields(row: &Value, names: &[&str], budgets: &Budgets) -> Map<String, Value> {
    let is_said = |value: &&Value| !value.is_null();
    let budget = said(row, "budget_id").and_then(|id| budgets.get(id));
    let mut fields = Map::new();
    for name in names {
        let own = row.get(*name).filter(is_said);
        let shared = budget.filter(|_| OF_BUDGETS.contains(name)).and_then(|budget| budget.get(*name)).filter(is_said);
        if let Some(value) = own.or(shared) {
            fields.insert((*name).to_owned(), value.clone());
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;
    use tallygate_core::money::NanoUsd;

    use super::{fields, moment, spent};

    #[test]
    fn what_a_row_does_not_say_its_budget_says() {
        let budgets = BTreeMap::from([("b".to_owned(), json!({ "max_budget": 5, "rpm_limit": 7, "metadata": 1 }))]);
        let row = json!({ "budget_id": "b", "max_budget": null, "rpm_limit": 9 });
        let of = fields(&row, &["max_budget", "rpm_limit", "metadata"], &budgets);
        assert_eq!(json!(of), json!({ "max_budget": 5, "rpm_limit": 9 }));
    }

    #[test]
    fn amounts_are_rounded_up_and_moments_are_in_utc() {
        assert_eq!(spent(&json!({ "spend": 0.000_000_000_1 })), NanoUsd::new(1));
        assert_eq!(spent(&json!({ "spend": -1.0 })), NanoUsd::ZERO);
        let row = json!({ "expires": "2026-12-01T10:00:00.5", "none": null, "bad": "soon" });
        assert_eq!(moment(&row, "expires"), Some(Ok("2026-12-01T10:00:00.500Z".parse().unwrap())));
        assert!(moment(&row, "none").is_none() && moment(&row, "bad").unwrap().is_err());
    }
}
