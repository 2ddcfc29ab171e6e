//! What one gateway knows of the demand for every limit, and which portions follow from it.

use std::collections::{BTreeMap, BTreeSet};

use super::report::{Entry, Handover, Report};
use super::row::{Own, Peer};
use super::{LimitId, divide};
use crate::id::WriterId;
use crate::limits::Kind;

/// The most limits that a gateway reports: those with the highest demand. All others are divided equally.
pub const ENTRIES_MAX: usize = 512;
/// The most other gateways that are counted.
pub const PEERS_MAX: usize = 64;
/// A gateway that was not heard of for so long is gone, in milliseconds.
const GONE_MS: u64 = 5_000;
/// Who has not heard its own reports for so long may be cut off, and counts nobody as gone, in milliseconds.
const ECHO_MS: u64 = 2_500;

/// What was asked of one limit here since the last full tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Which limit.
    pub limit: LimitId,
    /// Into how many parts it is divided.
    pub parts: u64,
    /// How many parts were asked for: in a minute, or at once.
    pub demand: u64,
    /// Whether somebody was refused.
    pub refused: bool,
    /// Requests at once: how many run.
    pub running: u64,
}

/// What this gateway may let through of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portion {
    /// So many parts; none for an equal part, as of every limit that nobody reports.
    pub held: Option<u64>,
    /// Requests at once: how many run on other gateways, as far as they said.
    pub elsewhere: u64,
}

/// The demand for limits on all gateways, as one of them knows it.
#[derive(Debug)]
pub struct Book {
    own: WriterId,
    run: u64,
    number: u64,
    limits: BTreeMap<LimitId, Own>,
    peers: BTreeMap<WriterId, Peer>,
    /// Limits whose portions must be computed again.
    stale: BTreeSet<LimitId>,
    echoed_ms: Option<u64>,
    connected_since_ms: u64,
    /// A gateway has come that must be told everything.
    greets: bool,
}

impl Book {
    /// A book without any demand. A later run of the same gateway has a larger number.
    #[must_use]
    pub const fn new(own: WriterId, run: u64) -> Self {
        Self {
            own,
            run,
            number: 0,
            limits: BTreeMap::new(),
            peers: BTreeMap::new(),
            stale: BTreeSet::new(),
            echoed_ms: None,
            connected_since_ms: 0,
            greets: false,
        }
    }

    /// All gateways that the limits are divided among, this one too, by their ids.
    #[must_use]
    pub fn gateways(&self) -> Vec<WriterId> {
        let mut all: Vec<_> = self.living().map(|(id, _)| id.clone()).chain([self.own.clone()]).collect();
        all.sort_unstable();
        all
    }

    /// How long ago another gateway was heard of, in milliseconds.
    #[must_use]
    pub fn silence_ms(&self, now_ms: u64) -> Option<u64> {
        self.living().map(|(_, peer)| now_ms.saturating_sub(peer.heard_ms)).min()
    }

    /// Whether this gateway hears what it says itself: it is not cut off.
    #[must_use]
    pub fn hears_itself(&self, now_ms: u64) -> bool {
        self.echoed_ms.is_some_and(|echoed| now_ms.saturating_sub(echoed) <= ECHO_MS)
    }

