//! What a group tells of spend elsewhere: compared with what was told before, and only by how much it grew added to the sums.

use std::collections::HashMap;

use tallygate_core::activity::{DaySpent, Event};
use tallygate_core::id::{RealmId, SourceName};

use super::sums::{Kept, Sums};
use crate::activity::told;
use crate::activity::totals::Totals;
use crate::follow::activity_reader::Happened;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

/// The most that a group tells of each row, whoever tells it and how often.
#[derive(Debug, Default)]
pub(super) struct Told<'a>(HashMap<RowKey, (&'a RealmId, &'a DaySpent, Totals)>);

impl<'a> Told<'a> {
    pub(super) fn of(events: &'a [Happened]) -> Self {
        let mut told = Self::default();
        for happened in events {
            let Event::SpentElsewhere(elsewhere) = &happened.event else { continue };
            // Keys are of realms: without one nobody spent anything.
            let Some(realm) = &happened.realm else { continue };
            elsewhere.rows.iter().for_each(|row| told.tell(realm, &elsewhere.source, row));
        }
        told
    }

    fn tell(&mut self, realm: &'a RealmId, source: &SourceName, row: &'a DaySpent) {
        let (_, _, most) = self.0.entry(told::row_key(realm, source, row)).or_insert((realm, row, Totals::default()));
        most.raise(&Totals::of_elsewhere(row));
    }

    /// Adds to the sums by how much each row grew, and writes what was told of it.
    pub(super) fn grow(
        self,
        sums: &mut Sums,
        store: &Store,
        kept: &mut Kept,
        writes: &mut Writes,
    ) -> Result<(), StoreError> {
        for (key, (realm, row, most)) in self.0 {
            let mut told = kept.told(store, &key)?;
            let growth = told.raise(&most);
            if growth != Totals::default() {
                sums.add_elsewhere(realm, told::detail(row), row.under.as_ref(), &growth);
                kept.tell(key.clone(), told);
                writes.put(&told::TOLD, key, &told)?;
            }
        }
        Ok(())
    }
}
