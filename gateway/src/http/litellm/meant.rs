//! Which row a name means, of those that are registered for a team or for the whole gateway: end users, tags.

use tallygate_core::control::Control;
use tallygate_core::id::RealmId;

use super::caller::Caller;

/// What a name means.
pub(super) enum Meant<'a, T> {
    This(&'a T),
    /// There is none that the caller manages.
    Nothing,
    /// Several teams have one, and none was named.
    Several,
}

/// The row for a team if one is named. Without one it is that of the whole gateway, or the only one of the teams; `of` gives
/// what the caller manages.
pub(super) fn meant<'a, T>(
    control: &'a Control,
    team: Option<&RealmId>,
    of: impl Fn(Option<&RealmId>) -> Option<&'a T>,
) -> Meant<'a, T> {
    if let Some(found) = of(team) {
        return Meant::This(found);
    }
    if team.is_some() {
        return Meant::Nothing;
    }
    let mut found = control.realms.iter().filter_map(|(realm, _)| of(Some(realm)));
    match (found.next(), found.next()) {
        (Some(only), None) => Meant::This(only),
        (None, _) => Meant::Nothing,
        (Some(_), Some(_)) => Meant::Several,
    }
}

/// Whether a caller manages what is registered for a realm, or for the whole gateway.
pub(super) fn is_managed(control: &Control, caller: &Caller, realm: Option<&RealmId>) -> bool {
    match realm {
        Some(realm) => caller.manages(control, realm),
        None => caller.manages_all(control),
    }
}
