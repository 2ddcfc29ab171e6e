//! A strict reader of JSON objects that keeps the place of everything it reads.
//!
//! One pass over the bytes checks all of the grammar and finds the spans of the top-level members, so that a body can be
//! forwarded with only some spans rewritten. It is stricter than the standard, since what follows must hold for *any*
//! reader of the same bytes: no byte order mark, no lone surrogate, no NUL, no number beyond a double, no more than
//! [`DEPTH_MAX`] levels. Duplicate names are the caller's business ([`Object::members`] keeps all).

mod borrowed;
pub mod fields;
mod value;
pub mod writer;

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr2;

/// The deepest nesting that is read. The standard parser of most languages stops between 100 and 1,000.
pub const DEPTH_MAX: u32 = 128;
/// The most top-level members of an object. OpenAI's largest request has about forty.
pub const MEMBERS_MAX: usize = 256;
/// From this many characters on a number is checked to be finite even without an exponent.
const LONG_NUMBER: usize = 300;

/// Why bytes are not an acceptable JSON object. `at` counts bytes from 0. No text of the body is repeated: it may be
/// part of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not UTF-8.
    #[error("it is not UTF-8 at byte {at}")]
    Utf8 {
        /// The place.
        at: usize,
    },
    /// It begins with a byte order mark.
    #[error("it begins with a byte order mark")]
    ByteOrderMark,
    /// The grammar of JSON is broken.
    #[error("it is not JSON at byte {at}: {expected} expected")]
    Syntax {
        /// The place.
        at: usize,
        /// What could stand there.
        expected: &'static str,
    },
    /// It is JSON, but no object.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// More than [`DEPTH_MAX`] levels.
    #[error("it is nested deeper than {DEPTH_MAX} levels at byte {at}")]
    Depth {
        /// The place.
        at: usize,
    },
    /// More than [`MEMBERS_MAX`] top-level members.
    #[error("it has more than {MEMBERS_MAX} members")]
    Members,
    /// A number that no double can hold.
    #[error("the number at byte {at} is out of range")]
    Number {
        /// The place.
        at: usize,
    },
    /// Half of a surrogate pair: text that is no text.
    #[error("there is half of a surrogate pair at byte {at}")]
    Surrogate {
        /// The place.
        at: usize,
    },
    /// An escaped NUL, which ends a text for some programs and not for others.
    #[error("there is a NUL character at byte {at}")]
    Nul {
        /// The place.
        at: usize,
    },
}

/// One member of an object, by its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The name, between its quotes, as written.
    name: Range<usize>,
    /// The name without its escapes, where it has any.
    unescaped: Option<Box<str>>,
    /// The value, without white space around it.
    pub value: Range<usize>,
}

impl Member {
    /// Where the member begins: at the quote of its name.
    #[must_use]
    pub const fn start(&self) -> usize {
        self.name.start - 1
    }

    /// Its name. `text` is what was read.
    #[must_use]
    pub fn name<'a>(&'a self, text: &'a str) -> &'a str {
        self.unescaped.as_deref().unwrap_or_else(|| text.get(self.name.clone()).unwrap_or_default())
    }

    /// Whether it has this name. `read` is what was read, which need not be checked to be text again for that.
    #[must_use]
    pub fn is(&self, name: &str, read: &[u8]) -> bool {
        match self.unescaped.as_deref() {
            Some(unescaped) => unescaped == name,
            None => read.get(self.name.clone()) == Some(name.as_bytes()),
        }
    }
}

/// A JSON object, by its places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The members in their order, duplicates included.
    pub members: Vec<Member>,
    /// The place of the closing brace.
    pub end: usize,
}

/// Told of every member of every object, after its value was read.
pub trait Visit {
    /// A member. `depth` is 1 for members of the outermost object.
    fn member(&mut self, depth: u32, name: &str, value: Range<usize>);
}

/// Looks at nothing.
pub struct Ignore;

impl Visit for Ignore {
    fn member(&mut self, _depth: u32, _name: &str, _value: Range<usize>) {}
}

/// Checks that bytes are UTF-8 without a byte order mark.
///
/// # Errors
/// [`Fault::Utf8`] and [`Fault::ByteOrderMark`].
pub fn text(bytes: &[u8]) -> Result<&str, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|error| Fault::Utf8 { at: error.valid_up_to() })?;
    if text.starts_with('\u{FEFF}') { Err(Fault::ByteOrderMark) } else { Ok(text) }
}

/// Reads an object and nothing after it.
///
/// # Errors
/// [`Fault`], the first one found.
pub fn object(text: &str, visit: &mut impl Visit) -> Result<Object, Fault> {
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0, members: Vec::with_capacity(16), visit };
    reader.white();
    let is_object = reader.peek() == Some(b'{');
    reader.value(0)?;
    let end = reader.at.saturating_sub(1);
    reader.white();
    if reader.at < reader.bytes.len() {
        return Err(reader.expected("the end"));
    }
    if is_object { Ok(Object { members: reader.members, end }) } else { Err(Fault::NotAnObject) }
}

struct Reader<'a, V> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Of the outermost object.
    members: Vec<Member>,
    visit: &'a mut V,
}

