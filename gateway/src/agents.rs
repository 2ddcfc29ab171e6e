//! The agents that are connected to this gateway: who they are, what they were told, and what they said that they use.
//!
//! What an agent is told follows from the views alone: each connection looks again whenever these have moved, whichever
//! gateway carried the change out. An agent that connects again is told again.

pub(crate) mod sealing;
pub(crate) mod told;
pub(crate) mod message;
pub(crate) mod connection;
mod goodbye;
mod recorded;
mod pace;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::IntGauge;
use recorded::RECORDED_EVERY;
use tallygate_core::digest::Digest;
use tallygate_core::id::AgentId;
use tallygate_core::stream::Position;
use tallygate_core::time::Timestamp;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::Instant;

use crate::a2a::conversations::Conversations;

/// The most agents that are connected to one gateway.
const AGENTS_MAX: usize = 10_000;
/// The most connections that have not said yet whose they are.
const STRANGERS_MAX: usize = 256;
/// How long a change waits to be told to an agent that is connected.
const TELL_MAX: Duration = Duration::from_secs(1);

/// How agents are served.
#[derive(Debug, Clone)]
pub(crate) struct AgentSettings {
    /// Where agents reach the gateway; none for the address by which each of them came.
    pub(crate) public_url: Option<String>,
    /// The agents, by name or did, that anybody who reaches the gateway may converse with. None but on loopback.
    pub(crate) open: Vec<String>,
    /// Whether conversations are kept beyond the end of the process.
    pub(crate) keeps_conversations: bool,
    /// How long an agent may be silent. It is pinged three times as often.
    pub(crate) idle_max: Duration,
}

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Hub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: AgentSettings,
    present: Mutex<Presence>,
    strangers: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
    connected: IntGauge,
    conversations: Arc<Conversations>,
}

#[derive(Debug, Default)]
struct Presence {
    next: u64,
    agents: HashMap<AgentId, Present>,
    /// When a connection of an agent was recorded last.
    recorded: HashMap<AgentId, Instant>,
}

#[derive(Debug)]
struct Present {
    connection: u64,
    since: Timestamp,
    progress: watch::Receiver<Progress>,
    /// Dropped when another connection takes the place.
    _replaced: oneshot::Sender<()>,
}

/// How far an agent is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// The position of the views that was last looked at for it.
    pub(crate) checked: Position,
    /// What it was told last.
    pub(crate) told: Option<ToldAt>,
    /// When it said that it uses just that.
    pub(crate) acknowledged_at: Option<Timestamp>,
}

/// What an agent was told, and when.
#[derive(Debug, Clone)]
pub(crate) struct ToldAt {
    pub(crate) message: String,
    pub(crate) position: Position,
    pub(crate) at: Timestamp,
    pub(crate) fingerprint: Digest,
}

/// An agent that is connected here.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) since: Timestamp,
    pub(crate) progress: Progress,
}

/// A connection's place among those that are present. It is given up when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    hub: Hub,
    agent: AgentId,
    connection: u64,
    pub(crate) progress: watch::Sender<Progress>,
    /// Done when a newer connection of the agent has taken its place.
    pub(crate) replaced: oneshot::Receiver<()>,
    /// Whether the connection is to be recorded: no agent fills the log by connecting.
    pub(crate) is_recorded: bool,
}

impl Hub {
    /// A gateway without agents.
    pub(crate) fn new(settings: AgentSettings, stop: watch::Receiver<bool>, connected: IntGauge) -> Self {
        let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
        Self(Arc::new(Inner {
            settings,
            present: Mutex::default(),
            strangers,
            stop,
            connected,
            conversations: Arc::default(),
        }))
    }

    /// What is remembered of conversations with agents.
    pub(crate) fn conversations(&self) -> &Arc<Conversations> {
        &self.0.conversations
    }

    pub(crate) fn settings(&self) -> &AgentSettings {
        &self.0.settings
    }

    /// Says when the gateway is to stop.
    pub(crate) fn stop(&self) -> watch::Receiver<bool> {
        self.0.stop.clone()
    }

    /// The places of connections that have not said yet whose they are.
    pub(crate) fn strangers(&self) -> &Arc<Semaphore> {
        &self.0.strangers
    }

