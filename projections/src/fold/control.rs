//! The fold of the control log.

use std::sync::Arc;

use tallygate_core::control::{Control, Needs};
use tallygate_core::time::Timestamp;

use super::control_rows;
use crate::control_view::Published;
use crate::follow::control_reader::ControlGroup;
use crate::follow::pump::Fold;
use crate::snapshot::Snapshot;
use crate::store::{StoreError, Writes};
use crate::view::key_list::KeyList;
use crate::view::keys::KeysBefore;

/// Folds the control log into its store, and publishes what changed.
#[derive(Debug)]
pub(crate) struct ControlFold {
    /// The tables that are whole; the others hold rows only while a group is folded.
    working: Control,
    list: KeyList,
    at: Timestamp,
    published: Arc<Published>,
}

impl ControlFold {
    pub(crate) fn new(control: Control, list: KeyList, at: Timestamp, published: Arc<Published>) -> Self {
        Self { working: control, list, at, published }
    }
}

impl Fold for ControlFold {
    type Group = ControlGroup;

    /// Folds a group: each touched row is written once, in one batch with the checkpoint, and then published.
    fn fold(&mut self, group: ControlGroup) -> Result<(), StoreError> {
        control_rows::load(&self.published.store(), &mut self.working, &needs_of(&group))?;
        let before = KeysBefore::of(&self.working);
        for item in &group.items {
            item.evolve(&mut self.working);
            self.at = item.at();
        }
        let mut writes = Writes::default();
        let touched =
            control_rows::write(&mut self.working, &before, &mut self.list, &self.published.store(), &mut writes)?;
        control_rows::write_checkpoint(group.checkpoint, self.at, &mut writes)?;
        self.working.evict();
        let snapshot = Snapshot {
            head: group.checkpoint.head(),
            end: group.checkpoint.tip.end(),
            at: self.at,
            control: self.working.clone(),
        };
        self.published.commit(writes, touched, snapshot, &group.heads, group.checkpoint.offset)
    }
}

fn needs_of(group: &ControlGroup) -> Needs {
    let mut all = Needs::default();
    group.items.iter().for_each(|item| all.extend(item.needs()));
    all
}
