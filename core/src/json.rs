//! Free-form JSON that people attach to things: carried and echoed, never looked into.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest attachment, in bytes of its compact form.
pub const JSON_MAX_BYTES: usize = 64 * 1024;
/// How deep objects and lists nest in an attachment, itself counted. Parsers stop at 127, and an attachment stands within
/// an event, a row or an answer.
pub const JSON_MAX_DEPTH: usize = 64;

/// A JSON object in compact form with sorted keys, so that equal objects are equal bytes.
///
/// It is JSON within JSON, and a plain string in formats that are not for people.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Json(Box<str>);

impl Json {
    /// The object without fields.
    #[must_use]
    pub fn empty() -> Self {
        Self("{}".into())
    }

    /// Normalises an object.
    ///
    /// # Errors
    /// A sentence when the value is no object, nests deeper than [`JSON_MAX_DEPTH`] or is longer than
    /// [`JSON_MAX_BYTES`].
    pub fn from_value(value: &serde_json::Value) -> Result<Self, String> {
        if !value.is_object() {
            return Err("expected a JSON object".to_owned());
        }
        if !nests_within(value, JSON_MAX_DEPTH) {
            return Err(format!("a JSON object here nests at most {JSON_MAX_DEPTH} deep"));
        }
        let text = value.to_string();
        if text.len() > JSON_MAX_BYTES {
            return Err(format!("a JSON object here has at most {JSON_MAX_BYTES} bytes, this one has {}", text.len()));
        }
        Ok(Self(text.into()))
    }

    /// The object's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The object as a value.
    #[must_use]
    pub fn to_value(&self) -> serde_json::Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

fn nests_within(value: &serde_json::Value, depth: usize) -> bool {
    let inner = |depth: usize| depth.checked_sub(1);
    match value {
        serde_json::Value::Object(fields) => {
            inner(depth).is_some_and(|depth| fields.values().all(|value| nests_within(value, depth)))
        }
        serde_json::Value::Array(items) => {
            inner(depth).is_some_and(|depth| items.iter().all(|value| nests_within(value, depth)))
        }
        _ => true,
    }
}

impl Default for Json {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({})", self.0)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            self.to_value().serialize(serializer)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let value = serde_json::Value::deserialize(deserializer)?;
            Self::from_value(&value).map_err(serde::de::Error::custom)
        } else {
            Box::<str>::deserialize(deserializer).map(Self)
        }
    }
}
