//! What selectors ask for: the parameters of their addresses, and their bodies.

use axum::extract::Query;
use http::Uri;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tallygate_core::id::SlotName;

use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;

/// Which slot of which scope an address asks about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    /// The slot.
    #[serde(default = "SlotName::current")]
    pub(super) slot: SlotName,
    /// The scope; none for the caller's own.
    pub(super) scope: Option<String>,
}

/// Whose models an address asks about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    /// The scope; none for the caller's own.
    pub(super) scope: Option<String>,
}

/// The parameters of an address.
///
/// # Errors
/// 400 for one that is not known or not acceptable.
pub(super) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, ApiError> {
    let read = Query::<T>::try_from_uri(uri);
    read.map(|read| read.0).map_err(|error| ApiError::new(ErrorCode::ParameterInvalid, error.body_text()))
}

/// A body of JSON, an object.
///
/// # Errors
/// 400 for any other.
pub(in crate::http) fn body<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ApiError> {
    // Serde would also read a struct from a list of its fields in their order.
    let read = match bytes.trim_ascii_start() {
        [b'{', ..] => serde_json::from_slice(bytes),
        _ => Err(serde::de::Error::custom("expected an object")),
    };
    read.map_err(|error| ApiError::new(ErrorCode::BodyInvalid, format!("the body is not acceptable: {error}")))
}
