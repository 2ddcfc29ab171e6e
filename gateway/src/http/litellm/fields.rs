//! The fields of a request's body, each read as the type that it must have.
//!
//! The body is kept as text until a field is read, so that an amount of money is read from its own digits. A field that
//! stands twice is refused: readers differ on which one counts. Unknown fields are ignored, as LiteLLM ignores them.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tallygate_core::money::{MoneyError, NanoUsd, PicoUsd};
use tallygate_core::patch::Patch;

use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;

/// Fields whose value is not repeated in an error: it may be a secret.
const SECRET_FIELDS: [&str; 5] = ["key", "keys", "new_key", "new_master_key", "api_key"];

/// The fields of an object.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    /// The field of the body that the object is; none for the body itself.
    section: Option<&'static str>,
    values: BTreeMap<String, &'a RawValue>,
}

/// An object whose fields stand once.
struct EachOnce<'a>(BTreeMap<String, &'a RawValue>);

impl<'de> Deserialize<'de> for EachOnce<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = EachOnce<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut values = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if values.contains_key(&name) {
                        return Err(A::Error::custom(format_args!("the field `{name}` stands twice")));
                    }
                    values.insert(name, value);
                }
                Ok(EachOnce(values))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

impl<'a> Fields<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// 400 if it is no JSON, 422 if it is no object.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, ApiError> {
        let not_an_object = |kind, message| invalid(&[], kind, message, &Value::Null);
        match body.trim_ascii_start().first() {
            None => return Err(not_an_object("missing", "Field required")),
            Some(b'[' | b'"' | b'0'..=b'9' | b'-' | b't' | b'f' | b'n') if is_json(body) => {
                return Err(not_an_object("model_attributes_type", "Input should be a valid dictionary"));
            }
            Some(_) => {}
        }
        let EachOnce(values) = serde_json::from_slice(body).map_err(|error| not_json(&error))?;
        Ok(Self { section: None, values })
    }

    /// The fields of an object within the body; none if it is not there, or null.
    ///
    /// # Errors
    /// 422 if it is no object, 400 if a field stands twice in it.
    pub(super) fn section(&self, name: &'static str) -> Result<Option<Self>, ApiError> {
        let Some(raw) = self.raw(name).filter(|raw| raw.get() != "null") else { return Ok(None) };
        if !raw.get().starts_with('{') {
            return Err(self.wrong(name, "dict_type", "Input should be a valid dictionary"));
        }
        let EachOnce(values) = serde_json::from_str(raw.get()).map_err(|error| not_json(&error))?;
        Ok(Some(Self { section: Some(name), values }))
    }

    /// A field's own text.
    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.values.get(name).copied()
    }

    /// The names of all fields.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// A field's value, whatever its type.
    ///
    /// # Errors
    /// 400 if it holds a number that no double can hold.
    pub(super) fn value(&self, name: &str) -> Result<Value, ApiError> {
        let raw = self.raw(name).map_or("null", RawValue::get);
        serde_json::from_str(raw).map_err(|error| self.refused(name, &error.to_string()))
    }

    /// A text.
    ///
    /// # Errors
    /// 422 if it is none.
    pub(super) fn text(&self, name: &str) -> Result<Patch<String>, ApiError> {
        self.typed(name, "string_type", "Input should be a valid string")
    }

    /// A text that is an id or a name: an empty one is none, as in LiteLLM.
    ///
    /// # Errors
    /// 422 if it is no text, 400 if it cannot be such an id.
    pub(super) fn id<T, E: fmt::Display>(
        &self,
        name: &str,
        parse: impl FnOnce(String) -> Result<T, E>,
    ) -> Result<Patch<T>, ApiError> {
        match self.text(name)? {
            Patch::Set(text) if text.is_empty() => Ok(Patch::Clear),
            patch => patch.try_map(|text| parse(text).map_err(|error| self.refused(name, &error.to_string()))),
        }
    }

    /// A list of texts.
    ///
    /// # Errors
    /// 422 if it is none.
    pub(super) fn texts(&self, name: &str) -> Result<Patch<Vec<String>>, ApiError> {
        self.typed(name, "list_type", "Input should be a valid list of strings")
    }

    /// True or false.
    ///
    /// # Errors
    /// 422 if it is neither.
    pub(super) fn flag(&self, name: &str) -> Result<Patch<bool>, ApiError> {
        self.typed(name, "bool_type", "Input should be a valid boolean")
    }

    /// An object.
    ///
    /// # Errors
    /// 422 if it is none.
    pub(super) fn object(&self, name: &str) -> Result<Patch<Map<String, Value>>, ApiError> {
        self.typed(name, "dict_type", "Input should be a valid dictionary")
    }

    /// A whole number of zero or more. `10.0` is one too, since JSON has one type of number.
    ///
    /// # Errors
    /// 422 if it is no such number, or not one of the range of `T`.
    pub(super) fn count<T: TryFrom<u64>>(&self, name: &str) -> Result<Patch<T>, ApiError> {
        let Some(raw) = self.raw(name).map(RawValue::get) else { return Ok(Patch::Keep) };
        if raw == "null" {
            return Ok(Patch::Clear);
        }
        if raw.starts_with('-') && raw.len() > 1 {
            return Err(self.wrong(name, "greater_than_equal", "Input should be greater than or equal to 0"));
        }
        let whole = raw.strip_suffix(".0").unwrap_or(raw).parse::<u64>().ok().and_then(|whole| T::try_from(whole).ok());
        whole.map(Patch::Set).ok_or_else(|| self.wrong(name, "int_type", "Input should be a valid integer"))
    }

    /// An amount of dollars of zero or more, read exactly. An empty text is none, as in LiteLLM.
    ///
    /// # Errors
    /// 400, naming the field, if it is no such number or more precise than a nano-dollar.
    pub(super) fn usd(&self, name: &str) -> Result<Patch<NanoUsd>, ApiError> {
        self.money(name, NanoUsd::parse_usd_limit)
    }

    /// A price of one unit in dollars, read exactly.
    ///
    /// # Errors
    /// 400, naming the field, if it is no such number or more precise than a pico-dollar.
    pub(super) fn usd_per_unit(&self, name: &str) -> Result<Patch<PicoUsd>, ApiError> {
        self.money(name, PicoUsd::parse_usd_per_unit)
    }

    fn money<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, MoneyError>) -> Result<Patch<T>, ApiError> {
        match self.raw(name).map(RawValue::get) {
            None => Ok(Patch::Keep),
            Some("null" | "\"\"") => Ok(Patch::Clear),
            Some(raw) => match parse(raw) {
                Ok(amount) => Ok(Patch::Set(amount)),
                Err(error) => Err(self.refused(name, &format!("`{name}` must be a number of dollars: {error}"))),
            },
        }
    }

    fn typed<T: DeserializeOwned>(&self, name: &str, kind: &'static str, message: &str) -> Result<Patch<T>, ApiError> {
        match self.raw(name).map(RawValue::get) {
            None => Ok(Patch::Keep),
            Some("null") => Ok(Patch::Clear),
            Some(raw) => serde_json::from_str(raw).map(Patch::Set).map_err(|_| self.wrong(name, kind, message)),
        }
    }

    /// The error for a field that must be there and is not.
    pub(super) fn missing(&self, name: &str) -> ApiError {
        invalid(&self.place(name), "missing", "Field required", &Value::Null)
    }

    /// The error for a field of another type.
    pub(super) fn wrong(&self, name: &str, kind: &'static str, message: &str) -> ApiError {
        let input = if SECRET_FIELDS.contains(&name) { json!("***") } else { self.value(name).unwrap_or_default() };
        invalid(&self.place(name), kind, message, &input)
    }

    /// The error for a field of the right type whose value is not acceptable.
    pub(super) fn refused(&self, name: &str, message: &str) -> ApiError {
        ApiError::new(ErrorCode::ParameterInvalid, message).param(self.place(name).join("."))
    }

    /// Where a field stands: `litellm_params`, `model`.
    pub(super) fn place<'n>(&self, name: &'n str) -> Vec<&'n str> {
        self.section.into_iter().chain([name]).collect()
    }
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

