//! Values as compact JSON, byte for byte as `serde_json` writes them, in a third of its steps: every request writes a
//! line of the log. What is rare, such as numbers with a point, is left to it.

mod parts;
mod plain;

use std::fmt;

use serde::Serialize;
use serde::ser::{Error as _, Serializer};

use parts::Parts;
use plain::is_plain;

/// The name under which `serde_json` passes on what is JSON already.
const RAW: &str = "$serde_json::private::RawValue";

/// Writes a value at the end of some bytes. After an error what was written of it stands there still.
///
/// # Errors
/// When the value holds what JSON cannot.
pub fn write(out: &mut Vec<u8>, value: &impl Serialize) -> Result<(), serde_json::Error> {
    value.serialize(&mut Writer { out, is_raw: false })
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// Whether the next text is JSON already.
    is_raw: bool,
}

impl Writer<'_> {
    fn rare(&mut self, value: &impl Serialize) -> Result<(), serde_json::Error> {
        serde_json::to_writer(&mut *self.out, value)
    }

    fn number(&mut self, number: impl itoa::Integer) -> Result<(), serde_json::Error> {
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), serde_json::Error> {
        if !is_plain(text.as_bytes()) {
            return self.rare(&text);
        }
        self.out.reserve(text.len() + 2);
        self.out.push(b'"');
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'"');
        Ok(())
    }

    /// Opens what has a name before its value: `{"name":`.
    fn variant(&mut self, variant: &'static str) {
        self.out.push(b'{');
        self.name(variant);
    }

    /// `"name":`, of a field or a variant. Those stand in the program, and none has a character that must be escaped.
    fn name(&mut self, name: &'static str) {
        debug_assert!(is_plain(name.as_bytes()), "`{name}` cannot be the name of a field");
        self.out.reserve(name.len() + 3);
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
}

impl<'a, 'b> Serializer for &'a mut Writer<'b> {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = Parts<'a, 'b>;
    type SerializeTuple = Parts<'a, 'b>;
    type SerializeTupleStruct = Parts<'a, 'b>;
    type SerializeTupleVariant = Parts<'a, 'b>;
    type SerializeMap = Parts<'a, 'b>;
    type SerializeStruct = Parts<'a, 'b>;
    type SerializeStructVariant = Parts<'a, 'b>;

    fn serialize_bool(self, value: bool) -> Result<(), Self::Error> {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), Self::Error> {
        self.number(value)
    }

    fn serialize_i16(self, value: i16) -> Result<(), Self::Error> {
        self.number(value)
    }

    fn serialize_i32(self, value: i32) -> Result<(), Self::Error> {
        self.number(value)
    }

    fn serialize_i64(self, value: i64) -> Result<(), Self::Error> {
        self.number(value)
    }

    fn serialize_i128(self, value: i128) -> Result<(), Self::Error> {
        self.number(value)
    }

    fn serialize_u8(self, value: u8) -> Result<(), Self::Error> {
        self.number(value)
    }

    fn serialize_u16(self, value: u16) -> Result<(), Self::Error> {
        self.number(value)
    }

    fn serialize_u32(self, value: u32) -> Result<(), Self::Error> {
        self.number(value)
    }

    fn serialize_u64(self, value: u64) -> Result<(), Self::Error> {
        self.number(value)
    }

    fn serialize_u128(self, value: u128) -> Result<(), Self::Error> {
        self.number(value)
    }

    #[expect(clippy::disallowed_types, reason = "the trait names it; nothing is computed with it")]
    fn serialize_f32(self, value: f32) -> Result<(), Self::Error> {
        self.rare(&value)
    }

    #[expect(clippy::disallowed_types, reason = "the trait names it; nothing is computed with it")]
    fn serialize_f64(self, value: f64) -> Result<(), Self::Error> {
        self.rare(&value)
    }

    fn serialize_char(self, value: char) -> Result<(), Self::Error> {
        self.rare(&value)
    }

