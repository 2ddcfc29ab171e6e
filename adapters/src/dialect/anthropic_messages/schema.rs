//! JSON schemas as this dialect takes them.

use tallygate_core::conversation::Raw;

use crate::dialect::json::fields::{Fields, Place, Value};
use crate::dialect::json::writer::quote;

/// What a tool takes that says nothing of it.
const NOTHING: &str = r#"{"type":"object","properties":{}}"#;
/// Keywords that a schema for the answer may not have.
const REFUSED: [&str; 13] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minItems",
    "maxItems",
    "uniqueItems",
    "$schema",
];
/// Keywords whose value is schemas by names that the author chose.
const BY_NAME: [&str; 4] = ["properties", "$defs", "definitions", "patternProperties"];
/// Keywords whose value is data and no schema.
const DATA: [&str; 4] = ["enum", "const", "default", "examples"];
/// The deepest nesting that is looked into. Deeper schemas are sent as they are.
const DEPTH_MAX: u32 = 64;

/// The schema of a tool's input: an object always.
pub(super) fn of_input(parameters: Option<&Raw>) -> String {
    let Some(parameters) = parameters.filter(|schema| schema.as_str() != "{}") else { return NOTHING.to_owned() };
    let text = parameters.as_str();
    let has_type = Fields::parse(text, &Place::Root).is_ok_and(|fields| fields.has("type"));
    if has_type { text.to_owned() } else { format!(r#"{{"type":"object",{}"#, text.get(1..).unwrap_or("}")) }
}

/// The schema of an answer: without the keywords that are refused, and with objects closed.
pub(super) fn of_answer(schema: &Raw) -> String {
    let mut out = Vec::with_capacity(schema.as_str().len() + 64);
    let written = serde_json::from_str(schema.as_str())
        .ok()
        .and_then(|raw| clean(Value::new(raw, &Place::Root), &mut out, DEPTH_MAX));
    match written {
        Some(()) => String::from_utf8(out).unwrap_or_default(),
        None => schema.as_str().to_owned(),
    }
}

/// Writes a schema cleaned; none where it is too deep or malformed.
fn clean(value: Value<'_, '_>, out: &mut Vec<u8>, depth: u32) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    if value.is_list() {
        out.push(b'[');
        let items = value.list(usize::MAX, |item| Ok(item.json().to_owned())).ok()?;
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            clean(Value::new(serde_json::from_str(item).ok()?, &Place::Root), out, depth)?;
        }
        out.push(b']');
        return Some(());
    }
    if !value.is_object() {
        out.extend_from_slice(value.json().as_bytes());
        return Some(());
    }
    let fields = value.fields().ok()?.rest();
    let is_object = fields.iter().any(|field| {
        field.name == "properties" || (field.name == "type" && field.value.as_str().contains("\"object\""))
    });
    out.push(b'{');
    let mut is_first = true;
    for field in &fields {
        let is_refused = REFUSED.contains(&field.name.as_str());
        if is_refused || (is_object && field.name == "additionalProperties") {
            continue;
        }
        name(out, &field.name, &mut is_first);
        if DATA.contains(&field.name.as_str()) {
            out.extend_from_slice(field.value.as_str().as_bytes());
        } else if BY_NAME.contains(&field.name.as_str()) {
            by_name(&field.value, out, depth)?;
        } else {
            clean(Value::new(serde_json::from_str(field.value.as_str()).ok()?, &Place::Root), out, depth)?;
        }
    }
    if is_object {
        name(out, "additionalProperties", &mut is_first);
        out.extend_from_slice(b"false");
    }
    out.push(b'}');
    Some(())
}

fn by_name(schemas: &Raw, out: &mut Vec<u8>, depth: u32) -> Option<()> {
    let fields = Fields::parse(schemas.as_str(), &Place::Root).ok()?.rest();
    out.push(b'{');
    let mut is_first = true;
    for field in &fields {
        name(out, &field.name, &mut is_first);
        clean(Value::new(serde_json::from_str(field.value.as_str()).ok()?, &Place::Root), out, depth)?;
    }
    out.push(b'}');
    Some(())
}

fn name(out: &mut Vec<u8>, name: &str, is_first: &mut bool) {
    if !std::mem::take(is_first) {
        out.push(b',');
    }
    quote(out, name);
    out.push(b':');
}

#[cfg(test)]
mod tests {
    use super::{of_answer, of_input};
    use tallygate_core::conversation::Raw;

    #[test]
    fn an_answers_schema_loses_what_is_refused_and_keeps_the_order_of_the_rest() {
        let schema = r#"{"type":"object","$schema":"x","properties":{"z":{"type":"string","maxLength":3,"enum":["a"]},
            "format":{"type":["integer","null"],"minimum":1},"o":{"type":"object","properties":{},"additionalProperties":true}},
            "required":["z"],"$defs":{"n":{"anyOf":[{"type":"number","maximum":2},{"const":{"pattern":1}}]}}}"#;
        let expected = r##"{"type":"object","properties":{"z":{"type":"string","enum":["a"]},"format":{"type":["integer","null"]},"o":{"type":"object","properties":{},"additionalProperties":false}},"required":["z"],"$defs":{"n":{"anyOf":[{"type":"number"},{"const":{"pattern":1}}]}},"additionalProperties":false}"##;
        assert_eq!(of_answer(&Raw::parse(schema).unwrap()), expected);
    }

    #[test]
    fn a_schema_that_nests_too_deep_is_sent_as_it_is() {
        let deep = format!("{}1{}", r#"{"not":"#.repeat(100), "}".repeat(100));
        assert_eq!(of_answer(&Raw::parse(&deep).unwrap()), deep);
    }

    #[test]
    fn a_tools_input_is_an_object() {
        let input = |schema: &str| of_input(Some(&Raw::parse(schema).unwrap()));
        assert_eq!(of_input(None), super::NOTHING);
        assert_eq!(input("{}"), super::NOTHING);
        assert_eq!(input(r#"{"properties":{"a":{}}}"#), r#"{"type":"object","properties":{"a":{}}}"#);
        assert_eq!(input(r#"{"type":"object"}"#), r#"{"type":"object"}"#);
    }
}
