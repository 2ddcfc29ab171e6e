//! What the control plane is asked: bodies of JSON in the spelling of its clients.

use axum::body::Body;
use http::HeaderMap;
use serde::de::DeserializeOwned;

use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;

/// Reads a body that is an object.
///
/// # Errors
/// 400 for any other, for a field that is not known, and for a value that is not acceptable.
pub(in crate::http) async fn read<T: DeserializeOwned>(
    app: &App,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, ApiError> {
    let bytes = body::read(&app.pipeline.settings, headers, body).await?;
    // Serde would also read a struct from a list of its fields in their order.
    let read = match bytes.trim_ascii_start() {
        [b'{', ..] => serde_json::from_slice(&bytes),
        _ => Err(serde::de::Error::custom("expected an object")),
    };
    read.map_err(|error| ApiError::new(ErrorCode::BodyInvalid, format!("the body is not acceptable: {error}")))
}

/// The error for a value that cannot be.
pub(in crate::http) fn refused(param: &'static str, why: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::ParameterInvalid, why.to_string()).param(param)
}
