//! Reads JSON by its fields, keeping the place of each, so that a refusal names it, and what nobody asked for, so that it
//! can be carried on.
//!
//! Each level is read when it is entered, and borrows from the text. What is read strictly is refused with its place;
//! what an upstream says is read with the `told` functions, for which a field of another type is no field.

use std::borrow::Cow;

use serde_json::Number;
use serde_json::value::RawValue;
use tallygate_core::conversation::{Extra, Raw, Text};

use super::MEMBERS_MAX;
use super::borrowed::{Items, Members};
use crate::dialect::rejection::{Reason, Rejection};

pub use super::value::{Place, Value};

/// The fields of an object. Those that are taken are gone; null is no field.
#[derive(Debug)]
pub struct Fields<'a, 'p> {
    members: Vec<(Cow<'a, str>, Option<&'a RawValue>)>,
    place: &'p Place<'p>,
    two_spellings: bool,
}

impl<'a, 'p> Fields<'a, 'p> {
    /// The fields of a text.
    ///
    /// # Errors
    /// It is no object, has a field twice, or more than [`MEMBERS_MAX`].
    pub fn parse(text: &'a str, place: &'p Place<'p>) -> Result<Self, Rejection> {
        let raw = serde_json::from_str(text).map_err(|_| Rejection::new(place, Reason::Type("an object")))?;
        Self::read(raw, place)
    }

    pub(super) fn read(raw: &'a RawValue, place: &'p Place<'p>) -> Result<Self, Rejection> {
        let reject = |reason| Rejection::new(place, reason);
        let Members(members) = serde_json::from_str(raw.get()).map_err(|_| reject(Reason::Type("an object")))?;
        if members.len() > MEMBERS_MAX {
            return Err(reject(Reason::TooMany(MEMBERS_MAX)));
        }
        let mut names: Vec<&str> = members.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(reject(Reason::Duplicate));
        }
        Ok(Self { members, place, two_spellings: false })
    }

    /// The same, in a dialect that takes `like_this` for `likeThis`. Of a name that stands there in both spellings, the one
    /// that is asked for counts.
    #[must_use]
    pub const fn in_two_spellings(mut self) -> Self {
        self.two_spellings = true;
        self
    }

    /// Where the object is.
    #[must_use]
    pub const fn place(&self) -> &'p Place<'p> {
        self.place
    }

    /// Takes a field.
    pub fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let exact = self.members.iter().position(|member| member.0 == name);
        let alike = |member: &(Cow<'_, str>, _)| member.0.contains('_') && humped(&member.0) == name;
        let at = exact.or_else(|| self.members.iter().position(alike).filter(|_| self.two_spellings))?;
        let (_, value) = self.members.get_mut(at)?;
        value.take().filter(|value| value.get() != "null")
    }

    /// Whether there is such a field, not taken yet.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let is_it = |member: &(Cow<'_, str>, Option<&RawValue>)| member.0 == name && member.1.is_some();
        self.members.iter().any(is_it)
    }

    /// Takes a field and reads it.
    ///
    /// # Errors
    /// What `read` says.
    pub fn with<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value<'a, '_>) -> Result<T, Rejection>,
    ) -> Result<Option<T>, Rejection> {
        let place = self.place;
        self.take(name).map(|raw| read(Value::new(raw, &Place::Field(place, name)))).transpose()
    }

    /// A string.
    ///
    /// # Errors
    /// It is none.
    pub fn string(&mut self, name: &str) -> Result<Option<String>, Rejection> {
        self.with(name, |value| value.string())
    }

    /// A text.
    ///
    /// # Errors
    /// It is none.
    pub fn text(&mut self, name: &str) -> Result<Option<Text>, Rejection> {
        self.with(name, |value| value.text())
    }

    /// A whole number.
    ///
    /// # Errors
    /// It is none.
    pub fn count(&mut self, name: &str) -> Result<Option<u64>, Rejection> {
        self.with(name, |value| value.count())
    }

    /// A number.
    ///
    /// # Errors
    /// It is none.
    pub fn number(&mut self, name: &str) -> Result<Option<Number>, Rejection> {
        self.with(name, |value| value.number())
    }

    /// True or false.
    ///
    /// # Errors
    /// It is neither.
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, Rejection> {
        self.with(name, |value| value.flag())
    }

    /// A value as it is carried.
    pub fn raw(&mut self, name: &str) -> Option<Raw> {
        self.take(name).map(Raw::of)
    }

    /// A refusal of a field.
    #[must_use]
    pub fn reject(&self, name: &str, reason: Reason) -> Rejection {
        Rejection::new(&Place::Field(self.place, name), reason)
    }

    /// What must be there.
    ///
    /// # Errors
    /// It is not.
    pub fn require<T>(&self, name: &str, value: Option<T>) -> Result<T, Rejection> {
        value.ok_or_else(|| self.reject(name, Reason::Missing))
    }

    /// What nobody took, in its order.
    #[must_use]
    pub fn rest(self) -> Vec<Extra> {
        let left = self.members.into_iter().filter_map(|(name, value)| Some((name, value?)));
        left.map(|(name, value)| Extra { name: name.into_owned(), value: Raw::of(value) }).collect()
    }

    /// A string that an upstream told.
    pub fn told_text(&mut self, name: &str) -> Option<String> {
        self.take(name).and_then(string).map(Cow::into_owned)
    }

    /// A text that an upstream told, if there is anything in it.
    pub fn told_some_text(&mut self, name: &str) -> Option<Text> {
        self.told_text(name).filter(|text| !text.is_empty()).map(Text::from)
    }

    /// The fields of an object that an upstream told.
    pub fn told_fields(&mut self, name: &str) -> Option<Fields<'a, 'p>> {
        let place = self.place;
        self.take(name).and_then(|raw| Self::read(raw, place).ok())
    }

    /// The items of a list that an upstream told.
    pub fn told_list(&mut self, name: &str) -> Vec<&'a RawValue> {
        self.take(name).and_then(|raw| serde_json::from_str::<Items<'a>>(raw.get()).ok()).unwrap_or_default().0
    }

    /// A count of tokens that an upstream told; none for nonsense.
    pub fn told_tokens(&mut self, name: &str) -> Option<u64> {
        self.take(name).and_then(|raw| tokens(raw.get()))
    }

    /// An index that an upstream told.
    pub fn told_index(&mut self, name: &str) -> Option<u32> {
        self.take(name).and_then(|raw| raw.get().parse().ok())
    }
}

