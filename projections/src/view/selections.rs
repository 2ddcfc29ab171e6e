//! What scopes selected for their slots.

use std::sync::Arc;

use tallygate_core::control::Control;
use tallygate_core::selection::Selection;

use super::light;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

pub(crate) const SELECTIONS: RowTable<Selection> = RowTable::new(8, 3, "selections");

pub(crate) fn load(store: &Store, control: &mut Control) -> Result<(), StoreError> {
    light::load(store, &SELECTIONS, |selection| {
        control.selections.load((selection.scope.clone(), selection.slot.clone()), Arc::new(selection));
    })
}

pub(crate) fn write(control: &mut Control, writes: &mut Writes) -> Result<(), StoreError> {
    light::write(control.selections.take_touched(), &SELECTIONS, writes, |(scope, slot), selection| {
        RowKey::of(&SELECTIONS).realm(selection.realm.as_ref()).text(&scope.to_string()).text(slot.as_str())
    })
}
