//! The rows of a book: a limit as it is here, and another gateway as it was heard.

use std::collections::BTreeMap;

use super::LimitId;
use super::book::ENTRIES_MAX;
use super::report::{Entry, Handover};
use crate::limits::Kind;

/// So long after the last request a limit by the minute is divided as before, in ticks: until it is full again. Only then
/// can equal parts of it be full as well, without anything being refilled by the change.
pub(super) const REST_TICKS: u32 = 60;
/// The same for requests at once.
const PLACES_REST_TICKS: u32 = 5;

/// A limit that this gateway reports.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) parts: u64,
    pub(super) demand: u64,
    pub(super) held: u64,
    pub(super) running: u64,
    pub(super) handover: Option<Handover>,
    /// The demand that was told last.
    pub(super) told: u64,
    /// Ticks since anything was asked.
    pub(super) rested: u32,
    pub(super) is_urgent: bool,
}

/// Another gateway.
#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) last: (u64, u64),
    pub(super) heard_ms: u64,
    pub(super) is_gone: bool,
    pub(super) entries: BTreeMap<LimitId, Entry>,
}

impl Own {
    /// A tick passes: demand that is no more halves, and is forgotten when the limit has come to rest.
    pub(super) fn rest(&mut self, kind: Kind) {
        let rest_ticks = if kind == Kind::Parallel { PLACES_REST_TICKS } else { REST_TICKS };
        self.rested = self.rested.saturating_add(1);
        let least = u64::from(self.demand > 0 && self.rested <= rest_ticks);
        self.demand = if self.rested <= rest_ticks { (self.demand / 2).max(least) } else { 0 };
        self.running = 0;
    }

    pub(super) fn tell(&mut self, limit: &LimitId) -> Entry {
        self.told = self.demand;
        self.is_urgent = false;
        Entry {
            limit: limit.clone(),
            parts: self.parts,
            demand: self.demand,
            held: self.held,
            running: self.running,
            handover: self.handover.take(),
        }
    }
}

impl Peer {
    /// Takes entries. Gives the limits that something changed for.
    pub(super) fn take(&mut self, entries: Vec<Entry>, whole: bool) -> Vec<LimitId> {
        let mut before = if whole { std::mem::take(&mut self.entries) } else { BTreeMap::new() };
        let mut changed = Vec::new();
        for mut entry in entries.into_iter().take(ENTRIES_MAX) {
            entry.handover = None;
            let limit = entry.limit.clone();
            let known = if whole { before.remove(&limit) } else { self.entries.get(&limit).cloned() };
            if known.as_ref() != Some(&entry) {
                changed.push(limit.clone());
            }
            if self.entries.len() < ENTRIES_MAX || self.entries.contains_key(&limit) {
                self.entries.insert(limit, entry);
            }
        }
        changed.extend(before.into_keys());
        changed
    }
}
