//! Realms, each under itself.

use std::sync::Arc;

use tallygate_core::control::Control;
use tallygate_core::realm::Realm;

use super::light;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

pub(crate) const REALMS: RowTable<Realm> = RowTable::new(1, 2, "realms");

pub(crate) fn load(store: &Store, control: &mut Control) -> Result<(), StoreError> {
    light::load(store, &REALMS, |realm| control.realms.load(realm.id.clone(), Arc::new(realm)))
}

pub(crate) fn write(control: &mut Control, writes: &mut Writes) -> Result<(), StoreError> {
    light::write(control.realms.take_touched(), &REALMS, writes, |id, _| RowKey::of(&REALMS).realm(Some(id)))
}
