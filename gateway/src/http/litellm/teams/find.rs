//! Which team a request means, and who is in it.

use serde_json::json;
use tallygate_core::control::Control;
use tallygate_core::id::RealmId;
use tallygate_core::realm::Realm;
use tallygate_core::user::{Role, User};

use crate::http::error::ApiError;
use crate::http::litellm::fields::Fields;

/// The realm that a body names.
///
/// # Errors
/// 422 if it names none, 404 if it is not there.
pub(in crate::http::litellm) fn named<'a>(
    control: &'a Control,
    fields: &Fields<'_>,
    name: &'static str,
) -> Result<&'a Realm, ApiError> {
    let id = fields.text(name)?.into_value().ok_or_else(|| fields.missing(name))?;
    by_id(control, &id, name)
}

/// The realm of an id. The realm `default` is no team: what has no team belongs to it.
///
/// # Errors
/// 404 if it is not there.
pub(in crate::http::litellm) fn by_id<'a>(
    control: &'a Control,
    id: &str,
    name: &'static str,
) -> Result<&'a Realm, ApiError> {
    let is_team = |realm: &&Realm| realm.removed.is_none() && realm.id != RealmId::default_realm();
    control.realms.get(id).map(AsRef::as_ref).filter(is_team).ok_or_else(|| not_found(id, name))
}

/// The answer when there is no such team or organization.
pub(in crate::http::litellm) fn not_found(id: &str, name: &'static str) -> ApiError {
    let what = if name == "organization_id" { "Organization" } else { "Team" };
    let message = format!("{what} not found, passed {name}={id}");
    ApiError::coded("realm_not_registered", 404, message.clone())
        .kind("not_found_error")
        .param(name)
        .framework_detail(json!({ "error": message }))
}

/// The members of a realm, and as what: those who belong to it, and those who were added. Looks through all users.
pub(in crate::http::litellm) fn members<'a>(control: &'a Control, realm: &RealmId) -> Vec<(&'a User, Role)> {
    let as_what = |user: &'a User| {
        let added = user.memberships.get(realm).copied();
        added.or_else(|| (user.realm.as_ref() == Some(realm)).then_some(user.role)).map(|role| (user, role))
    };
    let users = control.users.iter().map(|(_, user)| user.as_ref());
    users.filter(|user| user.removed.is_none()).filter_map(as_what).collect()
}
