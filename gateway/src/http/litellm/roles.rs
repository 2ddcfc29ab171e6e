//! Which user a request means, and as what somebody is in a team.

use tallygate_core::control::Control;
use tallygate_core::id::UserId;
use tallygate_core::user::{Role, User};

use super::fields::Fields;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;

/// The role of a team's member.
pub(super) fn of_member(name: &str) -> Option<Role> {
    match name {
        "admin" | "org_admin" | "realm_admin" => Some(Role::RealmAdmin),
        "user" | "internal_user" | "member" => Some(Role::Member),
        "viewer" | "internal_user_viewer" => Some(Role::Viewer),
        _ => None,
    }
}

/// A user who is there, by their email address, capitals aside.
pub(in crate::http) fn by_email<'a>(control: &'a Control, email: &str) -> Option<&'a User> {
    let email = email.to_lowercase();
    let has_it = |user: &&User| {
        user.removed.is_none() && user.email.as_deref().is_some_and(|other| other.to_lowercase() == email)
    };
    control.users.iter().map(|(_, user)| user.as_ref()).find(has_it)
}

/// The user that a body names by `user_id` or `user_email`.
///
/// # Errors
/// 422 if it names nobody, 404 if they are not there.
pub(super) fn named<'a>(control: &'a Control, fields: &Fields<'_>) -> Result<&'a User, ApiError> {
    let id = fields.text("user_id")?.into_value().filter(|id| !id.is_empty());
    if let Some(id) = id {
        return by_id(control, &id);
    }
    let email = fields.text("user_email")?.into_value().filter(|email| !email.is_empty());
    let email = email.ok_or_else(|| fields.missing("user_id"))?;
    by_email(control, &email).ok_or_else(|| not_found(&email))
}

/// The user of an id.
///
/// # Errors
/// 404 if they are not there.
pub(in crate::http) fn by_id<'a>(control: &'a Control, id: &str) -> Result<&'a User, ApiError> {
    control.users.get(id).map(AsRef::as_ref).filter(|user| user.removed.is_none()).ok_or_else(|| not_found(id))
}

/// The answer when there is no such user.
pub(super) fn not_found(named: &str) -> ApiError {
    let message = format!("User {named} not found");
    ApiError::coded("user_not_registered", 404, message).kind("not_found_error").param("user_id")
}

/// An id for someone who was not given one.
///
/// # Errors
/// 500: never, since a uuid is an id.
pub(super) fn new_user_id(app: &App) -> Result<UserId, ApiError> {
    UserId::new(app.pipeline.ids.uuid().to_string())
        .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))
}
