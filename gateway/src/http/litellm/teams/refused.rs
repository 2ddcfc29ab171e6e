//! What a rule of realms, users and their budgets is answered with.

use tallygate_core::command::Rejection;
use tallygate_core::{budget, realm, user};

use crate::command::Refused;
use crate::http::error::ApiError;

/// LiteLLM's status, type and parameter for a refused command about a team.
pub(in crate::http::litellm) fn refused(refused: Refused) -> ApiError {
    let Some(rejection) = refused.rejection.as_deref() else { return refused.into() };
    let (status, param) = match rejection {
        Rejection::Realm(realm::Rejection::AlreadyRegistered(realm)) => {
            let message = format!("Team id = {realm} already exists. Please use a different team id.");
            return ApiError::coded(refused.code, 400, message).kind("bad_request_error").param("team_id");
        }
        Rejection::Realm(realm::Rejection::TooDeep(_)) => (400, "organization_id"),
        Rejection::Realm(realm::Rejection::Name) => (400, "team_alias"),
        Rejection::Realm(realm::Rejection::TooManyPatterns) | Rejection::Grant(_) => (400, "models"),
        Rejection::User(user::Rejection::AlreadyRegistered(_) | user::Rejection::EmailTaken(_)) => {
            let message = format!("{{'error': '{rejection}'}}");
            return ApiError::coded(refused.code, 409, message).kind("internal_server_error");
        }
        Rejection::User(user::Rejection::NotRegistered(_) | user::Rejection::NotMember { .. }) => (404, "user_id"),
        Rejection::Budget(budget::Rejection::Unnamed(_)) => (400, "budget_id"),
        Rejection::Budget(_) => (400, "max_budget"),
        Rejection::Key(_) => return crate::http::litellm::keys::refused::refused(refused),
        _ => return refused.into(),
    };
    ApiError::coded(refused.code, status, refused.message).kind("bad_request_error").param(param)
}