    /// How many limits are divided by demand.
    #[must_use]
    pub fn len(&self) -> usize {
        self.limits.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// Who has how much of a limit and is asked for how much, this gateway too: (gateway, demand, held).
    #[must_use]
    pub fn who_has(&self, limit: &LimitId, parts: u64) -> Vec<(WriterId, u64, u64)> {
        let gateways = self.gateways();
        let row = |gateway: &WriterId| {
            let entry = self.peers.get(gateway).and_then(|peer| peer.entries.get(limit));
            let own = self.limits.get(limit).filter(|_| *gateway == self.own);
            let (demand, held) = match (own, entry) {
                (Some(own), _) => (own.demand, own.held),
                (None, Some(entry)) => (entry.demand, entry.held),
                (None, None) => (0, limit.at_rest(parts, &gateways, gateway)),
            };
            (gateway.clone(), demand, held)
        };
        gateways.iter().map(row).collect()
    }

    /// Notes what was asked of limits here. At a full tick, one a second, demand that is no more halves; between ticks it
    /// only rises.
    pub fn note(&mut self, asked: &[Asked], is_full: bool) {
        if is_full {
            for (limit, own) in &mut self.limits {
                own.rest(limit.kind);
                self.stale.insert(limit.clone());
            }
        }
        for asked in asked {
            let equal = asked.parts / (self.living().count() as u64 + 1);
            let Some(own) = self.entry(&asked.limit, asked.parts, asked.demand) else { continue };
            let least = if asked.refused { equal.max(1) } else { 0 };
            own.parts = asked.parts;
            own.demand = own.demand.max(asked.demand).max(least).min(asked.parts);
            own.running = asked.running;
            own.rested = 0;
            // A demand that grew by little can wait for the tick.
            own.is_urgent |= asked.refused && own.demand > own.told.saturating_add(own.told / 4);
            self.stale.insert(asked.limit.clone());
        }
    }

    /// This gateway's row of a limit. In a full book it takes the place of the one with the least demand.
    fn entry(&mut self, limit: &LimitId, parts: u64, demand: u64) -> Option<&mut Own> {
        if !self.limits.contains_key(limit) {
            if self.limits.len() >= ENTRIES_MAX {
                let least = self.limits.iter().min_by_key(|(_, own)| own.demand);
                let (least, _) = least.filter(|(_, own)| own.demand < demand)?;
                let least = least.clone();
                self.limits.remove(&least);
                self.stale.insert(least);
            }
            let held = limit.at_rest(parts, &self.gateways(), &self.own);
            let own = Own { parts, demand: 0, held, running: 0, handover: None, told: 0, rested: 0, is_urgent: false };
            self.limits.insert(limit.clone(), own);
        }
        self.limits.get_mut(limit)
    }

    /// Takes a report of any gateway, this one too. Gives what is handed over to this one.
    pub fn hear(&mut self, report: Report, now_ms: u64) -> Vec<(LimitId, u64)> {
        if report.gateway == self.own {
            if report.run == self.run {
                self.echo(now_ms);
            }
            return Vec::new();
        }
        let place = (report.run, report.number);
        let is_new = self.peers.get(&report.gateway).is_none_or(|peer| peer.is_gone);
        if self.peers.get(&report.gateway).is_some_and(|peer| peer.last >= place) || !self.has_room(&report.gateway) {
            return Vec::new();
        }
        if is_new && !report.leaves {
            self.greets = true;
        }
        let own = &self.own;
        let handed = |entry: &Entry| {
            let handover = entry.handover.as_ref().filter(|handover| handover.to == *own)?;
            Some((entry.limit.clone(), handover.parts))
        };
        let handed = report.entries.iter().take(ENTRIES_MAX).filter_map(handed).collect();
        let peer = self.peers.entry(report.gateway).or_default();
        (peer.last, peer.heard_ms) = (place, now_ms);
        let changed = peer.take(report.entries, report.whole);
        self.stale.extend(changed);
        if is_new || report.leaves {
            peer.is_gone = report.leaves;
            self.divide_anew();
        }
        handed
    }

    fn echo(&mut self, now_ms: u64) {
        if !self.hears_itself(now_ms) {
            self.connected_since_ms = now_ms;
        }
        self.echoed_ms = Some(now_ms);
    }

    /// Whether there is room for a gateway; one that is gone makes it.
    fn has_room(&mut self, gateway: &WriterId) -> bool {
        if self.peers.contains_key(gateway) || self.peers.len() < PEERS_MAX {
            return true;
        }
        let gone = self.peers.iter().filter(|(_, peer)| peer.is_gone).min_by_key(|(_, peer)| peer.heard_ms);
        let Some(gone) = gone.map(|(id, _)| id.clone()) else { return false };
        self.peers.remove(&gone);
        true
    }

    /// Counts out who was not heard of for long, unless this gateway may be the one that is cut off.
    pub fn tick(&mut self, now_ms: u64) {
        if !self.hears_itself(now_ms) {
            return;
        }
        let since = self.connected_since_ms;
        let mut someone_went = false;
        for peer in self.peers.values_mut().filter(|peer| !peer.is_gone) {
            if now_ms.saturating_sub(peer.heard_ms.max(since)) > GONE_MS {
                peer.is_gone = true;
                someone_went = true;
            }
        }
        if someone_went {
            self.divide_anew();
        }
    }

    fn divide_anew(&mut self) {
        let gone = self.peers.values_mut().filter(|peer| peer.is_gone);
        gone.for_each(|peer| self.stale.extend(std::mem::take(&mut peer.entries).into_keys()));
        self.stale.extend(self.limits.keys().cloned());
        let peers = self.peers.values();
        self.stale.extend(peers.flat_map(|peer| peer.entries.keys().cloned()));
    }

    fn living(&self) -> impl Iterator<Item = (&WriterId, &Peer)> {
        self.peers.iter().filter(|(_, peer)| !peer.is_gone)
    }

    /// Computes the portions of all limits that something changed for. `apply` puts one into force, and tells how many
    /// parts of what was taken away were unused; none if the limit was not in use here, so that all of it was.
    pub fn settle(&mut self, apply: &mut dyn FnMut(&LimitId, Portion) -> Option<u64>) {
        for limit in std::mem::take(&mut self.stale) {
            self.settle_one(&limit, apply);
        }
    }

    fn settle_one(&mut self, limit: &LimitId, apply: &mut dyn FnMut(&LimitId, Portion) -> Option<u64>) {
        let entries: Vec<_> = self.living().filter_map(|(id, peer)| Some((id, peer.entries.get(limit)?))).collect();
        let elsewhere = entries.iter().fold(0, |sum: u64, (_, entry)| sum.saturating_add(entry.running));
        let own = self.limits.get(limit);
        let is_wanted = entries.iter().any(|(_, entry)| entry.demand > 0) || own.is_some_and(|own| own.demand > 0);
        let parts = own.map(|own| own.parts).or_else(|| entries.first().map(|(_, entry)| entry.parts));
        let Some(parts) = parts.filter(|_| is_wanted) else {
            self.limits.remove(limit);
            apply(limit, Portion { held: None, elsewhere });
            return;
        };
        if self.entry(limit, parts, 0).is_none() {
            apply(limit, Portion { held: None, elsewhere });
            return;
        }
        let reckoning = self.reckon(limit, parts);
        let Some(own) = self.limits.get_mut(limit) else { return };
        let before = own.held;
        // What becomes less does so at once; what becomes more waits until others have let go of it.
        let free = parts.saturating_sub(reckoning.taken);
        own.held = if reckoning.due <= before { reckoning.due } else { before.max(reckoning.due.min(free)) };
        // What runs elsewhere has its place there, whoever it is due to.
        own.held = own.held.min(parts.saturating_sub(elsewhere));
        let unused = apply(limit, Portion { held: Some(own.held), elsewhere });
        let given = before.saturating_sub(own.held);
        // Others wait for it, unless it is too little to make a difference.
        own.is_urgent |= given > own.parts / 200;
        let unused = unused.unwrap_or(given).min(given);
        if let Some(to) = reckoning.hungriest.filter(|_| unused > 0 && limit.kind != Kind::Parallel) {
            let before = own.handover.take().filter(|handover| handover.to == to).map_or(0, |handover| handover.parts);
            own.handover = Some(Handover { to, parts: unused + before });
        }
    }

    fn reckon(&self, limit: &LimitId, parts: u64) -> Reckoning {
        let gateways = self.gateways();
        let ordered = limit.order(gateways.iter());
        let entry = |gateway: &WriterId| self.peers.get(gateway).and_then(|peer| peer.entries.get(limit));
        let demand = |gateway: &WriterId| {
            let own = self.limits.get(limit).filter(|_| *gateway == self.own);
            own.map(|own| own.demand).or_else(|| entry(gateway).map(|entry| entry.demand)).unwrap_or(0)
        };
        let demands: Vec<_> = ordered.iter().map(|&gateway| demand(gateway)).collect();
        let count = u64::try_from(demands.len()).unwrap_or(u64::MAX);
        let portions = divide(parts, limit.floor(parts, count), &demands);
        let due = ordered.iter().zip(&portions).find(|(gateway, _)| ***gateway == self.own);
        let others = || ordered.iter().copied().filter(|gateway| **gateway != self.own);
        let taken =
            others().map(|other| entry(other).map_or_else(|| limit.at_rest(parts, &gateways, other), Entry::taken));
        let hungry = others().filter(|other| demand(other) > 0);
        Reckoning {
            due: due.map_or(0, |(_, portion)| *portion),
            taken: taken.fold(0, u64::saturating_add),
            hungriest: hungry.max_by_key(|other| demand(other)).cloned(),
        }
    }

    /// Whether others should be told something before the next tick.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.greets || self.limits.values().any(|own| own.is_urgent)
    }

