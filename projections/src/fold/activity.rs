//! The fold of the activity log.

use std::sync::Arc;

use super::activity_rows;
use super::records::OpenBlocks;
use super::sums::{Kept, Sums};
use super::told::Told;
use crate::activity_view::Published;
use crate::follow::activity_reader::ActivityGroup;
use crate::follow::pump::Fold;
use crate::store::{StoreError, Writes};

/// Folds the activity log into its store, and publishes what changed.
#[derive(Debug)]
pub(crate) struct ActivityFold {
    kept: Kept,
    open: OpenBlocks,
    published: Arc<Published>,
}

impl ActivityFold {
    pub(crate) fn new(published: Arc<Published>) -> Self {
        Self { kept: Kept::default(), open: OpenBlocks::default(), published }
    }
}

impl Fold for ActivityFold {
    type Group = ActivityGroup;

    /// Folds a group: each touched row is written once, in one batch with the checkpoint, and then published.
    fn fold(&mut self, group: ActivityGroup) -> Result<(), StoreError> {
        let store = &self.published.store();
        let mut writes = Writes::default();
        let mut sums = Sums::of(&group.events);
        Told::of(&group.events).grow(&mut sums, store, &mut self.kept, &mut writes)?;
        let keys = sums.write(store, &mut self.kept, &mut writes)?;
        activity_rows::write_checkpoint(&group, &mut writes)?;
        self.open.add(store, group.events, &mut writes)?;
        self.published.commit(writes, &keys, &group.tips, group.offset)
    }
}
