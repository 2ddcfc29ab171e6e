//! `metadata` and `tags`: what people attach to keys, teams and users. Tags are kept among the metadata, as in LiteLLM.

use serde_json::{Map, Value};
use tallygate_core::json::Json;
use tallygate_core::patch::Patch;

use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;

/// The metadata that are to be, if they change.
///
/// # Errors
/// 400 if they are too large.
pub(super) fn patched(
    metadata: &Patch<Map<String, Value>>,
    tags: &Patch<Vec<String>>,
    current: &Json,
) -> Result<Patch<Json>, ApiError> {
    let mut metadata = match metadata {
        Patch::Keep if tags.is_keep() => return Ok(Patch::Keep),
        Patch::Keep => current.to_value().as_object().cloned().unwrap_or_default(),
        Patch::Clear => Map::new(),
        Patch::Set(metadata) => metadata.clone(),
    };
    match tags {
        Patch::Keep => {}
        Patch::Clear => drop(metadata.remove("tags")),
        Patch::Set(tags) => drop(metadata.insert("tags".to_owned(), tags.clone().into())),
    }
    let refused = |error| ApiError::new(ErrorCode::ParameterInvalid, error).param("metadata");
    Json::from_value(&Value::Object(metadata)).map(Patch::Set).map_err(refused)
}
