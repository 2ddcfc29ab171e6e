//! What a rule of end users is answered with.

use tallygate_core::command::Rejection;
use tallygate_core::end_user::Rejection as Rule;

use crate::command::Refused;
use crate::http::error::ApiError;
use crate::http::litellm::teams;

/// LiteLLM's status, type and parameter for a refused command about an end user.
pub(super) fn refused(refused: Refused) -> ApiError {
    match refused.rejection.as_deref() {
        Some(Rejection::EndUser(Rule::AlreadyRegistered(whom))) => {
            let message = format!("Customer already exists, passed user_id={}. Please pass a new user_id.", whom.id);
            ApiError::coded(refused.code, 400, message).kind("bad_request").param("user_id")
        }
        Some(Rejection::EndUser(Rule::NotRegistered(whom))) => not_found(whom.id.as_str(), "user_id"),
        Some(Rejection::EndUser(Rule::Alias)) => {
            ApiError::coded(refused.code, 400, refused.message).kind("bad_request").param("alias")
        }
        _ => teams::refused::refused(refused),
    }
}

/// The answer when there is no such end user.
pub(super) fn not_found(named: &str, param: &'static str) -> ApiError {
    let message = format!("End User Id={named} does not exist in db");
    ApiError::coded("end_user_not_registered", 404, message).kind("not_found").param(param)
}
