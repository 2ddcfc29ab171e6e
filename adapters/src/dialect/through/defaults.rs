//! What a request has where its client says nothing: set in the client's own bytes, so that whatever way they go, they have
//! it.

use bytes::Bytes;

use super::setting::Setting;
use crate::dialect::json;
use crate::dialect::rejection::Rejection;
use crate::dialect::splices::Splices;
use crate::dialect::wire::Dialect;

/// The body with things set that it does not have: each a path of names, and its JSON. What it has as null is no value of
/// the client's.
///
/// # Errors
/// [`Rejection`] of a body that two readers could read differently where something is to be set.
pub fn defaults(dialect: &dyn Dialect, body: &Bytes, missing: &[(&[&str], String)]) -> Result<Bytes, Rejection> {
    let mut body = body.clone();
    // One after another: two may stand in the same object, which the first of them makes.
    for (path, json) in missing {
        let text = json::text(&body)?;
        let object = json::object(text, &mut json::Ignore)?;
        let mut splices = Splices::default();
        Setting { text, places: dialect.places(), path, json: json.clone() }.set(&object, &mut splices)?;
        body = splices.apply(&body, &object.members, object.end, !object.members.is_empty());
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::defaults;
    use crate::dialect;

    #[test]
    fn what_is_missing_stands_where_each_dialect_has_it_and_every_other_byte_stays() {
        for (name, body, expected) in [
            (
                "openai_chat",
                r#"{ "model":"m" }"#,
                r#"{ "model":"m" ,"temperature":0.2,"top_p":0.9,"reasoning_effort":"low"}"#,
            ),
            (
                "openai_responses",
                r#"{"reasoning":{}}"#,
                r#"{"reasoning":{"effort":"low"},"temperature":0.2,"top_p":0.9}"#,
            ),
            (
                "anthropic_messages",
                r#"{"top_p":null}"#,
                r#"{"top_p":0.9,"temperature":0.2,"output_config":{"effort":"low"}}"#,
            ),
            (
                "gemini_generate",
                "{}",
                r#"{"generationConfig":{"thinkingConfig":{"thinkingLevel":"low"},"topP":0.9,"temperature":0.2}}"#,
            ),
            (
                "ollama_chat",
                r#"{"options":{"seed":1}}"#,
                r#"{"options":{"top_p":0.9,"temperature":0.2,"seed":1},"think":"low"}"#,
            ),
        ] {
            let dialect = dialect::ALL.into_iter().find(|dialect| dialect.name() == name).unwrap();
            let places = dialect.places();
            let missing = [
                (places.temperature, "0.2".to_owned()),
                (places.top_p, "0.9".to_owned()),
                (places.effort, "\"low\"".to_owned()),
            ];
            let set = defaults(dialect, &Bytes::from(body), &missing).unwrap();
            let read = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).unwrap();
            assert_eq!(read(&set), read(expected.as_bytes()), "{name}: {}", String::from_utf8_lossy(&set));
        }
    }
}
