//! Where a dialect has what changes on a way through: as paths of names.

use std::borrow::Cow;
use std::ops::Range;

use crate::dialect::answer_ids::Sealer;
use crate::dialect::json;

/// Where one dialect has what may change. A path is the names of members, from the outermost object inwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// Whether a request names the model in its body, as `model`. Where it does not, the path of the URL does.
    pub model_in_body: bool,
    /// The limit of output in a request.
    pub output_limit: &'static [&'static str],
    /// How freely tokens are chosen, in a request.
    pub temperature: &'static [&'static str],
    /// The share of probability that is chosen from, in a request.
    pub top_p: &'static [&'static str],
    /// How hard the model reasons, in a request: a word.
    pub effort: &'static [&'static str],
    /// Whether names are also taken in the other spelling, with `_` between words.
    pub two_spellings: bool,
    /// The model's name in answers and in events of streams.
    pub told_model: &'static [&'static [&'static str]],
    /// The member of a request that names an earlier answer, which the provider keeps.
    pub earlier: Option<&'static str>,
    /// The ids of such answers, in answers and in events of streams.
    pub told_ids: &'static [&'static [&'static str]],
}

/// What an answer tells otherwise than its upstream did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Retold<'a> {
    /// Another name of the model.
    pub model: Option<&'a str>,
    /// Seals the ids of answers.
    pub sealer: Option<&'a Sealer>,
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

    /// The answer or event as a client is to have it; none where nothing in it changes.
    pub(super) fn retold(&self, json: &[u8], told: &Retold<'_>) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(json).ok()?;
        let model = told.model.and_then(|model| {
            let at = self.told_model.iter().find_map(|path| find(text, path))?;
            Some((at, serde_json::Value::from(model).to_string()))
        });
        let ids = self.told_ids.iter().filter_map(|path| {
            let sealer = told.sealer?;
            let at = find(text, path)?;
            let id: String = serde_json::from_str(text.get(at.clone())?).ok()?;
            Some((at, serde_json::Value::from(sealer.seal(&id)).to_string()))
        });
        let mut changes: Vec<(Range<usize>, String)> = model.into_iter().chain(ids).collect();
        if changes.is_empty() {
            return None;
        }
        changes.sort_by_key(|(at, _)| at.start);
        let mut out = Vec::with_capacity(json.len() + 256);
        let mut done = 0;
        for (at, with) in changes {
            out.extend_from_slice(json.get(done..at.start)?);
            out.extend_from_slice(with.as_bytes());
            done = at.end;
        }
        out.extend_from_slice(json.get(done..)?);
        Some(out)
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
    use tallygate_core::envelope::MacKey;
    use tallygate_core::id::{DeploymentId, RealmId};

    use super::{Places, Retold};
    use crate::dialect::answer_ids::{Sealer, open};

    const PLACES: Places = Places {
        model_in_body: true,
        output_limit: &["generationConfig", "maxOutputTokens"],
        temperature: &["generationConfig", "temperature"],
        top_p: &["generationConfig", "topP"],
        effort: &["generationConfig", "thinkingConfig", "thinkingLevel"],
        two_spellings: true,
        told_model: &[&["model"], &["message", "model"]],
        earlier: None,
        told_ids: &[&["id"], &["message", "id"]],
    };

    #[test]
    fn a_name_has_another_spelling_where_the_dialect_has_two() {
        assert_eq!(PLACES.other_spelling("maxOutputTokens"), "max_output_tokens");
        let one = Places { two_spellings: false, ..PLACES };
        assert_eq!(one.other_spelling("maxOutputTokens"), "maxOutputTokens");
    }

    #[test]
    fn only_the_name_of_the_model_is_changed_in_an_answer() {
        let told = Retold { model: Some("a \"b\""), sealer: None };
        let renamed = |json: &str| PLACES.retold(json.as_bytes(), &told).map(|json| String::from_utf8(json).unwrap());
        assert_eq!(renamed(r#"{ "x":1, "model" : "m" }"#).unwrap(), r#"{ "x":1, "model" : "a \"b\"" }"#);
        let event = r#"{"type":"s","message":{"id":"m","model":"m"}}"#;
        assert_eq!(renamed(event).unwrap(), r#"{"type":"s","message":{"id":"m","model":"a \"b\""}}"#);
        for without in [r#"{"model":1}"#, r#"{"message":"model"}"#, "{}", "[]", "nothing"] {
            assert_eq!(renamed(without), None, "{without}");
        }
    }

    #[test]
    fn ids_are_sealed_wherever_an_answer_tells_them() {
        let realm = RealmId::new("acme").unwrap();
        let (key, deployment) = (MacKey::new([1; 32]), DeploymentId::new("d").unwrap());
        let sealer = Sealer { key: key.clone(), realm: realm.clone(), deployment };
        let told = Retold { model: Some("m"), sealer: Some(&sealer) };
        let json = br#"{"message":{"model":"up","id":"in"},"id":"out","rest":"in"}"#;
        let retold: serde_json::Value = serde_json::from_slice(&PLACES.retold(json, &told).unwrap()).unwrap();
        let opened = |sealed: &serde_json::Value| open(&key, &realm, sealed.as_str().unwrap()).unwrap().id;
        assert_eq!([opened(&retold["id"]), opened(&retold["message"]["id"])], ["out", "in"]);
        assert_eq!((&retold["message"]["model"], &retold["rest"]), (&"m".into(), &"in".into()));
        assert_eq!(PLACES.retold(br#"{"id":null}"#, &told), None);
    }
}
