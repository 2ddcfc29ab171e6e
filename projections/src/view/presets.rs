//! What scopes saved as presets.

use std::sync::Arc;

use tallygate_core::control::Control;
use tallygate_core::selection::preset::Presets;

use super::light;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

pub(crate) const PRESETS: RowTable<Presets> = RowTable::new(30, 1, "presets");

pub(crate) fn load(store: &Store, control: &mut Control) -> Result<(), StoreError> {
    light::load(store, &PRESETS, |presets| control.presets.load(presets.scope.clone(), Arc::new(presets)))
}

pub(crate) fn write(control: &mut Control, writes: &mut Writes) -> Result<(), StoreError> {
    light::write(control.presets.take_touched(), &PRESETS, writes, |scope, presets| {
        RowKey::of(&PRESETS).realm(presets.realm.as_ref()).text(&scope.to_string())
    })
}
