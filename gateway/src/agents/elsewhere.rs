//! What other gateways say of the agents that are connected to them. It decides nothing, sends nothing and waits for nothing.
//!
//! Every agent is said again with the list of its gateway, so what was not said again for a while is so no more: a lost
//! message, a gateway that was killed and one that is cut off need no rule of their own.

use std::collections::HashMap;
use std::time::Duration;

use tallygate_core::id::{AgentId, WriterId};
use tallygate_core::stream::Position;
use tokio::time::Instant;

use super::AGENTS_MAX;
use super::report::{Report, Row};

/// What was not said again for so long is so no more: three lists were missed.
pub(super) const SILENCE: Duration = Duration::from_secs(30);
/// The most other gateways that are listened to.
const PEERS_MAX: usize = 64;

/// See the module.
#[derive(Debug)]
pub(super) struct Elsewhere {
    own: WriterId,
    peers: HashMap<WriterId, Peer>,
}

/// Another gateway.
#[derive(Debug)]
struct Peer {
    /// The run and the number of its last report: what comes again is passed over.
    last: (u64, u64),
    heard_at: Instant,
    checked: Position,
    agents: HashMap<AgentId, (Row, Instant)>,
}

/// An agent that is connected to another gateway.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'e> {
    pub(super) gateway: &'e WriterId,
    pub(super) row: &'e Row,
    checked: Position,
}

/// What was not known before.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Whether the gateway is to be told all agents of this one.
    pub(super) is_stranger: bool,
    /// Agents that are connected there.
    pub(super) rows: Vec<Row>,
}

impl Elsewhere {
    /// Nothing was heard yet by this gateway.
    pub(super) fn new(own: WriterId) -> Self {
        Self { own, peers: HashMap::new() }
    }

    /// Takes a report. What this gateway says itself, what was heard already, and what there is no room for is passed over.
    pub(super) fn hear(&mut self, report: Report, now: Instant) -> Heard {
        let Report { gateway, run, number, stops, news } = report;
        let known = self.peers.get(&gateway);
        if gateway == self.own || known.is_some_and(|peer| peer.last >= (run, number)) || !self.has_room(&gateway, now)
        {
            return Heard::default();
        }
        let new = || Peer { last: (0, 0), heard_at: now, checked: Position::default(), agents: HashMap::new() };
        let is_stranger = !self.peers.contains_key(&gateway);
        let peer = self.peers.entry(gateway).or_insert_with(new);
        let is_stranger = is_stranger || peer.last.0 != run || peer.is_silent(now);
        if peer.last.0 != run || stops {
            peer.agents.clear();
            peer.checked = Position::default();
        }
        (peer.last, peer.heard_at) = ((run, number), now);
        if stops {
            return Heard::default();
        }
        peer.take(&news.left, &news.here, now);
        peer.checked = news.checked.unwrap_or(peer.checked);
        Heard { is_stranger, rows: news.here }
    }

    /// Where an agent is connected; of several gateways that say so, the one with its newest connection.
    pub(super) fn find(&self, agent: &AgentId, now: Instant) -> Option<Found<'_>> {
        let found = self.peers.iter().filter_map(|(gateway, peer)| {
            let (row, said_at) = peer.agents.get(agent)?;
            let is_so = now.saturating_duration_since(*said_at) <= SILENCE;
            is_so.then_some(Found { gateway, row, checked: peer.checked })
        });
        found.max_by_key(|found| (found.row.connection, found.gateway))
    }

    /// Drops what is so no more, so that it takes no memory. Of a gateway it is still known what it said last.
    pub(super) fn forget(&mut self, now: Instant) {
        for peer in self.peers.values_mut() {
            peer.agents.retain(|_, (_, said_at)| now.saturating_duration_since(*said_at) <= SILENCE);
        }
    }

    /// How many agents are known.
    pub(super) fn count(&self) -> usize {
        self.peers.values().map(|peer| peer.agents.len()).sum()
    }

    /// Whether there is room for a gateway; one that is silent makes it.
    fn has_room(&mut self, gateway: &WriterId, now: Instant) -> bool {
        if self.peers.contains_key(gateway) || self.peers.len() < PEERS_MAX {
            return true;
        }
        let silent = self.peers.iter().filter(|(_, peer)| peer.is_silent(now));
        let Some(silent) = silent.min_by_key(|(_, peer)| peer.heard_at).map(|(id, _)| id.clone()) else { return false };
        self.peers.remove(&silent);
        true
    }
}

impl Found<'_> {
    /// The position that it was told what is so at; the beginning for one that was told nothing.
    pub(super) fn told_to(&self) -> Position {
        self.row.told.as_ref().map_or(Position::default(), |told| told.position.max(self.checked))
    }
}

impl Peer {
    fn is_silent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard_at) > SILENCE
    }

    fn take(&mut self, left: &[AgentId], here: &[Row], now: Instant) {
        for agent in left {
            self.agents.remove(agent);
        }
        for row in here {
            if self.agents.len() < AGENTS_MAX || self.agents.contains_key(&row.agent) {
                self.agents.insert(row.agent.clone(), (row.clone(), now));
            }
        }
    }
}

#[cfg(test)]
mod tests;
