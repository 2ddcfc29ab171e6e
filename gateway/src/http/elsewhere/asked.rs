//! What is asked: rows that are whole, each by itself. Their keys are looked up later.

use serde::Deserialize;
use serde_json::value::RawValue;
use tallygate_core::activity::{DaySpent, Under};
use tallygate_core::digest::Digest;
use tallygate_core::id::{EndUserId, KeyId, ModelName, SourceName, TagName, VendorId};
use tallygate_core::key::KeyHash;
use tallygate_core::money::NanoUsd;
use tallygate_core::time::{Day, Timestamp};
use tallygate_core::usage::Usage;

use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;

/// The most rows of one call.
const ROWS_MAX: usize = 1_000;

/// What is told.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) source: SourceName,
    pub(super) rows: Vec<Row>,
}

/// A row whose key is not looked up yet.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) key: Key,
    under: Option<Under>,
    written: Written,
}

/// How a key is named. Never by its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Id(KeyId),
    Hash(KeyHash),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole<'a> {
    source: SourceName,
    #[serde(borrow)]
    rows: Vec<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    day: Day,
    key: String,
    model: ModelName,
    vendor: VendorId,
    #[serde(default)]
    end_user: Option<EndUserId>,
    #[serde(default)]
    tag: Option<TagName>,
    #[serde(default)]
    succeeded: u64,
    #[serde(default)]
    failed: u64,
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    cached_input_tokens: u64,
    #[serde(default)]
    cache_write_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
    #[serde(default)]
    reasoning_tokens: u64,
    cost_nano_usd: NanoUsd,
}

impl Asked {
    /// Reads a body.
    ///
    /// # Errors
    /// 400, naming the row.
    pub(super) fn read(bytes: &[u8], now: Timestamp) -> Result<Self, ApiError> {
        let invalid = |error| ApiError::new(ErrorCode::BodyInvalid, format!("Invalid JSON payload: {error}"));
        let Whole { source, rows } = serde_json::from_slice(bytes).map_err(invalid)?;
        if rows.len() > ROWS_MAX {
            let message = format!("a call holds at most {ROWS_MAX} rows, this one {}", rows.len());
            return Err(ApiError::new(ErrorCode::ParameterInvalid, message).param("rows"));
        }
        let today = Day::of(now);
        let read = |(number, row): (usize, &RawValue)| {
            let written = serde_json::from_str::<Written>(row.get()).map_err(|error| error.to_string());
            written.and_then(|row| row.checked(today)).map_err(|why| wrong(number, &why))
        };
        Ok(Self { source, rows: rows.into_iter().enumerate().map(read).collect::<Result<_, _>>()? })
    }
}

/// The error for a row, which is named by its place in the list.
pub(super) fn wrong(number: usize, why: &str) -> ApiError {
    let message = format!("row {number}: {why}");
    ApiError::new(ErrorCode::ParameterInvalid, message).param(format!("rows[{number}]"))
}

impl Written {
    fn checked(self, today: Day) -> Result<Row, String> {
        if self.day > today {
            return Err(format!("its day {} has not come: today is {today}", self.day));
        }
        if self.cost_nano_usd < NanoUsd::ZERO {
            return Err("`cost_nano_usd` is at least 0".to_owned());
        }
        if self.reasoning_tokens > self.output_tokens {
            return Err("`reasoning_tokens` are a part of `output_tokens`".to_owned());
        }
        let key = Key::read(&self.key).ok_or("`key` is the hash of a key or its id, never its secret")?;
        let under = match (&self.end_user, &self.tag) {
            (Some(_), Some(_)) => return Err("a row is of an end user or of a tag, not of both".to_owned()),
            (Some(end_user), None) => Some(Under::EndUser(end_user.clone())),
            (None, tag) => tag.clone().map(Under::Tag),
        };
        Ok(Row { key, under, written: self })
    }
}

impl Row {
    /// What it says, of the key that it names.
    pub(super) fn of(self, key: KeyId) -> DaySpent {
        let Self { key: _, under, written } = self;
        let usage = Usage {
            input_tokens: written.input_tokens,
            cached_input_tokens: written.cached_input_tokens,
            cache_write_tokens: written.cache_write_tokens,
            output_tokens: written.output_tokens,
            reasoning_tokens: written.reasoning_tokens,
            ..Usage::default()
        };
        DaySpent {
            day: written.day,
            key,
            model: written.model,
            vendor: written.vendor,
            under,
            succeeded: written.succeeded,
            failed: written.failed,
            usage,
            cost_nano_usd: written.cost_nano_usd,
        }
    }
}

