//! Schemas of this dialect, which are a relative of JSON schema: types in upper case, `nullable` beside them.

use tallygate_core::conversation::Raw;

use crate::dialect::json::fields::{Fields, Place, Value};
use crate::dialect::json::writer::quote;

/// Keywords whose value is schemas by names that the author chose.
const BY_NAME: [&str; 2] = ["properties", "$defs"];
/// Keywords whose value is data and no schema.
const DATA: [&str; 4] = ["enum", "default", "example", "required"];
/// The deepest nesting that is looked into. Deeper schemas are carried as they are.
const DEPTH_MAX: u32 = 64;

/// The same schema as JSON schema.
pub(super) fn to_json_schema(schema: &Raw) -> Raw {
    let mut out = Vec::with_capacity(schema.as_str().len());
    let raw = serde_json::from_str(schema.as_str()).ok();
    let written = raw.and_then(|raw| write(Value::new(raw, &Place::Root), &mut out, DEPTH_MAX));
    let text = String::from_utf8(out).unwrap_or_default();
    written.and_then(|()| Raw::parse(&text).ok()).unwrap_or_else(|| schema.clone())
}

fn write(value: Value<'_, '_>, out: &mut Vec<u8>, depth: u32) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    if value.is_list() {
        let items = value.list(usize::MAX, |item| Ok(item.json().to_owned())).ok()?;
        out.push(b'[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write(Value::new(serde_json::from_str(item).ok()?, &Place::Root), out, depth)?;
        }
        out.push(b']');
        return Some(());
    }
    if !value.is_object() {
        out.extend_from_slice(value.json().as_bytes());
        return Some(());
    }
    let fields = value.fields().ok()?.rest();
    let is_nullable = fields.iter().any(|field| field.name == "nullable" && field.value.as_str() == "true");
    out.push(b'{');
    let mut is_first = true;
    for field in fields.iter().filter(|field| field.name != "nullable") {
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        quote(out, &field.name);
        out.push(b':');
        let inner = field.value.as_str();
        if field.name == "type" && inner.starts_with('"') {
            let lower = inner.to_ascii_lowercase();
            out.extend_from_slice(if is_nullable { format!("[{lower},\"null\"]") } else { lower }.as_bytes());
        } else if DATA.contains(&field.name.as_str()) {
            out.extend_from_slice(inner.as_bytes());
        } else if BY_NAME.contains(&field.name.as_str()) {
            by_name(inner, out, depth)?;
        } else {
            write(Value::new(serde_json::from_str(inner).ok()?, &Place::Root), out, depth)?;
        }
    }
    out.push(b'}');
    Some(())
}

fn by_name(schemas: &str, out: &mut Vec<u8>, depth: u32) -> Option<()> {
    let fields = Fields::parse(schemas, &Place::Root).ok()?.rest();
    out.push(b'{');
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        quote(out, &field.name);
        out.push(b':');
        write(Value::new(serde_json::from_str(field.value.as_str()).ok()?, &Place::Root), out, depth)?;
    }
    out.push(b'}');
    Some(())
}

#[cfg(test)]
mod tests {
    use super::to_json_schema;
    use tallygate_core::conversation::Raw;

    #[test]
    fn types_are_in_lower_case_and_null_is_a_type() {
        let schema = r#"{"type":"OBJECT","properties":{"type":{"type":"STRING","enum":["A"],"nullable":true},"l":{"type":"ARRAY","items":{"type":"INTEGER"}}},"required":["type"]}"#;
        let expected = r#"{"type":"object","properties":{"type":{"type":["string","null"],"enum":["A"]},"l":{"type":"array","items":{"type":"integer"}}},"required":["type"]}"#;
        assert_eq!(to_json_schema(&Raw::parse(schema).unwrap()).as_str(), expected);
    }
}
