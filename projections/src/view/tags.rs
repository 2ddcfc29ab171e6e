//! Tags that have rules, each under the realm that it is registered for.

use std::sync::Arc;

use tallygate_core::control::Control;
use tallygate_core::tag::Tag;

use super::light;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

pub(crate) const TAGS: RowTable<Tag> = RowTable::new(29, 1, "tags");

pub(crate) fn load(store: &Store, control: &mut Control) -> Result<(), StoreError> {
    light::load(store, &TAGS, |row| control.tags.load(row.tag.clone(), Arc::new(row)))
}

pub(crate) fn write(control: &mut Control, writes: &mut Writes) -> Result<(), StoreError> {
    light::write(control.tags.take_touched(), &TAGS, writes, |which, _| {
        RowKey::of(&TAGS).realm(which.realm.as_ref()).text(which.name.as_str())
    })
}