    /// The next report: of everything, or of what is urgent. What it hands over is told once.
    pub fn report(&mut self, whole: bool) -> Report {
        let whole = whole || self.greets;
        self.number += 1;
        self.greets = false;
        let told = self.limits.iter_mut().filter(|(_, own)| whole || own.is_urgent);
        let entries = told.map(|(limit, own)| own.tell(limit)).collect();
        Report { gateway: self.own.clone(), run: self.run, number: self.number, leaves: false, whole, entries }
    }

    /// The last report: this gateway takes no more requests.
    pub fn farewell(&mut self) -> Report {
        self.number += 1;
        let (gateway, run, number) = (self.own.clone(), self.run, self.number);
        Report { gateway, run, number, leaves: true, whole: true, entries: Vec::new() }
    }

    /// Goes back to equal parts for all limits but so many with the highest demand: they did not fit into a report.
    pub fn shed(&mut self, count: usize) {
        let mut by_demand: Vec<_> = self.limits.iter().map(|(limit, own)| (own.demand, limit.clone())).collect();
        by_demand.sort_unstable_by(|one, other| other.cmp(one));
        for (_, limit) in by_demand.into_iter().skip(count) {
            self.limits.remove(&limit);
            self.stale.insert(limit);
        }
    }
}

/// What follows from all demands of one limit, for this gateway.
struct Reckoning {
    /// What it is to have.
    due: u64,
    /// What others have, as far as is known.
    taken: u64,
    /// Who else asks for the most.
    hungriest: Option<WriterId>,
}

#[cfg(test)]
mod tests;
