//! Which end user a request means.

use std::sync::Arc;

use tallygate_core::control::Control;
use tallygate_core::end_user::{EndUser, EndUserRef};
use tallygate_core::id::{EndUserId, RealmId};

use super::refused::not_found;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::meant::{Meant, is_managed, meant};

/// The end user of an id, for a team if one is named. Without one it is the end user of the whole gateway, or the only one
/// of the teams that the caller manages.
///
/// # Errors
/// 404 if there is none that the caller manages, 400 if there are several.
pub(super) fn named<'a>(
    control: &'a Control,
    caller: &Caller,
    id: &str,
    team: Option<&RealmId>,
    param: &'static str,
) -> Result<&'a EndUser, ApiError> {
    let unknown = || not_found(id, param);
    let Ok(id) = EndUserId::new(id) else { return Err(unknown()) };
    let of = |realm: Option<&RealmId>| {
        let whom = EndUserRef { realm: realm.cloned(), id: id.clone() };
        control.end_user(&whom).filter(|found| is_managed(control, caller, found.end_user.realm.as_ref()))
    };
    match meant(control, team, of) {
        Meant::This(found) => Ok(found),
        Meant::Nothing => Err(unknown()),
        Meant::Several => {
            let message = format!("several teams have an end user `{id}`: say which by `team_id`");
            Err(ApiError::new(ErrorCode::ParameterInvalid, message).param("team_id"))
        }
    }
}

/// All end users that a caller manages, those of the whole gateway first.
pub(super) fn all<'a>(control: &'a Control, caller: &Caller) -> impl Iterator<Item = &'a Arc<EndUser>> {
    let rows = control.end_users.iter().map(|(_, row)| row);
    rows.filter(move |row| row.removed.is_none() && is_managed(control, caller, row.end_user.realm.as_ref()))
}
