//! A JSON object of a request and where it stands in it, read strictly: what is unknown, missing or of another type is
//! refused with its place.

use serde_json::{Map, Value};

use super::refusal::Refusal;

/// See the module. A field that is null counts as absent.
#[derive(Debug, Clone)]
pub(super) struct Part<'a> {
    map: &'a Map<String, Value>,
    at: String,
}

impl<'a> Part<'a> {
    /// An object; the body itself stands at the empty place.
    pub(super) fn of(value: &'a Value, at: &str) -> Result<Self, Refusal> {
        let map = value.as_object().ok_or_else(|| Refusal::wrong_type(at, "an object"))?;
        Ok(Self { map, at: at.to_owned() })
    }

    /// The place of a field.
    pub(super) fn at(&self, name: &str) -> String {
        if self.at.is_empty() { name.to_owned() } else { format!("{}.{name}", self.at) }
    }

    /// Refuses fields that are none of these.
    pub(super) fn only(&self, names: &[&str]) -> Result<(), Refusal> {
        match self.map.keys().find(|name| !names.contains(&name.as_str())) {
            Some(unknown) => Err(Refusal::unknown(&self.at(unknown))),
            None => Ok(()),
        }
    }

    /// Refuses this field.
    pub(super) fn invalid(&self, name: &str, why: &str) -> Refusal {
        Refusal::invalid(&self.at(name), why)
    }

    /// Whether a field is there, null or not.
    pub(super) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn required(&self, name: &str) -> Result<&'a Value, Refusal> {
        self.get(name).ok_or_else(|| Refusal::missing(&self.at(name)))
    }

    pub(super) fn text_if(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        self.get(name)
            .map(|value| value.as_str().ok_or_else(|| Refusal::wrong_type(&self.at(name), "a string")))
            .transpose()
    }

    pub(super) fn text(&self, name: &str) -> Result<&'a str, Refusal> {
        self.text_if(name)?.ok_or_else(|| Refusal::missing(&self.at(name)))
    }

    /// A flag; absent is false.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        self.flag_or(name, false)
    }

    pub(super) fn flag_or(&self, name: &str, absent: bool) -> Result<bool, Refusal> {
        let Some(value) = self.get(name) else { return Ok(absent) };
        value.as_bool().ok_or_else(|| Refusal::wrong_type(&self.at(name), "a boolean"))
    }

    /// A whole number of at least 1.
    pub(super) fn count(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let count = value.as_u64().filter(|count| *count > 0);
        count.map(Some).ok_or_else(|| self.invalid(name, "must be a whole number of at least 1"))
    }

    /// A number of a range, both ends included.
    pub(super) fn within(&self, name: &str, from: f64, to: f64) -> Result<Option<f64>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_f64().filter(|number| (from..=to).contains(number));
        number.map(Some).ok_or_else(|| self.invalid(name, &format!("must be a number from {from} to {to}")))
    }

    /// An object in a field.
    pub(super) fn part(&self, name: &str) -> Result<Option<Part<'a>>, Refusal> {
        self.get(name).map(|value| Part::of(value, &self.at(name))).transpose()
    }

    /// The entries of a list and their places; absent is empty.
    pub(super) fn entries(&self, name: &str) -> Result<Vec<(&'a Value, String)>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let list = value.as_array().ok_or_else(|| Refusal::wrong_type(&self.at(name), "an array"))?;
        Ok(list.iter().enumerate().map(|(index, entry)| (entry, format!("{}[{index}]", self.at(name)))).collect())
    }

    /// The objects of a list; absent is empty.
    pub(super) fn parts(&self, name: &str) -> Result<Vec<Part<'a>>, Refusal> {
        self.entries(name)?.into_iter().map(|(entry, at)| Part::of(entry, &at)).collect()
    }

    /// The texts of a list; absent is empty.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, Refusal> {
        let text = |(entry, at): (&Value, String)| {
            entry.as_str().map(str::to_owned).ok_or_else(|| Refusal::wrong_type(&at, "a string"))
        };
        self.entries(name)?.into_iter().map(text).collect()
    }
}

/// Whether a text is base64 of the ordinary alphabet, padded, without a `data:` prefix.
pub(super) fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty()
        && text.len().is_multiple_of(4)
        && text.len() - body.len() <= 2
        && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte))
}

/// Whether a name is made of letters, digits, `_` and `-`, and at most so long.
pub(super) fn is_plain_name(name: &str, length_max: usize) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    !name.is_empty() && name.len() <= length_max && name.bytes().all(is_plain)
}