    fn serialize_str(self, value: &str) -> Result<(), Self::Error> {
        if self.is_raw {
            self.out.extend_from_slice(value.as_bytes());
            return Ok(());
        }
        self.text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Self::Error> {
        self.rare(&value)
    }

    fn serialize_none(self) -> Result<(), Self::Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Self::Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Self::Error> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Self::Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), Self::Error> {
        self.text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Self::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Self::Error> {
        self.variant(variant);
        value.serialize(&mut *self)?;
        self.out.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Parts<'a, 'b>, Self::Error> {
        Ok(Parts::open(self, b'[', b"]"))
    }

    fn serialize_tuple(self, _length: usize) -> Result<Parts<'a, 'b>, Self::Error> {
        Ok(Parts::open(self, b'[', b"]"))
    }

    fn serialize_tuple_struct(self, _name: &'static str, _length: usize) -> Result<Parts<'a, 'b>, Self::Error> {
        Ok(Parts::open(self, b'[', b"]"))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Parts<'a, 'b>, Self::Error> {
        self.variant(variant);
        Ok(Parts::open(self, b'[', b"]}"))
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Parts<'a, 'b>, Self::Error> {
        Ok(Parts::open(self, b'{', b"}"))
    }

    fn serialize_struct(self, name: &'static str, _length: usize) -> Result<Parts<'a, 'b>, Self::Error> {
        if name == RAW {
            self.is_raw = true;
            return Ok(Parts::raw(self));
        }
        Ok(Parts::open(self, b'{', b"}"))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Parts<'a, 'b>, Self::Error> {
        self.variant(variant);
        Ok(Parts::open(self, b'{', b"}}"))
    }

    /// Without a text in between, where nothing in it must be escaped.
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Self::Error> {
        let start = self.out.len();
        self.out.push(b'"');
        fmt::write(&mut Tail(self.out), format_args!("{value}")).map_err(Self::Error::custom)?;
        let text = self.out.get(start + 1..).unwrap_or_default();
        if !is_plain(text) {
            let text = String::from_utf8(text.to_vec()).map_err(Self::Error::custom)?;
            self.out.truncate(start);
            return self.rare(&text);
        }
        self.out.push(b'"');
        Ok(())
    }
}

/// The end of some bytes, for texts.
struct Tail<'a>(&'a mut Vec<u8>);

impl fmt::Write for Tail<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_types, reason = "floats are written too")]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::{any, prop, prop_assert_eq, proptest};
    use serde::{Serialize, Serializer};
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::write;

    fn check(value: &impl Serialize) {
        let mut written = b"before".to_vec();
        write(&mut written, value).unwrap();
        let expected = serde_json::to_string(value).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), format!("before{expected}"));
    }

    #[derive(Serialize)]
    struct Nothing;

    #[derive(Serialize)]
    struct One(&'static str);

    #[derive(Serialize)]
    struct Two(u8, char);

    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Unit,
        Newtype(Option<i64>),
        Tuple(f32, bool),
        Struct { a: (), b: Vec<Kind> },
    }

    #[derive(Serialize)]
    #[serde(tag = "type", content = "data")]
    enum Tagged {
        Here(BTreeMap<u16, One>),
    }

    #[derive(Serialize)]
    struct All<'a> {
        #[serde(rename = "a new name")]
        nothing: Nothing,
        #[serde(skip_serializing_if = "Option::is_none")]
        left_out: Option<u8>,
        numbers: (i8, i16, i32, u32, u64, i128, u128, f64),
        raw: Vec<&'a RawValue>,
        two: Two,
        kinds: Vec<Kind>,
        tagged: Tagged,
        bytes: Bytes,
    }

    struct Bytes;

    impl Serialize for Bytes {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(&[0, 255])
        }
    }

    struct Shown(String);

    impl Serialize for Shown {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(&self.0)
        }
    }

    #[test]
    fn every_kind_of_value_is_written_as_the_library_writes_it() {
        let raw: Box<RawValue> = serde_json::from_str(r#"{"as":"it \" stands" , "n":[1.0]}"#).unwrap();
        let kinds = || vec![Kind::Unit, Kind::Newtype(None), Kind::Newtype(Some(-7)), Kind::Tuple(0.1, true)];
        let one = BTreeMap::from([(7, One("x")), (300, One("a\nb"))]);
        check(&All {
            nothing: Nothing,
            left_out: None,
            numbers: (i8::MIN, -1, i32::MAX, 0, u64::MAX, i128::MIN, u128::MAX, f64::NAN),
            raw: vec![&raw, &raw],
            two: Two(0, '\u{7f}'),
            kinds: kinds().into_iter().chain([Kind::Struct { a: (), b: kinds() }]).collect(),
            tagged: Tagged::Here(one),
            bytes: Bytes,
        });
        check(&BTreeMap::from([(true, [(); 0])]));
        check(&BTreeMap::from([(-1, BTreeMap::from([("k", Some(1))]))]));
        assert!(write(&mut Vec::new(), &BTreeMap::from([((), 1)])).is_err());
        assert!(write(&mut Vec::new(), &BTreeMap::from([([1], 1)])).is_err());
    }

    proptest! {
        #[test]
        fn every_text_is_written_as_the_library_writes_it(text: String, list in prop::collection::vec(any::<i64>(), 0..3)) {
            check(&text);
            check(&Shown(text.clone()));
            let value = json!({ text.clone(): { "list": list, "text": text } });
            let mut written = Vec::new();
            write(&mut written, &value).unwrap();
            prop_assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), value);
        }

        #[test]
        fn every_ascii_text_is_written_as_the_library_writes_it(text in "[\\x00-\\x7f]{0,40}") {
            check(&text);
            check(&Shown(text));
        }
    }
}
