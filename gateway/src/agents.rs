//! The agents that are connected: who they are, what they were told, and what they said that they use.
//!
//! What an agent is told follows from the views alone: each connection looks again whenever these have moved, whichever
//! gateway carried the change out. An agent that connects again is told again. Gateways of one log tell one another which
//! agents they have.

pub(crate) mod sealing;
pub(crate) mod told;
pub(crate) mod message;
pub(crate) mod connection;
mod goodbye;
mod recorded;
mod pace;
mod seat;
mod here;
mod elsewhere;
mod others;
mod report;
pub(crate) mod exchange;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use here::{Here, Taken};
use others::Others;
use prometheus::IntGauge;
use seat::Seat;
use serde::{Deserialize, Serialize};
use tallygate_core::digest::Digest;
use tallygate_core::id::{AgentId, WriterId};
use tallygate_core::stream::Position;
use tallygate_core::time::Timestamp;
use tokio::sync::{Semaphore, watch};
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

/// Whether a gateway has its agents for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Company {
    /// Its log is its own.
    Alone,
    /// Its log is that of other gateways too.
    Shared,
}

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Hub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: AgentSettings,
    gateway: WriterId,
    here: Mutex<Here>,
    /// None for a gateway that has its log to itself. It is never locked together with `here`.
    others: Option<Others>,
    strangers: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
    connected: IntGauge,
    conversations: Arc<Conversations>,
}

/// How far an agent is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// The position of the views that was last looked at for it.
    pub(crate) checked: Position,
    /// What it was told last.
    pub(crate) told: Option<ToldAt>,
    /// The content of that.
    pub(crate) fingerprint: Option<Digest>,
    /// When it said that it uses just that.
    pub(crate) acknowledged_at: Option<Timestamp>,
}

/// What an agent was told, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ToldAt {
    pub(crate) message: String,
    pub(crate) position: Position,
    pub(crate) at: Timestamp,
}

/// An agent that is connected.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// To which gateway.
    pub(crate) gateway: WriterId,
    pub(crate) since: Timestamp,
    /// What it was told last.
    pub(crate) told: Option<ToldAt>,
    /// When it said that it uses just that.
    pub(crate) acknowledged_at: Option<Timestamp>,
}

impl Hub {
    /// A gateway without agents.
    pub(crate) fn new(
        settings: AgentSettings,
        (gateway, company): (WriterId, Company),
        stop: watch::Receiver<bool>,
        connected: IntGauge,
    ) -> Self {
        let others = (company == Company::Shared).then(|| Others::of(gateway.clone()));
        Self(Arc::new(Inner {
            settings,
            here: Mutex::new(Here::new(company == Company::Shared)),
            others,
            gateway,
            strangers: Arc::new(Semaphore::new(STRANGERS_MAX)),
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

    fn here(&self) -> MutexGuard<'_, Here> {
        // Nothing panics while it is held that would leave it in need of repair.
        self.0.here.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something of the agents that are connected here; whoever tells the others of it is woken.
    fn change<T>(&self, change: impl FnOnce(&mut Here) -> T) -> T {
        let mut here = self.here();
        let changed = change(&mut here);
        self.0.connected.set(i64::try_from(here.len()).unwrap_or(i64::MAX));
        let has_news = here.has_news();
        drop(here);
        if let Some(others) = self.0.others.as_ref().filter(|_| has_news) {
            others.wake();
        }
        changed
    }

    /// Which gateway it is.
    pub(crate) fn gateway(&self) -> &WriterId {
        &self.0.gateway
    }

    /// Takes the place of an agent. An older connection of it loses its own; none where there are too many agents.
    pub(crate) fn enter(&self, agent: AgentId, now: Timestamp) -> Option<Seat> {
        let taken = self.change(|here| here.enter(&agent, now, Instant::now()))?;
        let Taken { connection, progress, replaced, is_recorded } = taken;
        Some(Seat { hub: self.clone(), agent, connection, progress, replaced, is_recorded })
    }

    /// An agent, if it is connected to any gateway.
    pub(crate) fn seen(&self, agent: &AgentId) -> Option<Seen> {
        let here = self.here().get(agent).map(|found| (found.since, found.progress.clone()));
        match here {
            Some((since, progress)) => Some(self.seen_here(since, &progress.borrow())),
            None => self.0.others.as_ref()?.find(agent).map(|(seen, _)| seen),
        }
    }

    fn seen_here(&self, since: Timestamp, progress: &Progress) -> Seen {
        let Progress { told, acknowledged_at, .. } = progress.clone();
        Seen { gateway: self.0.gateway.clone(), since, told, acknowledged_at }
    }

    /// Waits, for a moment at most, until an agent that is connected to any gateway was told what is so at a position.
    ///
    /// Cancellation: may be dropped at any time.
    pub(crate) async fn told_by(&self, agent: &AgentId, position: Position) -> Option<Seen> {
        let here = self.here().get(agent).map(|found| (found.since, found.progress.clone()));
        let told = async {
            let Some((since, mut progress)) = here else {
                return self.0.others.as_ref()?.told_by(agent, position).await;
            };
            let told = progress.wait_for(|progress| progress.checked >= position).await.ok()?;
            Some(self.seen_here(since, &told))
        };
        tokio::time::timeout(TELL_MAX, told).await.ok()?
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus::IntGauge;
    use tallygate_core::id::WriterId;
    use tallygate_core::stream::Position;
    use tallygate_core::testing::samples::id;
    use tallygate_core::time::Timestamp;
    use tokio::sync::watch;

    use super::{AgentSettings, Company, Hub, Progress};

    fn hub(company: Company) -> Hub {
        let settings = AgentSettings {
            public_url: None,
            open: Vec::new(),
            keeps_conversations: false,
            idle_max: Duration::from_secs(60),
        };
        let gauge = IntGauge::new("agents", "Agents.").unwrap();
        Hub::new(settings, (WriterId::new("own").unwrap(), company), watch::channel(false).1, gauge)
    }

    #[tokio::test]
    async fn the_newest_connection_of_an_agent_has_its_place_and_keeps_it_when_the_older_one_goes() {
        let (hub, now) = (hub(Company::Alone), Timestamp::from_millis(1));
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
        let hub = hub(Company::Alone);
        assert!(hub.told_by(&id("a"), Position::new(1)).await.is_none(), "it is not connected");
        let seat = hub.enter(id("a"), Timestamp::from_millis(1)).unwrap();
        let agent = id("a");
        let (told, ()) = tokio::join!(hub.told_by(&agent, Position::new(7)), async {
            seat.looked(Progress { checked: Position::new(7), ..Progress::default() });
        });
        assert_eq!(told.unwrap().gateway.as_str(), "own");
    }
}