impl<V: Visit> Reader<'_, V> {
    const fn expected(&self, expected: &'static str) -> Fault {
        Fault::Syntax { at: self.at, expected }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn white(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: u32) -> Result<(), Fault> {
        match self.peek() {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            _ => Err(self.expected("a value")),
        }
    }

    fn literal(&mut self, word: &'static str) -> Result<(), Fault> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.expected("`true`, `false` or `null`"))
    }

    fn enter(&mut self, depth: u32) -> Result<(), Fault> {
        if depth > DEPTH_MAX {
            return Err(Fault::Depth { at: self.at });
        }
        self.at += 1;
        self.white();
        Ok(())
    }

    fn array(&mut self, depth: u32) -> Result<(), Fault> {
        self.enter(depth)?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            self.value(depth)?;
            self.white();
            if self.take(b']') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(self.expected("`,` or `]`"));
            }
            self.white();
        }
    }

    fn object(&mut self, depth: u32) -> Result<(), Fault> {
        self.enter(depth)?;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            self.member(depth)?;
            self.white();
            if self.take(b'}') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(self.expected("`,` or `}`"));
            }
            self.white();
        }
    }

    fn member(&mut self, depth: u32) -> Result<(), Fault> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a name in quotes"));
        }
        let start = self.at + 1;
        let has_escapes = self.string()?;
        let name = start..self.at - 1;
        self.white();
        if !self.take(b':') {
            return Err(self.expected("`:`"));
        }
        self.white();
        let value = self.at;
        self.value(depth)?;
        let value = value..self.at;
        let written = self.text.get(name.clone()).unwrap_or_default();
        let spelled = if has_escapes { Cow::Owned(unescape(self.text, &name)) } else { Cow::Borrowed(written) };
        self.visit.member(depth, &spelled, value.clone());
        if depth == 1 {
            if self.members.len() == MEMBERS_MAX {
                return Err(Fault::Members);
            }
            let unescaped = has_escapes.then(|| spelled.into_owned().into_boxed_str());
            self.members.push(Member { name, unescaped, value });
        }
        Ok(())
    }

    /// Reads a string and tells whether it holds escapes.
    fn string(&mut self) -> Result<bool, Fault> {
        self.at += 1;
        let mut has_escapes = false;
        loop {
            // Most of a body is text, so this is where the time goes: one search, and one pass without a branch.
            let rest = &self.bytes[self.at..];
            let plain = rest.get(..memchr2(b'"', b'\\', rest).unwrap_or(rest.len())).unwrap_or(rest);
            if plain.iter().fold(false, |found, byte| found | is_control(*byte)) {
                self.at += plain.iter().position(|byte| is_control(*byte)).unwrap_or_default();
                return Err(self.expected("an escape for a control character"));
            }
            self.at += plain.len();
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(has_escapes);
                }
                Some(b'\\') => {
                    has_escapes = true;
                    self.escape()?;
                }
                _ => return Err(self.expected("the end of a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let start = self.at;
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => match self.unit()? {
                0 => Err(Fault::Nul { at: start }),
                0xDC00..=0xDFFF => Err(Fault::Surrogate { at: start }),
                0xD800..=0xDBFF => {
                    let is_pair = self.take(b'\\') && matches!(self.unit()?, 0xDC00..=0xDFFF);
                    if is_pair { Ok(()) } else { Err(Fault::Surrogate { at: start }) }
                }
                _ => Ok(()),
            },
            _ => Err(self.expected("an escape")),
        }
    }

    /// Reads `uXXXX`. Another escape where half of a pair should follow is no unit either.
    fn unit(&mut self) -> Result<u16, Fault> {
        let digits = (self.peek() == Some(b'u')).then(|| self.text.get(self.at + 1..self.at + 5)).flatten();
        // `from_str_radix` takes a sign; JSON does not.
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.expected("four hexadecimal digits"))?;
        self.at += 5;
        Ok(unit)
    }

    fn digits(&mut self) -> Result<usize, Fault> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.expected("a digit")) } else { Ok(self.at - start) }
    }

    fn number(&mut self) -> Result<(), Fault> {
        let start = self.at;
        self.take(b'-');
        let leads_with_zero = self.peek() == Some(b'0');
        if self.digits()? > 1 && leads_with_zero {
            return Err(Fault::Syntax { at: start, expected: "a number without leading zeros" });
        }
        if self.take(b'.') {
            self.digits()?;
        }
        let has_exponent = self.take(b'e') || self.take(b'E');
        if has_exponent {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        let may_overflow = has_exponent || self.at - start >= LONG_NUMBER;
        let is_finite = || self.text.get(start..self.at).is_some_and(|text| text.parse().is_ok_and(f64::is_finite));
        if may_overflow && !is_finite() { Err(Fault::Number { at: start }) } else { Ok(()) }
    }
}

const fn is_control(byte: u8) -> bool {
    byte < 0x20
}

/// The name without its escapes. The reader has checked them.
fn unescape(text: &str, name: &Range<usize>) -> String {
    let quoted = text.get(name.start - 1..=name.end).unwrap_or_default();
    serde_json::from_str(quoted).unwrap_or_default()
}

#[cfg(test)]
mod tests;
