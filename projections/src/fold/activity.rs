//! The fold of the activity log.

use std::sync::Arc;

use tallygate_core::port::event_log::Entry;
use tallygate_core::stream::{Log, Offset};

use super::activity_rows;
use super::records::OpenBlocks;
use super::sums::{Kept, Sums};
use crate::activity_view::Published;
use crate::follow::FollowError;
use crate::follow::activity_reader::{ActivityGroup, ActivityReader};
use crate::follow::pump::Fold;
use crate::store::{StoreError, Writes};

/// Folds the activity log into its store, and publishes what changed.
#[derive(Debug)]
pub(crate) struct ActivityFold {
    reader: ActivityReader,
    offset: Offset,
    kept: Kept,
    open: OpenBlocks,
    published: Arc<Published>,
}

impl ActivityFold {
    pub(crate) fn new(offset: Offset, reader: ActivityReader, published: Arc<Published>) -> Self {
        Self { reader, offset, kept: Kept::default(), open: OpenBlocks::default(), published }
    }

    /// Folds a group: each touched row is written once, in one batch with the checkpoint, and then published.
    fn fold(&mut self, group: &ActivityGroup) -> Result<(), StoreError> {
        let store = self.published.store();
        let mut writes = Writes::default();
        let keys = Sums::of(&group.events).write(store, &mut self.kept, &mut writes)?;
        self.open.add(store, &group.events, &mut writes)?;
        activity_rows::write_checkpoint(group, &mut writes)?;
        self.published.commit(writes, &keys, &group.tips)?;
        self.offset = group.offset;
        Ok(())
    }
}

impl Fold for ActivityFold {
    fn log(&self) -> Log {
        Log::Activity
    }

    fn offset(&self) -> Offset {
        self.offset
    }

    /// Whatever was taken was folded.
    fn rewind(&mut self) {}

    fn accept(&mut self, entries: &[Entry]) -> Result<(), FollowError> {
        let (group, damage) = self.reader.read(entries);
        if let Some(group) = group {
            self.fold(&group).map_err(|source| FollowError::Store { log: Log::Activity, source })?;
        }
        damage.map_or(Ok(()), |damage| Err(damage.into()))
    }
}
