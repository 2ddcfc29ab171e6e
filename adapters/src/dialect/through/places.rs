//! Where a dialect has what changes on a way through: as paths of names.

use std::borrow::Cow;
use std::ops::Range;

use crate::dialect::json;

/// Where one dialect has what may change. A path is the names of members, from the outermost object inwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// Whether a request names the model in its body, as `model`. Where it does not, the path of the URL does.
    pub model_in_body: bool,
    /// The limit of output in a request.
    pub output_limit: &'static [&'static str],
    /// Whether names are also taken in the other spelling, with `_` between words.
    pub two_spellings: bool,
    /// The model's name in answers and in events of streams.
    pub told_model: &'static [&'static [&'static str]],
}

impl Places {
    /// The other spelling of a name: `generation_config` for `generationConfig`.
    pub(super) fn other_spelling<'a>(&self, name: &'a str) -> Cow<'a, str> {
        if !self.two_spellings {
            return Cow::Borrowed(name);
        }
        let mut spelled = String::with_capacity(name.len() + 4);
        for letter in name.chars() {
            if letter.is_ascii_uppercase() {
                spelled.push('_');
            }
            spelled.push(letter.to_ascii_lowercase());
        }
        Cow::Owned(spelled)
    }

    /// The answer or event with another name of the model; none where it has no such name.
    pub(super) fn renamed(&self, json: &[u8], model: &str) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(json).ok()?;
        let at = self.told_model.iter().find_map(|path| find(text, path))?;
        let quoted = serde_json::Value::from(model).to_string();
        Some([json.get(..at.start)?, quoted.as_bytes(), json.get(at.end..)?].concat())
    }
}

/// Where the string at a path is.
fn find(text: &str, path: &[&str]) -> Option<Range<usize>> {
    let (name, rest) = path.split_first()?;
    let object = json::object(text, &mut json::Ignore).ok()?;
    let at = object.members.iter().find(|member| member.name(text) == *name)?.value.clone();
    let value = text.get(at.clone())?;
    if rest.is_empty() {
        return value.starts_with('"').then_some(at);
    }
    let within = find(value, rest)?;
    Some(at.start + within.start..at.start + within.end)
}

#[cfg(test)]
mod tests {
    use super::Places;

    const PLACES: Places = Places {
        model_in_body: true,
        output_limit: &["generationConfig", "maxOutputTokens"],
        two_spellings: true,
        told_model: &[&["model"], &["message", "model"]],
    };

    #[test]
    fn a_name_has_another_spelling_where_the_dialect_has_two() {
        assert_eq!(PLACES.other_spelling("maxOutputTokens"), "max_output_tokens");
        let one = Places { two_spellings: false, ..PLACES };
        assert_eq!(one.other_spelling("maxOutputTokens"), "maxOutputTokens");
    }

    #[test]
    fn only_the_name_of_the_model_is_changed_in_an_answer() {
        let renamed =
            |json: &str| PLACES.renamed(json.as_bytes(), "a \"b\"").map(|json| String::from_utf8(json).unwrap());
        assert_eq!(renamed(r#"{ "x":1, "model" : "m" }"#).unwrap(), r#"{ "x":1, "model" : "a \"b\"" }"#);
        let event = r#"{"type":"s","message":{"id":"m","model":"m"}}"#;
        assert_eq!(renamed(event).unwrap(), r#"{"type":"s","message":{"id":"m","model":"a \"b\""}}"#);
        for without in [r#"{"model":1}"#, r#"{"message":"model"}"#, "{}", "[]", "nothing"] {
            assert_eq!(renamed(without), None, "{without}");
        }
    }
}
