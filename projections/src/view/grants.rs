//! Access: what each realm was granted.

use std::sync::Arc;

use tallygate_core::control::Control;
use tallygate_core::grant::Grants;

use super::light;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

pub(crate) const GRANTS: RowTable<Grants> = RowTable::new(2, 1, "grants");

pub(crate) fn load(store: &Store, control: &mut Control) -> Result<(), StoreError> {
    light::load(store, &GRANTS, |grants| control.grants.load(grants.realm.clone(), Arc::new(grants)))
}

pub(crate) fn write(control: &mut Control, writes: &mut Writes) -> Result<(), StoreError> {
    light::write(control.grants.take_touched(), &GRANTS, writes, |id, _| RowKey::of(&GRANTS).realm(Some(id)))
}
