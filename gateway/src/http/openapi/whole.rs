//! Objects that are others and something more, written as one object each. The files say it by `allOf`, so that nothing stands
//! twice in them; programs that read documents differ in how well they put such parts together.

use serde_json::{Map, Value};

/// Puts together what stands in parts, wherever it is in a value.
pub(super) fn put_together(value: &mut Value, schemas: &Map<String, Value>) {
    if value.get("allOf").is_some() {
        *value = whole(value, schemas);
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|field| put_together(field, schemas)),
        Value::Array(items) => items.iter_mut().for_each(|item| put_together(item, schemas)),
        _ => {}
    }
}

/// One object with the properties of all parts; what a later part says of a property goes before.
fn whole(schema: &Value, schemas: &Map<String, Value>) -> Value {
    let Some(parts) = schema.get("allOf").and_then(Value::as_array) else { return schema.clone() };
    let mut all = Map::new();
    for part in parts {
        let named = part.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
        let part = named.and_then(|name| schemas.get(name)).unwrap_or(part);
        let Value::Object(part) = whole(part, schemas) else { continue };
        for (field, value) in part {
            match (all.get_mut(&field), value) {
                (Some(Value::Object(before)), Value::Object(more)) => before.extend(more),
                (Some(Value::Array(before)), Value::Array(more)) if field == "required" => before.extend(more),
                (_, value) => drop(all.insert(field, value)),
            }
        }
    }
    let rest = schema.as_object().into_iter().flatten().filter(|(field, _)| *field != "allOf");
    all.extend(rest.map(|(field, value)| (field.clone(), value.clone())));
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::put_together;

    #[test]
    fn an_object_in_parts_becomes_one_and_its_parts_stay_as_they_are() {
        let named = json!({
            "Base": { "type": "object", "properties": { "a": { "type": "string" }, "b": {} }, "required": ["a"] },
            "More": { "allOf": [{ "$ref": "#/components/schemas/Base" }, { "properties": { "c": {} }, "required": ["c"] }] },
        });
        let Value::Object(schemas) = &named else { panic!() };
        let mut found = json!([{ "description": "d", "allOf": [
            { "$ref": "#/components/schemas/More" }, { "type": "object", "properties": { "a": { "type": "integer" } } },
        ] }, { "$ref": "#/components/schemas/Base" }]);
        put_together(&mut found, schemas);
        let whole = json!({ "type": "object", "properties": { "a": { "type": "integer" }, "b": {}, "c": {} },
            "required": ["a", "c"], "description": "d" });
        assert_eq!(found, json!([whole, { "$ref": "#/components/schemas/Base" }]));
    }
}
