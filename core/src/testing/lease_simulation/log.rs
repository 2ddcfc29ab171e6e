//! The lease log and the activity log as a perfect store behind a bad network, with the true books beside them.

use std::collections::BTreeMap;

use crate::id::{EventId, WriterId};
use crate::lease::checks::{Broken, Step};
use crate::lease::slices::Entry;
use crate::lease::{AccountId, Book, Epoch, Event, Root, wide};
use crate::stream::Position;
use crate::time::Timestamp;

/// One event as it is stored.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) id: EventId,
    pub(super) at: Timestamp,
    pub(super) event: Event,
}

/// A chain and what it means.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub(super) events: Vec<Stored>,
    pub(super) book: Book,
}

/// An append on its way.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) due_ms: u64,
    pub(super) root: Root,
    pub(super) after: Position,
    pub(super) stored: Stored,
}

/// Both logs.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) chains: BTreeMap<Root, Chain>,
    /// The records of each writer.
    pub(super) activity: BTreeMap<String, Vec<Vec<u8>>>,
    /// Appends on their way.
    pub(super) network: Vec<Message>,
    /// The largest limit that each account was granted against.
    pub(super) limits: BTreeMap<AccountId, i128>,
    /// What was posted to each account, forgotten ones too.
    pub(super) posted: BTreeMap<AccountId, i128>,
    /// When each gateway last wrote, and when money of each boot last went into suspense.
    pub(super) heard_ms: BTreeMap<(Root, WriterId), u64>,
    pub(super) suspended_ms: BTreeMap<(Root, WriterId, Epoch), u64>,
    /// Whether more was reported as spent than was set aside.
    pub(super) bound_broken: bool,
}

impl Log {
    pub(super) fn book(&self, root: &Root) -> Option<&Book> {
        self.chains.get(root).map(|chain| &chain.book)
    }

    /// Appends by compare-and-swap. The same event again, at the place where it is, is stored.
    pub(super) fn append(&mut self, root: &Root, after: Position, stored: Stored, now_ms: u64) -> Result<bool, String> {
        let chain = self.chains.entry(root.clone()).or_default();
        let place = usize::try_from(after.get()).unwrap_or(usize::MAX);
        if let Some(there) = chain.events.get(place) {
            return Ok(there.id == stored.id);
        }
        if place != chain.events.len() {
            return Ok(false);
        }
        let step = Step::before(&chain.book, &stored.event);
        chain.book.evolve(after.plus(1), stored.at, &stored.event);
        if let Err(broken) = step.after(&chain.book, &stored.event) {
            self.bound_broken |= broken.iter().any(|rule| matches!(rule, Broken::Bound { .. }));
            if let Some(rule) = broken.iter().find(|rule| !matches!(rule, Broken::Bound { .. })) {
                return Err(format!("{rule} by {:?}", stored.event));
            }
        }
        self.note(root, &stored.event, now_ms);
        if let Some(chain) = self.chains.get_mut(root) {
            chain.events.push(stored);
        }
        Ok(true)
    }

    fn note(&mut self, root: &Root, event: &Event, now_ms: u64) {
        let mut post = |account: &AccountId, amount| *self.posted.entry(account.clone()).or_default() += wide(amount);
        match event {
            Event::Joined(data) => drop(self.heard_ms.insert((root.clone(), data.gateway.clone()), now_ms)),
            Event::Opened(data) => {
                for window in &data.windows {
                    post(&window.account, window.posted_nano_usd);
                    self.limits.insert(window.account.clone(), wide(window.limit_nano_usd));
                }
                self.heard_ms.insert((root.clone(), data.gateway.clone()), now_ms);
            }
            Event::Rolled(data) => {
                for roll in &data.slices {
                    post(&roll.account, roll.spent_nano_usd);
                    if let Some(grant) = roll.granted {
                        let limit = self.limits.entry(roll.account.clone()).or_default();
                        *limit = (*limit).max(wide(grant.limit_nano_usd));
                    }
                }
                self.heard_ms.insert((root.clone(), data.gateway.clone()), now_ms);
            }
            Event::Recovered(data) => {
                data.slices.iter().for_each(|wound| post(&wound.account, wound.spent_nano_usd));
                self.suspended_ms.insert((root.clone(), data.gateway.clone(), data.epoch), now_ms);
                self.heard_ms.insert((root.clone(), data.gateway.clone()), now_ms);
            }
            Event::Resumed(data) => drop(self.heard_ms.insert((root.clone(), data.gateway.clone()), now_ms)),
            Event::Closed(data) => {
                data.slices.iter().for_each(|closing| post(&closing.account, closing.spent_nano_usd))
            }
            Event::Suspended(data) => {
                self.suspended_ms.insert((root.clone(), data.gateway.clone(), data.epoch), now_ms);
            }
            Event::Reclaimed(_) => {}
        }
    }

    /// What counts against an account: posted to it, if it is wound up.
    pub(super) fn counted(&self, account: &AccountId) -> i128 {
        let open = self.chains.values().find_map(|chain| chain.book.account(account));
        open.map_or_else(|| self.posted.get(account).copied().unwrap_or_default(), |row| row.counted_wide())
    }

    /// The event at a position.
    pub(super) fn at(&self, root: &Root, position: Position) -> Option<Entry<'_>> {
        let place = usize::try_from(position.get().checked_sub(1)?).ok()?;
        let stored = self.chains.get(root)?.events.get(place)?;
        Some(Entry { id: stored.id, position, at: stored.at, event: &stored.event })
    }

    /// Appends a record of activity after a position of its writer's chain. Again at the same place, it is stored.
    pub(super) fn ship(&mut self, writer: &str, position: Position, record: &[u8]) -> bool {
        let records = self.activity.entry(writer.to_owned()).or_default();
        let place = usize::try_from(position.get()).unwrap_or(usize::MAX);
        match records.get(place.wrapping_sub(1)) {
            Some(there) => there == record,
            None if place == records.len() + 1 => {
                records.push(record.to_vec());
                true
            }
            None => false,
        }
    }

    pub(super) fn activity_end(&self, writer: &str) -> Position {
        Position::new(self.activity.get(writer).map_or(0, |records| records.len() as u64))
    }
}