fn not_json(error: &serde_json::Error) -> ApiError {
    ApiError::new(ErrorCode::BodyInvalid, format!("Invalid JSON payload: {error}")).param("request_body")
}

/// A validation error in FastAPI's shape, with ours beside it.
pub(super) fn invalid(place: &[&str], kind: &'static str, message: &str, input: &Value) -> ApiError {
    located("body", place, kind, message, input)
}

/// As [`invalid`], for another part of the request than the body.
pub(super) fn located(part: &str, place: &[&str], kind: &str, message: &str, input: &Value) -> ApiError {
    let path: Vec<&str> = [part].into_iter().chain(place.iter().copied()).collect();
    ApiError::new(ErrorCode::ParameterInvalid, format!("{}: {message}", path.join(".")))
        .status(422)
        .param(if place.is_empty() { part.to_owned() } else { place.join(".") })
        .framework_detail(json!([{ "type": kind, "loc": path, "msg": message, "input": input }]))
}

#[cfg(test)]
mod tests {
    use super::Fields;
    use serde_json::json;
    use tallygate_core::money::NanoUsd;
    use tallygate_core::patch::Patch;

    fn usd(body: &str) -> Result<Patch<NanoUsd>, (u16, Option<Box<str>>)> {
        Fields::read(body.as_bytes())
            .and_then(|fields| fields.usd("max_budget"))
            .map_err(|error| (error.status, error.param))
    }

