//! A value in a body, and where it stands, so that a refusal names it.

use std::borrow::Cow;
use std::fmt;

use serde_json::Number;
use serde_json::value::RawValue;
use tallygate_core::conversation::{Raw, Text};

use super::borrowed::Items;
use super::fields::{Fields, string};
use crate::dialect::rejection::{Reason, Rejection};

/// Where in a body something is. It prints as `messages[2].content[0].text`.
#[derive(Debug, Clone, Copy)]
pub enum Place<'p> {
    /// The body.
    Root,
    /// A field of an object.
    Field(&'p Place<'p>, &'p str),
    /// An item of a list.
    Item(&'p Place<'p>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// A value and its place.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a, 'p> {
    raw: &'a RawValue,
    place: &'p Place<'p>,
}

impl<'a, 'p> Value<'a, 'p> {
    /// A value at a place.
    #[must_use]
    pub const fn new(raw: &'a RawValue, place: &'p Place<'p>) -> Self {
        Self { raw, place }
    }

    /// Its JSON text.
    #[must_use]
    pub fn json(&self) -> &'a str {
        self.raw.get()
    }

    /// Its place.
    #[must_use]
    pub const fn place(&self) -> &'p Place<'p> {
        self.place
    }

    /// Whether it is a string.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.json().starts_with('"')
    }

    /// Whether it is a list.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.json().starts_with('[')
    }

    /// Whether it is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.json().starts_with('{')
    }

    /// Whether it is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.json() == "null"
    }

    /// It as it is carried.
    #[must_use]
    pub fn raw(&self) -> Raw {
        Raw::of(self.raw)
    }

    /// A refusal of it.
    #[must_use]
    pub fn reject(&self, reason: Reason) -> Rejection {
        Rejection::new(self.place, reason)
    }

    /// # Errors
    /// It is no string.
    pub fn string(&self) -> Result<String, Rejection> {
        string(self.raw).map(Cow::into_owned).ok_or_else(|| self.reject(Reason::Type("a string")))
    }

    /// # Errors
    /// It is no string.
    pub fn text(&self) -> Result<Text, Rejection> {
        self.string().map(Text::from)
    }

    /// # Errors
    /// It is no whole number from 0, written in digits alone.
    pub fn count(&self) -> Result<u64, Rejection> {
        let digits = self.json().bytes().all(|byte| byte.is_ascii_digit());
        let count = digits.then(|| self.json().parse().ok()).flatten();
        count.ok_or_else(|| self.reject(Reason::Type("a whole number")))
    }

    /// # Errors
    /// It is no number.
    pub fn number(&self) -> Result<Number, Rejection> {
        serde_json::from_str(self.json()).map_err(|_| self.reject(Reason::Type("a number")))
    }

    /// # Errors
    /// It is neither `true` nor `false`.
    pub fn flag(&self) -> Result<bool, Rejection> {
        match self.json() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.reject(Reason::Type("true or false"))),
        }
    }

    /// # Errors
    /// It is no object.
    pub fn raw_object(&self) -> Result<Raw, Rejection> {
        if self.is_object() { Ok(self.raw()) } else { Err(self.reject(Reason::Type("an object"))) }
    }

    /// # Errors
    /// It is no object, has a field twice, or more than [`MEMBERS_MAX`](super::MEMBERS_MAX).
    pub fn fields(&self) -> Result<Fields<'a, 'p>, Rejection> {
        Fields::read(self.raw, self.place)
    }

    /// Reads each item of a list of at most `limit`.
    ///
    /// # Errors
    /// It is no list, or too long, or what `read` says.
    pub fn list<T>(
        &self,
        limit: usize,
        mut read: impl FnMut(Value<'a, '_>) -> Result<T, Rejection>,
    ) -> Result<Vec<T>, Rejection> {
        if !self.is_list() {
            return Err(self.reject(Reason::Type("a list")));
        }
        let Items(items) = serde_json::from_str(self.json()).map_err(|_| self.reject(Reason::Type("a list")))?;
        if items.len() > limit {
            return Err(self.reject(Reason::TooMany(limit)));
        }
        let item = |(index, raw)| read(Value { raw, place: &Place::Item(self.place, index) });
        items.into_iter().enumerate().map(item).collect()
    }
}
