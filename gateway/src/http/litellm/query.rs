//! The parameters behind the question mark.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use axum::extract::Query as AxumQuery;
use http::Uri;
use serde_json::json;

use super::fields::located;
use crate::http::error::ApiError;

/// The parameters of a request. Of one that stands twice the last counts, as in FastAPI.
#[derive(Debug)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads them.
    ///
    /// # Errors
    /// 422 if they are not UTF-8.
    pub(super) fn read(uri: &Uri) -> Result<Self, ApiError> {
        let pairs = AxumQuery::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| located("query", &[], "string_unicode", "Input should be valid UTF-8", &json!(null)))?;
        Ok(Self(pairs.0.into_iter().collect()))
    }

    /// A text; an empty one is none.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// A whole number within a range.
    ///
    /// # Errors
    /// 422 if it is none, or outside.
    pub(super) fn number(&self, name: &str, default: u64, range: RangeInclusive<u64>) -> Result<u64, ApiError> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let wrong = |kind: &str, message: &str| located("query", &[name], kind, message, &json!(text));
        let number = text.parse::<u64>().map_err(|_| {
            wrong("int_parsing", "Input should be a valid integer, unable to parse string as an integer")
        })?;
        if number < *range.start() {
            let message = format!("Input should be greater than or equal to {}", range.start());
            return Err(wrong("greater_than_equal", &message));
        }
        if number > *range.end() {
            let message = format!("Input should be less than or equal to {}", range.end());
            return Err(wrong("less_than_equal", &message));
        }
        Ok(number)
    }

    /// True or false, in the spellings of FastAPI.
    ///
    /// # Errors
    /// 422 if it is neither.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        let Some(text) = self.text(name) else { return Ok(false) };
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" | "t" | "y" => Ok(true),
            "false" | "0" | "no" | "off" | "f" | "n" => Ok(false),
            _ => {
                let message = "Input should be a valid boolean, unable to interpret input";
                Err(located("query", &[name], "bool_parsing", message, &json!(text)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Query;

    fn query(text: &str) -> Query {
        Query::read(&format!("/key/list?{text}").parse().unwrap()).unwrap()
    }

    #[test]
    fn parameters_have_a_range_and_a_default() {
        assert_eq!(query("").number("size", 10, 1..=100).unwrap(), 10);
        assert_eq!(query("size=").number("size", 10, 1..=100).unwrap(), 10);
        assert_eq!(query("size=100").number("size", 10, 1..=100).unwrap(), 100);
        for text in ["size=0", "size=101", "size=x", "size=-1", "size=1.5"] {
            let error = query(text).number("size", 10, 1..=100).unwrap_err();
            assert_eq!((error.status, error.param.as_deref()), (422, Some("size")), "{text}");
        }
    }

    #[test]
    fn a_flag_is_spelt_as_python_spells_it() {
        assert!(query("full=True").flag("full").unwrap());
        assert!(!query("full=false").flag("full").unwrap());
        assert!(!query("").flag("full").unwrap());
        assert_eq!(query("full=maybe").flag("full").unwrap_err().status, 422);
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        assert_eq!(query("key_alias=my%20key%2F1").text("key_alias"), Some("my key/1"));
    }
}
