//! What to do about what a journal says, when the gateway starts again.

use std::collections::BTreeMap;

use super::fold::{Journal, OpenHold, Run};
use super::frame::End;
use crate::lease::event::Evidence;
use crate::lease::recovery::{Boot, Memory, Use};
use crate::lease::{AccountId, Epoch, Root};
use crate::stream::Position;

/// What is known around a journal when it is read.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// The boot of the machine now. What was not synced survives a killed process, and not a machine that went down.
    pub host: &'a str,
    /// Whether every earlier process of this gateway has certainly ended: the lock of its folder is ours.
    pub is_alone: bool,
    /// Where this writer's chain of the activity log ends.
    pub activity: Position,
}

/// What follows from a journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// What the earlier boots did with their slices, by chain: for [`crate::lease::SliceLedger::propose`].
    pub memory: BTreeMap<Root, Memory>,
    /// Records that the activity log lacks, in order, to be appended after its end: each once.
    pub activity: Vec<(Position, Vec<u8>)>,
    /// Requests that ran when their process ended. What they held is in suspense.
    pub open: Vec<OpenHold>,
    /// How many records of activity cannot be appended, since earlier ones are missing.
    pub unusable: u64,
}

impl Recovery {
    /// Decides what follows from a journal.
    ///
    /// A run is known whole when it ended in good order, or when its last record is whole or cut short, its machine has
    /// not been down since, nothing of it runs any more, and the activity log has nothing that the journal lacks. Of any
    /// other run only what it says is believed: the rest of its slices is in suspense.
    #[must_use]
    pub fn of(journal: &Journal, circumstances: Circumstances<'_>) -> Self {
        let mut recovery = Self::default();
        let last = journal.activity.keys().next_back().copied().unwrap_or(Position::START);
        let is_behind = last < circumstances.activity && !journal.activity.is_empty();
        let newest = journal.runs.keys().next_back();
        for (number, run) in &journal.runs {
            let whole = run.is_whole(circumstances) && !(is_behind && newest == Some(number));
            recovery.remember(run, if whole { Evidence::Whole } else { Evidence::Partial });
            recovery.open.extend(run.open.values().cloned());
        }
        let mut next = circumstances.activity.plus(1);
        for (position, record) in journal.activity.range(next..) {
            if *position == next {
                recovery.activity.push((*position, record.clone()));
                next = next.plus(1);
            } else {
                recovery.unusable += 1;
            }
        }
        recovery
    }

    /// What is known of the earlier boots in one chain.
    #[must_use]
    pub fn of_root(&self, root: &Root) -> Memory {
        self.memory.get(root).cloned().unwrap_or_default()
    }

    fn remember(&mut self, run: &Run, evidence: Evidence) {
        for (root, epoch) in &run.joined {
            self.used(root, *epoch, evidence);
        }
        for ((root, epoch, account), total) in &run.totals {
            let used = self.used(root, *epoch, evidence).entry(account.clone()).or_default();
            used.spent = total.spent;
            used.suspended = total.suspended;
        }
        for hold in run.open.values() {
            for (root, epoch, account) in &hold.slices {
                let used = self.used(root, *epoch, evidence).entry(account.clone()).or_default();
                used.open = used.open.saturating_plus(hold.amount);
            }
        }
    }

    fn used(&mut self, root: &Root, epoch: Epoch, evidence: Evidence) -> &mut BTreeMap<AccountId, Use> {
        let memory = self.memory.entry(root.clone()).or_default();
        &mut memory.boots.entry(epoch).or_insert_with(|| Boot { evidence, slices: BTreeMap::new() }).slices
    }
}

impl Run {
    fn is_whole(&self, circumstances: Circumstances<'_>) -> bool {
        let is_readable = !matches!(self.end, End::Damaged { .. });
        let survived = self.ended || self.host == circumstances.host;
        is_readable && survived && circumstances.is_alone
    }
}