    #[test]
    fn money_is_read_from_its_digits() {
        for (body, amount) in [
            (r#"{"max_budget": 50}"#, Patch::Set(NanoUsd::new(50_000_000_000))),
            (r#"{"max_budget":0.1}"#, Patch::Set(NanoUsd::new(100_000_000))),
            (r#"{"max_budget":1e-9}"#, Patch::Set(NanoUsd::new(1))),
            (r#"{"max_budget":0}"#, Patch::Set(NanoUsd::ZERO)),
            (r#"{"max_budget":null}"#, Patch::Clear),
            (r#"{"max_budget":""}"#, Patch::Clear),
            ("{}", Patch::Keep),
        ] {
            assert_eq!(usd(body), Ok(amount), "{body}");
        }
    }

    #[test]
    fn money_that_is_none_is_refused_by_its_field() {
        for value in ["-1", "-0", "1e309", "0.0000000001", "\"50\"", "true", "[]", "{}", "1e400000000000"] {
            let refused = (400, Some("max_budget".into()));
            assert_eq!(usd(&format!(r#"{{"max_budget":{value}}}"#)), Err(refused), "{value}");
        }
        assert_eq!(usd(r#"{"max_budget":NaN}"#), Err((400, Some("request_body".into()))));
    }

    #[test]
    fn a_field_of_another_type_is_answered_as_fastapi_does() {
        let fields = Fields::read(br#"{"models":"x","rpm_limit":-1,"user_id":7,"key":[1],"tpm_limit":1.5}"#).unwrap();
        let detail = |error: crate::http::error::ApiError| {
            assert_eq!(error.status, 422);
            error.body()["detail"][0].clone()
        };
        let message = "Input should be a valid list of strings";
        let expected = json!({"type":"list_type","loc":["body","models"],"msg":message,"input":"x"});
        assert_eq!(detail(fields.texts("models").unwrap_err()), expected);
        assert_eq!(detail(fields.count::<u64>("rpm_limit").unwrap_err())["type"], "greater_than_equal");
        assert_eq!(detail(fields.count::<u64>("tpm_limit").unwrap_err())["type"], "int_type");
        assert_eq!(detail(fields.text("user_id").unwrap_err())["input"], 7);
        assert_eq!(detail(fields.text("key").unwrap_err())["input"], "***", "it may be a secret");
        assert_eq!(detail(Fields::read(b"[]").unwrap_err())["loc"], json!(["body"]));
        assert_eq!(detail(Fields::read(b" ").unwrap_err())["type"], "missing");
    }

    #[test]
    fn a_field_that_stands_twice_is_refused_at_every_level() {
        assert_eq!(Fields::read(br#"{"key":"a","k\u0065y":"b"}"#).unwrap_err().status, 400);
        let body = br#"{"litellm_params":{"model":"a","model":"b"}}"#;
        assert_eq!(Fields::read(body).unwrap().section("litellm_params").unwrap_err().status, 400);
    }

    #[test]
    fn a_field_within_is_named_with_its_place() {
        let fields = Fields::read(br#"{"litellm_params":{"input_cost_per_token":-1}}"#).unwrap();
        let section = fields.section("litellm_params").unwrap().unwrap();
        let error = section.usd_per_unit("input_cost_per_token").unwrap_err();
        assert_eq!(error.param.as_deref(), Some("litellm_params.input_cost_per_token"));
        assert!(fields.section("model_info").unwrap().is_none());
    }
}
