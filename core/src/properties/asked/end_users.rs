//! What is asked about end users.

use proptest::prelude::{Just, Strategy, prop, prop_oneof};

use super::{limits, patch};
use crate::command::Command;
use crate::end_user::{BlockEndUser, EndUserRef, RegisterEndUser, RemoveEndUser, ReviseEndUser, UnblockEndUser};
use crate::limits::Limits;
use crate::testing::samples::id;

/// Few enough that most commands meet one who is there.
pub(super) fn end_user() -> impl Strategy<Value = EndUserRef> {
    let place = prop::sample::select(&[(None, "@a:7"), (Some("default"), "7")][..]);
    place.prop_map(|(realm, text)| EndUserRef { realm: realm.map(id), id: id(text) })
}

pub(super) fn about_end_users() -> impl Strategy<Value = Command> {
    let alias = || prop::option::of(Just("Seven".to_owned()));
    prop_oneof![
        4 => (end_user(), alias()).prop_map(|(EndUserRef { realm, id: end_user }, alias)| {
            RegisterEndUser { end_user, realm, alias, limits: Limits::default() }.into()
        }),
        2 => (end_user(), patch(Just("7".to_owned())), limits())
            .prop_map(|(whom, alias, limits)| ReviseEndUser { alias, limits, ..ReviseEndUser::nothing(whom) }.into()),
        3 => end_user().prop_map(|EndUserRef { realm, id: end_user }| BlockEndUser { end_user, realm }.into()),
        3 => end_user().prop_map(|EndUserRef { realm, id: end_user }| UnblockEndUser { end_user, realm }.into()),
        1 => end_user().prop_map(|EndUserRef { realm, id: end_user }| RemoveEndUser { end_user, realm }.into()),
    ]
}
