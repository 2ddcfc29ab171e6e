//! JSON that is carried and not looked into: schemas, arguments, fields without a canonical form.

use std::fmt;

use serde_json::value::RawValue;

/// A text is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not JSON")]
pub struct NotJson;

/// One JSON value in the order and spelling that its author chose, without white space between its parts, so that it fits
/// on a line.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Raw(Box<str>);

impl Raw {
    /// Reads one JSON value.
    ///
    /// # Errors
    /// [`NotJson`], also for a value nested deeper than 127 levels.
    pub fn parse(text: &str) -> Result<Self, NotJson> {
        let value: &RawValue = serde_json::from_str(text).map_err(|_| NotJson)?;
        Ok(Self::of(value))
    }

    /// A value that was parsed already.
    #[must_use]
    pub fn of(value: &RawValue) -> Self {
        Self(compact(value.get()).into_boxed_str())
    }

    /// A JSON string.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self(serde_json::Value::from(text).to_string().into_boxed_str())
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.0.starts_with('{')
    }

    /// As a value, whose objects are sorted by name.
    #[must_use]
    pub fn to_value(&self) -> serde_json::Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({} bytes)", self.0.len())
    }
}

/// Drops white space outside of strings. The text is valid JSON.
fn compact(json: &str) -> String {
    if !json.bytes().any(|byte| byte.is_ascii_whitespace()) {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len());
    let (mut in_string, mut is_escaped) = (false, false);
    for letter in json.chars() {
        if in_string {
            in_string = is_escaped || letter != '"';
            is_escaped = !is_escaped && letter == '\\';
        } else if letter.is_ascii_whitespace() {
            continue;
        } else {
            in_string = letter == '"';
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::Raw;

    #[test]
    fn order_and_spelling_stay_and_white_space_between_parts_goes() {
        let raw = Raw::parse("\n { \"b\" : [ 1.50 , \"a  \\\" b\" ],\r\n\t\"a\":{ } } ").unwrap();
        assert_eq!(raw.as_str(), r#"{"b":[1.50,"a  \" b"],"a":{}}"#);
        assert_eq!(Raw::parse(r#" "a\\" "#).unwrap().as_str(), r#""a\\""#);
        assert_eq!(Raw::text("a\n").as_str(), r#""a\n""#);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["", "{", "{} {}", "nul", &"[".repeat(200)] {
            assert!(Raw::parse(text).is_err(), "{text}");
        }
    }
}
