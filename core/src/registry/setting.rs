//! Settings of a deployment that stand among its parameters and attachments, where LiteLLM's users write them, and that a
//! gateway acts on: read once, within bounds.

use std::time::Duration;

use serde_json::{Number, Value};

/// A setting that cannot be acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` of a deployment {expected}")]
pub struct InvalidSetting {
    /// Where it stands: `params.timeout`.
    pub field: &'static str,
    /// What it must be.
    pub expected: &'static str,
}

/// A number of seconds, whole or with decimals, of a millisecond at least and `most` at most; none where it says nothing.
/// What is finer than a millisecond is left out.
///
/// # Errors
/// It is something else.
pub(super) fn seconds(
    section: &Value,
    field: &'static str,
    most: Duration,
    expected: &'static str,
) -> Result<Option<Duration>, InvalidSetting> {
    let invalid = InvalidSetting { field, expected };
    let duration = match value(section, field) {
        None => return Ok(None),
        Some(Value::Number(number)) => millis(number).map(Duration::from_millis).ok_or(invalid)?,
        Some(_) => return Err(invalid),
    };
    let is_within = (Duration::from_millis(1)..=most).contains(&duration);
    is_within.then_some(Some(duration)).ok_or(invalid)
}

/// What stands under the last part of a field's name; none where it says nothing.
pub(super) fn value<'v>(section: &'v Value, field: &str) -> Option<&'v Value> {
    let name = field.rsplit_once('.').map_or(field, |(_, name)| name);
    section.get(name).filter(|value| !value.is_null() && value.as_str() != Some(""))
}

/// Seconds as milliseconds, by their digits: no float is needed for that.
fn millis(seconds: &Number) -> Option<u64> {
    let text = seconds.to_string();
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    if decimals.bytes().any(|byte| !byte.is_ascii_digit()) {
        return None;
    }
    let decimals: String = decimals.chars().chain("000".chars()).take(3).collect();
    whole.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(decimals.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::seconds;
    use serde_json::{Value, json};
    use std::time::Duration;

    fn read(value: &Value) -> Result<Option<u64>, &'static str> {
        let section = json!({ "timeout": value });
        let most = Duration::from_secs(60);
        let read = seconds(&section, "params.timeout", most, "is a time").map_err(|invalid| invalid.field);
        read.map(|duration| duration.map(|duration| u64::try_from(duration.as_millis()).unwrap()))
    }

    #[test]
    fn seconds_are_read_to_the_millisecond() {
        for (value, millis) in
            [(json!(30), 30_000), (json!(30.5), 30_500), (json!(0.0016), 1), (json!(60), 60_000), (json!(2.0), 2_000)]
        {
            assert_eq!(read(&value), Ok(Some(millis)));
        }
        assert_eq!((read(&Value::Null), read(&json!(""))), (Ok(None), Ok(None)));
    }

    #[test]
    fn what_is_no_time_or_out_of_bounds_is_refused_by_name() {
        for value in
            [json!(0), json!(-1), json!(0.0001), json!(60.001), json!(1e300), json!("30"), json!([30]), json!(true)]
        {
            assert_eq!(read(&value), Err("params.timeout"), "{value}");
        }
    }
}
