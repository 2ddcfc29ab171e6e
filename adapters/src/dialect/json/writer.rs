//! Writes JSON in the order in which it is told, on one line, with values that were carried as text put in as they are.
//!
//! It cannot write what is no JSON: objects and lists are closed by leaving the function that fills them. The caller sees
//! to it that no name is written twice.

use std::fmt::Display;
use std::io::Write as _;

use tallygate_core::conversation::Raw;

/// An object, written by a function.
#[must_use]
pub fn object(fill: impl FnOnce(&mut Object<'_>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    object_into(&mut out, fill);
    out
}

/// Appends an object.
pub fn object_into(out: &mut Vec<u8>, fill: impl FnOnce(&mut Object<'_>)) {
    out.push(b'{');
    fill(&mut Object { out, is_empty: true });
    out.push(b'}');
}

/// The text of an object.
#[must_use]
pub fn object_text(fill: impl FnOnce(&mut Object<'_>)) -> String {
    // Everything that is written is UTF-8.
    String::from_utf8(object(fill)).unwrap_or_default()
}

/// Appends a string with its quotes.
pub fn quote(out: &mut Vec<u8>, text: &str) {
    // Writing a string into memory cannot fail.
    let _written = serde_json::to_writer(out, text);
}

/// An object that is being written.
#[derive(Debug)]
pub struct Object<'w> {
    out: &'w mut Vec<u8>,
    is_empty: bool,
}

impl Object<'_> {
    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        quote(self.out, name);
        self.out.push(b':');
        self.out
    }

    /// A string.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        quote(self.name(name), value);
        self
    }

    /// A string, if there is one.
    pub fn text_if(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.text(name, value);
        }
        self
    }

    /// A string, or null.
    pub fn text_or_null(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(name, value),
            None => self.null(name),
        }
    }

    /// A number: whatever prints as one.
    pub fn number(&mut self, name: &str, value: impl Display) -> &mut Self {
        let out = self.name(name);
        // Writing into memory cannot fail.
        let _written = write!(out, "{value}");
        self
    }

    /// A number, if there is one.
    pub fn number_if(&mut self, name: &str, value: Option<impl Display>) -> &mut Self {
        if let Some(value) = value {
            self.number(name, value);
        }
        self
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.name(name).extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    /// `true` or `false`, if it is known which.
    pub fn flag_if(&mut self, name: &str, value: Option<bool>) -> &mut Self {
        if let Some(value) = value {
            self.flag(name, value);
        }
        self
    }

    /// `null`.
    pub fn null(&mut self, name: &str) -> &mut Self {
        self.name(name).extend_from_slice(b"null");
        self
    }

    /// JSON as it is carried.
    pub fn raw(&mut self, name: &str, value: &Raw) -> &mut Self {
        self.name(name).extend_from_slice(value.as_str().as_bytes());
        self
    }

    /// JSON as it is carried, if there is any.
    pub fn raw_if(&mut self, name: &str, value: Option<&Raw>) -> &mut Self {
        if let Some(value) = value {
            self.raw(name, value);
        }
        self
    }

    /// JSON that this program wrote.
    pub fn json(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.name(name).extend_from_slice(value);
        self
    }

    /// An object.
    pub fn object(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_>)) -> &mut Self {
        object_into(self.name(name), fill);
        self
    }

    /// A list.
    pub fn list(&mut self, name: &str, fill: impl FnOnce(&mut List<'_>)) -> &mut Self {
        list_into(self.name(name), fill);
        self
    }

    /// A list of strings.
    pub fn texts<'t>(&mut self, name: &str, values: impl IntoIterator<Item = &'t str>) -> &mut Self {
        self.list(name, |list| values.into_iter().for_each(|value| list.text(value)))
    }
}

/// Appends a list.
pub fn list_into(out: &mut Vec<u8>, fill: impl FnOnce(&mut List<'_>)) {
    out.push(b'[');
    fill(&mut List { out, is_empty: true });
    out.push(b']');
}

/// A list that is being written.
#[derive(Debug)]
pub struct List<'w> {
    out: &'w mut Vec<u8>,
    is_empty: bool,
}

impl List<'_> {
    fn item(&mut self) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        self.out
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// A string.
    pub fn text(&mut self, value: &str) {
        quote(self.item(), value);
    }

    /// JSON as it is carried.
    pub fn raw(&mut self, value: &Raw) {
        self.item().extend_from_slice(value.as_str().as_bytes());
    }

    /// JSON that this program wrote.
    pub fn json(&mut self, value: &[u8]) {
        self.item().extend_from_slice(value);
    }

    /// An object.
    pub fn object(&mut self, fill: impl FnOnce(&mut Object<'_>)) {
        object_into(self.item(), fill);
    }
}

#[cfg(test)]
mod tests {
    use super::object_text;
    use tallygate_core::conversation::Raw;

    #[test]
    fn what_is_told_is_written_in_its_order_on_one_line() {
        let raw = Raw::parse("{\"z\": 1,\n \"a\": 2}").unwrap();
        let text = object_text(|object| {
            object.text("b", "q\"\n").null("n").number("i", 3).flag("f", true).raw("r", &raw).text_if("none", None);
            object.object("o", |_| {}).list("l", |list| {
                list.text("x");
                list.object(|object| {
                    object.number_if("y", Some(1.5)).text_or_null("z", None);
                });
            });
            object.texts("t", ["1", "2"]);
        });
        assert_eq!(
            text,
            r#"{"b":"q\"\n","n":null,"i":3,"f":true,"r":{"z":1,"a":2},"o":{},"l":["x",{"y":1.5,"z":null}],"t":["1","2"]}"#
        );
    }
}
