//! What is asked about tags.

use proptest::prelude::{Strategy, prop, prop_oneof};

use super::{allowed, limits, patch};
use crate::command::Command;
use crate::limits::Limits;
use crate::tag::{RegisterTag, RemoveTag, ReviseTag, TagRef};
use crate::testing::samples::id;

/// Few enough that most commands meet one that is there.
pub(super) fn tag() -> impl Strategy<Value = TagRef> {
    let place = prop::sample::select(&[(None, "@a:prod"), (Some("default"), "prod")][..]);
    place.prop_map(|(realm, text)| TagRef { realm: realm.map(id), name: id(text) })
}

pub(super) fn about_tags() -> impl Strategy<Value = Command> {
    prop_oneof![
        4 => (tag(), allowed()).prop_map(|(TagRef { realm, name: tag }, models)| {
            RegisterTag { tag, realm, description: None, models, limits: Limits::default() }.into()
        }),
        2 => (tag(), patch(allowed()), limits())
            .prop_map(|(which, models, limits)| ReviseTag { models, limits, ..ReviseTag::nothing(which) }.into()),
        1 => tag().prop_map(|TagRef { realm, name: tag }| RemoveTag { tag, realm }.into()),
    ]
}
