//! What several kinds of rows have in common: texts, amounts and moments.

use serde_json::{Map, Value};
use tallygate_core::money::NanoUsd;
use tallygate_core::time::Timestamp;

/// Nano-dollars of a dollar.
const NANO: f64 = 1e9;
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

/// Fields of a row by name, with what its budget says where it says nothing itself.
pub(super) fn fields(row: &Value, budget: Option<&Value>, names: &[&str]) -> Map<String, Value> {
    let is_said = |value: &&Value| !value.is_null();
    let found = |name: &str| {
        let shared = || budget.and_then(|budget| budget.get(name)).filter(is_said);
        Some((name.to_owned(), row.get(name).filter(is_said).or_else(shared)?.clone()))
    };
    names.iter().filter_map(|name| found(name)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tallygate_core::money::NanoUsd;

    use super::{moment, spent};

    #[test]
    fn amounts_are_rounded_up_and_moments_are_in_utc() {
        assert_eq!(spent(&json!({ "spend": 0.000_000_000_1 })), NanoUsd::new(1));
        assert_eq!(spent(&json!({ "spend": -1.0 })), NanoUsd::ZERO);
        let row = json!({ "expires": "2026-12-01T10:00:00.5", "none": null, "bad": "soon" });
        assert_eq!(moment(&row, "expires"), Some(Ok("2026-12-01T10:00:00.500Z".parse().unwrap())));
        assert!(moment(&row, "none").is_none() && moment(&row, "bad").unwrap().is_err());
    }
}
