//! The history of selections: what was chosen for a slot, by whom and when. It is on disk alone.

use tallygate_core::control::Control;
use tallygate_core::id::{RealmId, SlotName};
use tallygate_core::scope::Scope;
use tallygate_core::selection::Choice;
use tallygate_core::stream::Position;

use super::light;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

pub(crate) const CHOICES: RowTable<Choice> = RowTable::new(19, 2, "choices");

/// The most choices of one page.
pub const CHOICES_MAX: usize = 100;

fn place(realm: Option<&RealmId>, scope: &Scope, slot: &SlotName) -> RowKey {
    RowKey::of(&CHOICES).realm(realm).text(&scope.to_string()).text(slot.as_str())
}

/// The choices of a scope for a slot that were made before a position, newest first: at most [`CHOICES_MAX`].
pub(crate) fn page(
    store: &Store,
    realm: Option<&RealmId>,
    scope: &Scope,
    slot: &SlotName,
    before: Position,
    rows: usize,
) -> Result<Vec<Choice>, StoreError> {
    let place = place(realm, scope, slot);
    let rows = store.scan_back_between(&place, &place.clone().number(before.get())).take(rows.min(CHOICES_MAX));
    rows.map(|row| store.decode(&CHOICES, &row?.1)).collect()
}

pub(crate) fn write(control: &mut Control, writes: &mut Writes) -> Result<(), StoreError> {
    light::write(control.choices.take_touched(), &CHOICES, writes, |(scope, slot, position), choice| {
        place(choice.realm.as_ref(), scope, slot).number(position.get())
    })
}
