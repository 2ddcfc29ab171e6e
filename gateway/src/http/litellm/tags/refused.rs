//! What a rule of tags is answered with.

use serde_json::json;
use tallygate_core::command::Rejection;
use tallygate_core::tag::Rejection as Rule;

use crate::command::Refused;
use crate::http::error::ApiError;
use crate::http::litellm::teams;

/// The status and parameter for a refused command about a tag. LiteLLM answers 500 for all of them.
pub(super) fn refused(refused: Refused) -> ApiError {
    match refused.rejection.as_deref() {
        Some(Rejection::Tag(Rule::AlreadyRegistered(which))) => {
            let message = format!("Tag {} already exists", which.name);
            ApiError::coded(refused.code, 400, message).kind("bad_request").param("name")
        }
        Some(Rejection::Tag(Rule::NotRegistered(which))) => not_found(&format!("Tag {} not found", which.name), "name"),
        Some(Rejection::Tag(Rule::Field { field, .. })) => {
            ApiError::coded(refused.code, 400, refused.message).kind("bad_request").param(*field)
        }
        _ => teams::refused::refused(refused),
    }
}

/// The answer when there is no such tag.
pub(super) fn not_found(message: &str, param: &'static str) -> ApiError {
    ApiError::coded("tag_not_registered", 404, message).kind("not_found").param(param).framework_detail(json!(message))
}