    fn present(&self) -> MutexGuard<'_, Presence> {
        // Nothing panics while it is held that would leave it in need of repair.
        self.0.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the place of an agent. An older connection of it loses its own; none where there are too many agents.
    pub(crate) fn enter(&self, agent: AgentId, now: Timestamp) -> Option<Seat> {
        let (sender, receiver) = watch::channel(Progress::default());
        let (replace, replaced) = oneshot::channel();
        let mut present = self.present();
        if present.agents.len() >= AGENTS_MAX && !present.agents.contains_key(&agent) {
            return None;
        }
        present.next += 1;
        let connection = present.next;
        let entry = Present { connection, since: now, progress: receiver, _replaced: replace };
        present.agents.insert(agent.clone(), entry);
        let is_recorded = present.is_to_be_recorded(&agent, Instant::now());
        self.count(&present);
        drop(present);
        Some(Seat { hub: self.clone(), agent, connection, progress: sender, replaced, is_recorded })
    }

    fn count(&self, present: &Presence) {
        self.0.connected.set(i64::try_from(present.agents.len()).unwrap_or(i64::MAX));
    }

    /// An agent, if it is connected here.
    pub(crate) fn seen(&self, agent: &AgentId) -> Option<Seen> {
        let present = self.present();
        let found = present.agents.get(agent)?;
        Some(Seen { since: found.since, progress: found.progress.borrow().clone() })
    }

    /// Waits, for a moment at most, until an agent that is connected here was told what is so at a position.
    ///
    /// Cancellation: may be dropped at any time.
    pub(crate) async fn told_by(&self, agent: &AgentId, position: Position) -> Option<Seen> {
        let (since, mut progress) = {
            let present = self.present();
            let found = present.agents.get(agent)?;
            (found.since, found.progress.clone())
        };
        let told = progress.wait_for(|progress| progress.checked >= position);
        let progress = tokio::time::timeout(TELL_MAX, told).await.ok()?.ok()?.clone();
        Some(Seen { since, progress })
    }
}

impl Presence {
    fn is_to_be_recorded(&mut self, agent: &AgentId, now: Instant) -> bool {
        if self.recorded.len() >= AGENTS_MAX {
            self.recorded.retain(|_, at| now.duration_since(*at) < RECORDED_EVERY);
        }
        let last = self.recorded.get(agent);
        if last.is_some_and(|at| now.duration_since(*at) < RECORDED_EVERY) || self.recorded.len() >= 2 * AGENTS_MAX {
            return false;
        }
        self.recorded.insert(agent.clone(), now);
        true
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut present = self.hub.present();
        if present.agents.get(&self.agent).is_some_and(|present| present.connection == self.connection) {
            present.agents.remove(&self.agent);
        }
        self.hub.count(&present);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus::IntGauge;
    use tallygate_core::stream::Position;
    use tallygate_core::testing::samples::id;
    use tallygate_core::time::Timestamp;
    use tokio::sync::watch;

    use super::{AgentSettings, Hub, Progress};

    fn hub() -> Hub {
        let settings = AgentSettings {
            public_url: None,
            open: Vec::new(),
            keeps_conversations: false,
            idle_max: Duration::from_secs(60),
        };
        let gauge = IntGauge::new("agents", "Agents.").unwrap();
        Hub::new(settings, watch::channel(false).1, gauge)
    }

    #[tokio::test]
    async fn the_newest_connection_of_an_agent_has_its_place_and_keeps_it_when_the_older_one_goes() {
        let (hub, now) = (hub(), Timestamp::from_millis(1));
        let mut older = hub.enter(id("a"), now).unwrap();
        let newer = hub.enter(id("a"), Timestamp::from_millis(2)).unwrap();
        assert!((&mut older.replaced).await.is_err(), "the older one is told");
        assert!(older.is_recorded && !newer.is_recorded, "no agent fills the log by connecting");
        drop(older);
        assert_eq!(hub.seen(&id("a")).unwrap().since, Timestamp::from_millis(2));
        assert_eq!(hub.0.connected.get(), 1);
        drop(newer);
        assert!(hub.seen(&id("a")).is_none());
        assert_eq!(hub.0.connected.get(), 0);
    }

    #[tokio::test]
    async fn whoever_waits_hears_when_an_agent_was_told() {
        let hub = hub();
        assert!(hub.told_by(&id("a"), Position::new(1)).await.is_none(), "it is not connected");
        let seat = hub.enter(id("a"), Timestamp::from_millis(1)).unwrap();
        let agent = id("a");
        let (told, ()) = tokio::join!(hub.told_by(&agent, Position::new(7)), async {
            seat.progress.send_replace(Progress { checked: Position::new(7), ..Progress::default() });
        });
        assert_eq!(told.unwrap().progress.checked, Position::new(7));
    }
}
