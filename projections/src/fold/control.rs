//! The fold of the control log.

use std::sync::Arc;

use tallygate_core::control::{Control, Needs};
use tallygate_core::port::event_log::Entry;
use tallygate_core::stream::{Log, Offset};
use tallygate_core::time::Timestamp;

use super::control_rows;
use crate::control_view::Published;
use crate::follow::control_reader::{ControlCheckpoint, ControlGroup, ControlReader};
use crate::follow::pump::Fold;
use crate::follow::{Damage, FollowError};
use crate::snapshot::Snapshot;
use crate::store::{StoreError, Writes};
use crate::view::key_list::KeyCounts;
use crate::view::keys::KeysBefore;

/// Folds the control log into its store, and publishes what changed.
#[derive(Debug)]
pub(crate) struct ControlFold {
    reader: ControlReader,
    /// The tables that are whole; the others hold rows only while a group is folded.
    working: Control,
    counts: KeyCounts,
    checkpoint: ControlCheckpoint,
    at: Timestamp,
    published: Arc<Published>,
}

impl ControlFold {
    pub(crate) fn new(beginning: control_rows::Beginning, reader: ControlReader, published: Arc<Published>) -> Self {
        let control_rows::Beginning { control, counts, checkpoint, at } = beginning;
        Self { reader, working: control, counts, checkpoint, at, published }
    }

    /// Folds a group: each touched row is written once, in one batch with the checkpoint, and then published.
    fn fold(&mut self, group: &ControlGroup) -> Result<(), StoreError> {
        control_rows::load(self.published.store(), &mut self.working, &needs_of(group))?;
        let before = KeysBefore::of(&self.working);
        for item in &group.items {
            item.evolve(&mut self.working);
            self.at = item.at();
        }
        let mut writes = Writes::default();
        let touched = control_rows::write(&mut self.working, &before, &mut self.counts, &mut writes)?;
        control_rows::write_checkpoint(group.checkpoint, self.at, &mut writes)?;
        self.working.evict();
        let snapshot = Snapshot {
            head: group.checkpoint.head(),
            end: group.checkpoint.tip.end(),
            at: self.at,
            control: self.working.clone(),
        };
        self.published.commit(writes, touched, snapshot)?;
        self.checkpoint = group.checkpoint;
        Ok(())
    }
}

fn needs_of(group: &ControlGroup) -> Needs {
    let mut all = Needs::default();
    for item in &group.items {
        let needs = item.needs();
        all.keys.extend(needs.keys);
        all.hashes.extend(needs.hashes);
        all.aliases.extend(needs.aliases);
        all.commands.extend(needs.commands);
    }
    all
}

impl Fold for ControlFold {
    fn log(&self) -> Log {
        Log::Control
    }

    fn offset(&self) -> Offset {
        self.checkpoint.offset
    }

    fn rewind(&mut self) {
        self.reader.rewind(self.checkpoint);
    }

    fn accept(&mut self, entries: &[Entry]) -> Result<(), FollowError> {
        let damage: Option<Damage> = entries.iter().find_map(|entry| self.reader.push(entry).err());
        // What came before the damage is true, and whole.
        if let Some(group) = self.reader.take() {
            self.fold(&group).map_err(|source| FollowError::Store { log: Log::Control, source })?;
        }
        damage.map_or(Ok(()), |damage| Err(damage.into()))
    }
}
