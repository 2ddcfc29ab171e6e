//! What a rule of keys is answered with.

use tallygate_core::command::Rejection;
use tallygate_core::{budget, key, realm};

use super::find;
use crate::command::Refused;
use crate::http::error::ApiError;

/// LiteLLM's status, type and parameter for a refused command about a key.
pub(in crate::http::litellm) fn refused(refused: Refused) -> ApiError {
    let Some(rejection) = refused.rejection.as_deref() else { return refused.into() };
    let (param, kind) = match rejection {
        Rejection::Key(key::Rejection::NotIssued(_)) => return find::not_found("Key not found."),
        Rejection::Key(key::Rejection::AliasTaken(_)) => (Some("key_alias"), "bad_request_error"),
        Rejection::Key(key::Rejection::HashTaken) => (Some("key"), "bad_request_error"),
        Rejection::Key(key::Rejection::ExpiryInPast { .. }) => (Some("duration"), "bad_request_error"),
        Rejection::Key(key::Rejection::Field { field, .. }) => (Some(*field), "bad_request_error"),
        Rejection::Key(key::Rejection::Realm(realm::Rejection::NotRegistered(realm))) => {
            let message = format!("Team id = {realm} does not exist: register the realm first, or leave `team_id` out");
            return ApiError::coded(refused.code, 400, message).kind("bad_request_error").param("team_id");
        }
        Rejection::Key(key::Rejection::RealmSuspended(_)) => (Some("team_id"), "bad_request_error"),
        Rejection::Budget(budget::Rejection::Unnamed(_)) => (Some("budget_id"), "bad_request_error"),
        Rejection::Budget(_) => (Some("max_budget"), "bad_request_error"),
        _ => return refused.into(),
    };
    let error = ApiError::coded(refused.code, 400, refused.message).kind(kind);
    match param {
        Some(param) => error.param(param),
        None => error,
    }
}
