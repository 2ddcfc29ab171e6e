//! `GET /openapi.json`: one document of every route there is.
//!
//! It is data: a file for each group of routes, put together here. A test compares it with the router, so no route is missing
//! and none is made up. It is kept by hand and not derived from types, since most bodies are read field by field, from their
//! own digits, and no derivation would know what they may be.

mod whole;

use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::error_code::ErrorCode;

/// The groups, in the order in which they are shown.
const GROUPS: [&str; 13] = [
    include_str!("openapi/inference.json"),
    include_str!("openapi/selection.json"),
    include_str!("openapi/keys.json"),
    include_str!("openapi/people.json"),
    include_str!("openapi/sessions.json"),
    include_str!("openapi/customers.json"),
    include_str!("openapi/tags.json"),
    include_str!("openapi/budgets.json"),
    include_str!("openapi/models.json"),
    include_str!("openapi/spend.json"),
    include_str!("openapi/control.json"),
    include_str!("openapi/control_plane.json"),
    include_str!("openapi/health.json"),
];

/// A file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    tag: Value,
    paths: Map<String, Value>,
    schemas: Map<String, Value>,
}

/// The document as an answer. Anybody may read it: it tells what this version can do, and nothing of an installation.
pub(super) async fn serve() -> Result<Response, ApiError> {
    let document = document().map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    Ok(([(CONTENT_TYPE, "application/json")], document.to_string()).into_response())
}

/// The document.
///
/// # Errors
/// A file that is no group: a defect of the build.
pub(crate) fn document() -> Result<Value, serde_json::Error> {
    let (mut tags, mut paths, mut schemas) = (Vec::new(), Map::new(), Map::new());
    for group in GROUPS {
        let group: Group = serde_json::from_str(group)?;
        tags.push(group.tag);
        paths.extend(group.paths);
        schemas.extend(group.schemas);
    }
    schemas.insert("Error".to_owned(), error());
    let mut document = written(&tags, &paths, &schemas);
    whole::put_together(&mut document, &schemas);
    Ok(document)
}

fn written(tags: &[Value], paths: &Map<String, Value>, schemas: &Map<String, Value>) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tallygate",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "An LLM gateway and its control plane. Paths whose last part may hold slashes are written with one parameter.",
        },
        "tags": tags,
        "security": [{ "bearer": [] }, { "header": [] }, { "cookie": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "header": { "type": "apiKey", "in": "header", "name": "x-api-key" },
                "cookie": { "type": "apiKey", "in": "cookie", "name": "tallygate_session", "description": "Of a session, for management alone." },
            },
            "schemas": schemas,
            "responses": {
                "Error": {
                    "description": "What was wrong. Each stable code has a page in docs/errors.",
                    "headers": { "x-tallygate-error": { "schema": { "type": "string" } } },
                    "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
                },
            },
        },
    })
}

/// An error. Clients of other dialects get it in their own shape.
fn error() -> Value {
    json!({
        "type": "object",
        "properties": {
            "error": {
                "type": "object",
                "properties": {
                    "message": { "type": "string" },
                    "type": { "type": "string" },
                    "param": { "type": ["string", "null"] },
                    "code": { "type": ["string", "integer"] },
                    "tallygate": {
                        "type": "object",
                        "properties": { "code": { "type": "string" }, "doc": { "type": "string" }, "details": {} },
                        "required": ["code", "doc"],
                    },
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;

    use super::document;
    use crate::http::routes;

    /// The routes of the router, as it tells of them: methods and paths by their number.
    fn served() -> BTreeSet<(String, String)> {
        let told = format!("{:?}", routes());
        // The fallback's own router comes third, and counts anew.
        let mut parts = told.split("node: Node");
        let routes = parts.next().expect("a router tells of its routes");
        let paths = parts.next().expect("a router tells of its paths");
        let mut of_route: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for route in routes.split("RouteId(").skip(1) {
            let (number, route) = route.split_once("): ").expect("a route has a number");
            let methods = ["get", "post", "put", "patch", "delete"];
            let has = |method: &&&str| {
                let place = route.split(&format!(" {method}: ")).nth(1).expect("every method is told of");
                !place.starts_with("None")
            };
            of_route.insert(number, methods.iter().filter(has).map(|method| (*method).to_owned()).collect());
        }
        // Numbers stand elsewhere too: only before a path are they followed by a text.
        let paths = paths
            .split("RouteId(")
            .filter_map(|piece| piece.split_once("): \""))
            .filter_map(|(number, after)| Some((number, after.split_once('"')?.0)));
        let mut served = BTreeSet::new();
        for (number, path) in paths {
            let Some(methods) = of_route.get(number) else { continue };
            served.extend(methods.iter().map(|method| (method.clone(), path.replace("{*", "{"))));
        }
        assert!(served.len() > 60, "{served:?}");
        served
    }

    #[test]
    fn the_document_has_every_route_and_no_other() {
        let document = document().unwrap();
        let mut told = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            told.extend(item.as_object().unwrap().keys().map(|method| (method.clone(), path.clone())));
        }
        let served = served();
        assert_eq!(told.difference(&served).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "made up");
        assert_eq!(served.difference(&told).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "missing");
    }

    #[test]
    fn every_operation_answers_something_and_every_reference_leads_somewhere() {
        let document = document().unwrap();
        let mut references = Vec::new();
        collect(&document, &mut references);
        for reference in references {
            let place = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(place).is_some(), "{reference}");
        }
        for (path, item) in document["paths"].as_object().unwrap() {
            let names: Vec<&str> = path.split('{').skip(1).filter_map(|part| part.split('}').next()).collect();
            for operation in item.as_object().unwrap().values() {
                let succeeds =
                    ["200", "201", "101", "303"].iter().any(|status| operation["responses"][status].is_object());
                assert!(operation["summary"].is_string() && succeeds, "{path}");
                let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
                let of_path: Vec<&str> = parameters
                    .iter()
                    .filter(|parameter| parameter["in"] == "path")
                    .filter_map(|parameter| parameter["name"].as_str())
                    .collect();
                assert_eq!(of_path, names, "{path}");
            }
        }
    }

    fn collect(value: &Value, references: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| collect(value, references));
            }
            Value::Array(items) => items.iter().for_each(|value| collect(value, references)),
            _ => {}
        }
    }
}
