//! Which tag a request means.

use std::sync::Arc;

use tallygate_core::control::Control;
use tallygate_core::id::{RealmId, TagName};
use tallygate_core::tag::{Tag, TagRef};

use super::refused::not_found;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::caller::Caller;
use crate::http::litellm::meant::{Meant, is_managed, meant};

/// The tag of a name, for a team if one is named. Without one it is the tag of the whole gateway, or the only one of the
/// teams that the caller manages.
///
/// # Errors
/// 404 if there is none that the caller manages, 400 if there are several.
pub(super) fn named<'a>(
    control: &'a Control,
    caller: &Caller,
    name: &str,
    team: Option<&RealmId>,
) -> Result<&'a Tag, ApiError> {
    let unknown = || not_found(&format!("Tag {name} not found"), "name");
    let Ok(name) = TagName::new(name) else { return Err(unknown()) };
    let of = |realm: Option<&RealmId>| {
        let which = TagRef { realm: realm.cloned(), name: name.clone() };
        control.tag(&which).filter(|found| is_managed(control, caller, found.tag.realm.as_ref()))
    };
    match meant(control, team, of) {
        Meant::This(found) => Ok(found),
        Meant::Nothing => Err(unknown()),
        Meant::Several => {
            let message = format!("several teams have a tag `{name}`: say which by `team_id`");
            Err(ApiError::new(ErrorCode::ParameterInvalid, message).param("team_id"))
        }
    }
}

/// All tags that a caller manages, those of the whole gateway first.
pub(super) fn all<'a>(control: &'a Control, caller: &Caller) -> impl Iterator<Item = &'a Arc<Tag>> {
    let rows = control.tags.iter().map(|(_, row)| row);
    rows.filter(move |row| row.removed.is_none() && is_managed(control, caller, row.tag.realm.as_ref()))
}