/// `like_this` as `likeThis`.
fn humped(name: &str) -> String {
    let mut spelt = String::with_capacity(name.len());
    let mut rises = false;
    for letter in name.chars() {
        match letter {
            '_' if !spelt.is_empty() => rises = true,
            letter if std::mem::take(&mut rises) => spelt.push(letter.to_ascii_uppercase()),
            letter => spelt.push(letter),
        }
    }
    spelt
}

/// More tokens than this in one call are nonsense: a hundred times the longest context window.
const TOKENS_MAX: u64 = 100_000_000;

/// A count of tokens: whole, not negative, not absurd. Some serialisers write whole numbers as `12.0`.
fn tokens(json: &str) -> Option<u64> {
    let digits = json.strip_suffix(".0").unwrap_or(json);
    let is_count = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_count.then(|| digits.parse().ok()).flatten().filter(|count| *count <= TOKENS_MAX)
}

/// A JSON string's text; none for anything else.
pub(super) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(raw.get()).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

#[cfg(test)]
mod tests {
    use super::{Fields, Place, tokens};

    #[test]
    fn a_refusal_names_the_place() {
        let mut fields = Fields::parse(r#"{"a":[{"b":1},{"b":"x"}],"c":null}"#, &Place::Root).unwrap();
        let read = |value: super::Value<'_, '_>| value.fields()?.count("b");
        let refused = fields.with("a", |value| value.list(9, read)).unwrap_err();
        assert_eq!((refused.param.as_str(), refused.code()), ("a[1].b", "invalid_type"));
        assert_eq!(fields.string("c"), Ok(None));
        assert_eq!(fields.require::<u8>("c", None).unwrap_err().param, "c");
    }

    #[test]
    fn what_nobody_took_is_left_in_its_order() {
        let mut fields = Fields::parse(r#"{"z":1,"taken":2,"\u0061":[ 1 ],"n":null}"#, &Place::Root).unwrap();
        assert_eq!(fields.count("taken"), Ok(Some(2)));
        let rest: Vec<String> =
            fields.rest().into_iter().map(|extra| format!("{}={}", extra.name, extra.value.as_str())).collect();
        assert_eq!(rest, ["z=1", "a=[1]", "n=null"]);
    }

    #[test]
    fn fields_that_stand_twice_are_refused() {
        assert!(Fields::parse(r#"{"a":1,"b":2,"\u0061":3}"#, &Place::Root).is_err());
    }

    #[test]
    fn nonsense_is_no_count_of_tokens() {
        assert_eq!([tokens("12"), tokens("12.0"), tokens("0")], [Some(12), Some(12), Some(0)]);
        for nonsense in ["-1", "1.5", "1e3", "100000001", "\"1\"", "null", "", "99999999999999999999"] {
            assert_eq!(tokens(nonsense), None, "{nonsense}");
        }
    }
}
