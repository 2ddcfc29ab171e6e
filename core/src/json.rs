//! Free-form JSON that people attach to things: carried and echoed, never looked into. And how JSON is written.

pub mod writer;

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

#[cfg(test)]
mod tests {
    use super::{JSON_MAX_BYTES, JSON_MAX_DEPTH, Json};
    use proptest::prelude::{Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};
    use serde_json::Value;

    fn read(text: &str) -> Result<Json, serde_json::Error> {
        serde_json::from_str(text)
    }

    fn nested(depth: usize) -> String {
        format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth))
    }

    #[test]
    fn equal_objects_are_equal_bytes_however_they_are_spelt() {
        let json = read(r#" { "b" : [1, 2.50, -0, 1e3],"a":{"\u0064":null, "c" : true} } "#).unwrap();
        assert_eq!(json.as_str(), r#"{"a":{"c":true,"d":null},"b":[1,2.5,-0.0,1000.0]}"#);
        assert_eq!(serde_json::to_string(&json).unwrap(), json.as_str());
        assert_eq!(Json::from_value(&json.to_value()), Ok(json));
        assert_eq!(read("{}").unwrap(), Json::empty());
        assert_eq!(Json::default(), Json::empty());
    }

    /// Attachments are carried, not looked into, and Python reads them so.
    #[test]
    fn of_a_field_that_stands_twice_in_an_attachment_the_last_one_counts() {
        assert_eq!(read(r#"{"a":1,"a":2}"#).unwrap().as_str(), r#"{"a":2}"#);
    }

    #[test]
    fn only_an_object_is_attached() {
        for text in ["null", "[]", "7", r#""x""#, "true", "", "{", "{}{}"] {
            assert!(read(text).is_err(), "{text}");
        }
        for number in ["1e999", "NaN", "Infinity", "01"] {
            assert!(read(&format!(r#"{{"a":{number}}}"#)).is_err(), "{number}");
        }
    }

    #[test]
    fn an_attachment_is_as_long_as_the_limit_and_no_longer() {
        let of_bytes = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - 8));
        assert_eq!(read(&of_bytes(JSON_MAX_BYTES)).unwrap().as_str().len(), JSON_MAX_BYTES);
        let error = read(&of_bytes(JSON_MAX_BYTES + 1)).unwrap_err().to_string();
        assert!(error.contains("at most 65536 bytes, this one has 65537"), "{error}");
        // White space does not count.
        assert!(read(&format!("{}{}", " ".repeat(JSON_MAX_BYTES), "{}")).is_ok());
    }

    #[test]
    fn an_attachment_nests_to_the_limit_and_no_deeper() {
        let json = read(&nested(JSON_MAX_DEPTH)).unwrap();
        assert_eq!(serde_json::to_string(&json).unwrap(), nested(JSON_MAX_DEPTH));
        assert!(read(&nested(JSON_MAX_DEPTH + 1)).unwrap_err().to_string().contains("64 deep"));
        let lists = (0..JSON_MAX_DEPTH).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        assert!(Json::from_value(&serde_json::json!({ "a": lists })).is_err());
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            proptest::strategy::Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            // Numbers with a point and an exponent, as people and programs write them.
            "-?(0|[1-9][0-9]{0,18})[.][0-9]{1,18}(e-?[0-9]{1,2})?"
                .prop_map(|text| serde_json::from_str(&text).unwrap()),
            "\\PC{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("\\PC{0,4}", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// An event is folded when it is decided, and again when it is read: both must be the same.
        #[test]
        fn an_attachment_is_read_as_it_was_written(fields in prop::collection::btree_map("\\PC{0,4}", value(), 0..4)) {
            let json = Json::from_value(&Value::Object(fields.into_iter().collect())).unwrap();
            let text = serde_json::to_string(&json).unwrap();
            prop_assert_eq!(&text, json.as_str());
            prop_assert_eq!(read(&text).unwrap(), json);
        }
    }
}
