//! Google takes every field as `mimeType` and as `mime_type`, and its own library mixes both.

use serde_json::{Map, Value};

/// Fields whose content is the caller's, and is not spelt otherwise.
const FREE: [&str; 6] =
    ["args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema"];

/// The same with every field of Google's spelt the first way.
pub(super) fn one(value: Value) -> Value {
    match value {
        Value::Array(entries) => entries.into_iter().map(one).collect(),
        Value::Object(fields) => Value::Object(fields.into_iter().map(field).collect::<Map<_, _>>()),
        other => other,
    }
}

fn field((name, value): (String, Value)) -> (String, Value) {
    let name = humped(&name);
    let value = if FREE.contains(&name.as_str()) { value } else { one(value) };
    (name, value)
}

fn humped(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |text, word| {
        let (head, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
        text + &head.to_uppercase() + rest
    })
}