impl Key {
    fn read(text: &str) -> Option<Self> {
        let hash = Digest::from_hex(text.as_bytes()).ok().map(|digest| Self::Hash(KeyHash::new(digest)));
        hash.or_else(|| text.parse().ok().map(Self::Id))
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Hash(hash) => hash.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tallygate_core::activity::Under;
    use tallygate_core::time::Timestamp;

    use super::{Asked, ROWS_MAX};

    const NOW: Timestamp = Timestamp::from_millis(1_795_169_730_123);
    const HASH: &str = "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b";

    fn row(more: &Value) -> Value {
        let mut row = json!({ "day": "2026-11-20", "key": HASH, "model": "gpt", "vendor": "acme", "cost_nano_usd": 5 });
        for (name, value) in more.as_object().unwrap() {
            row[name] = value.clone();
        }
        row
    }

    fn read(rows: &[Value]) -> Result<Asked, (String, Option<String>)> {
        let body = json!({ "source": "litellm", "rows": rows }).to_string();
        let said = |error: super::ApiError| (error.message.clone(), error.param.map(String::from));
        Asked::read(body.as_bytes(), NOW).map_err(said)
    }

    #[test]
    fn a_row_is_of_everything_or_of_one_end_user_or_one_tag() {
        let id = "01990000-0000-7000-8000-000000000001";
        let rows = [
            row(&json!({ "succeeded": 3, "failed": 1, "input_tokens": 7 })),
            row(&json!({ "end_user": "c" })),
            row(&json!({ "tag": "c" })),
            row(&json!({ "key": id })),
        ];
        let asked = read(&rows).unwrap();
        assert_eq!((asked.rows[0].key.to_string(), asked.rows[3].key.to_string()), (HASH.to_owned(), id.to_owned()));
        let said: Vec<_> = asked.rows.into_iter().map(|row| row.of(id.parse().unwrap())).collect();
        let under: Vec<_> = said.iter().map(|row| row.under.clone()).collect();
        let [end_user, tag] = [Under::EndUser("c".parse().unwrap()), Under::Tag("c".parse().unwrap())];
        assert_eq!(under, [None, Some(end_user), Some(tag), None]);
        assert_eq!((said[0].succeeded, said[0].usage.input_tokens, said[0].cost_nano_usd.nano()), (3, 7, 5));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_row() {
        for (more, said) in [
            (json!({ "day": "2026-11-21" }), "row 1: its day 2026-11-21 has not come: today is 2026-11-20"),
            (json!({ "day": "20/11/2026" }), "row 1: `20/11/2026` is not a day"),
            (json!({ "cost_nano_usd": -1 }), "row 1: `cost_nano_usd` is at least 0"),
            (json!({ "cost_nano_usd": 0.5 }), "row 1: invalid type: floating point"),
            (json!({ "cost_nano_usd": null }), "row 1: invalid type: null"),
            (json!({ "succeeded": -1 }), "row 1: invalid value"),
            (json!({ "reasoning_tokens": 1 }), "row 1: `reasoning_tokens` are a part"),
            (json!({ "key": "sk-canary" }), "row 1: `key` is the hash of a key or its id, never its secret"),
            (json!({ "model": "" }), "row 1: a model name must not be empty"),
            (json!({ "vendor": "a\u{0}" }), "row 1: a vendor must not hold"),
            (json!({ "tag": " a" }), "row 1: a tag must not hold"),
            (json!({ "tag": "a", "end_user": "b" }), "row 1: a row is of an end user or of a tag"),
            (json!({ "spend": 1 }), "row 1: unknown field `spend`"),
        ] {
            let (message, param) = read(&[row(&json!({})), row(&more)]).unwrap_err();
            assert!(message.starts_with(said), "{message}");
            assert!(!message.contains("canary"), "{message}");
            assert_eq!(param.as_deref(), Some("rows[1]"));
        }
    }

    #[test]
    fn a_call_holds_so_many_rows_and_no_more() {
        let rows: Vec<Value> = (0..=ROWS_MAX).map(|number| row(&json!({ "model": format!("m{number}") }))).collect();
        assert_eq!(read(&rows[..ROWS_MAX]).unwrap().rows.len(), ROWS_MAX);
        assert_eq!(read(&rows).unwrap_err().1.as_deref(), Some("rows"));
        assert!(read(&[]).unwrap().rows.is_empty());
    }

    #[test]
    fn a_body_of_another_form_is_refused() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"source":"x"}"#,
            r#"{"source":"","rows":[]}"#,
            r#"{"source":"x","rows":[],"more":1}"#,
            r#"{"source":"x","source":"y","rows":[]}"#,
            r#"{"source":"x","rows":[NaN]}"#,
        ] {
            assert_eq!(Asked::read(body.as_bytes(), NOW).unwrap_err().code, "body_invalid", "{body}");
        }
    }
}
