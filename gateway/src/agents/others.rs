//! The other gateways of the log, as the agents of this one meet them: what they say is taken, and what they are to hear is
//! given out.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tallygate_core::id::{AgentId, WriterId};
use tallygate_core::stream::Position;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::elsewhere::Elsewhere;
use super::report::{News, Report};
use super::{Hub, Seen};

/// See the module.
#[derive(Debug)]
pub(super) struct Others {
    elsewhere: Mutex<Elsewhere>,
    /// Whenever one of them has said something.
    heard: watch::Sender<()>,
    /// Whenever there is something to tell them.
    has_news: Notify,
}

impl Hub {
    /// Takes what another gateway says, and tells whether it must be told of all agents here.
    pub(super) fn hear(&self, report: Report) -> bool {
        let Some(others) = &self.0.others else { return false };
        let there = report.gateway.clone();
        let heard = others.elsewhere().hear(report, Instant::now());
        if !heard.rows.is_empty() {
            self.change(|here| heard.rows.iter().for_each(|row| here.hear(row, (&there, self.gateway()))));
        }
        others.heard.send_replace(());
        heard.is_stranger
    }

    /// Waits until there is something to tell of the agents here. Never, for a gateway that has nobody to tell.
    ///
    /// Cancellation: may be dropped at any time.
    pub(super) async fn has_news(&self) {
        let Some(others) = &self.0.others else { return std::future::pending().await };
        while !self.here().has_news() {
            others.has_news.notified().await;
        }
    }

    /// What is to be told of the agents here; none when it was told already.
    pub(super) fn news(&self) -> Option<News> {
        let mut here = self.here();
        here.has_news().then(|| here.news())
    }

    /// All agents that are connected here.
    pub(super) fn list(&self) -> News {
        self.here().list()
    }

    /// Drops what other gateways have not said again, and counts the agents that are known of them.
    pub(super) fn forget_silent(&self) -> usize {
        let Some(others) = &self.0.others else { return 0 };
        let mut elsewhere = others.elsewhere();
        elsewhere.forget(Instant::now());
        elsewhere.count()
    }
}

impl Others {
    /// Of a gateway that has heard of no other yet.
    pub(super) fn of(gateway: WriterId) -> Self {
        let elsewhere = Mutex::new(Elsewhere::new(gateway));
        Self { elsewhere, heard: watch::Sender::default(), has_news: Notify::default() }
    }

    /// Says that there is something to tell them.
    pub(super) fn wake(&self) {
        self.has_news.notify_one();
    }

    fn elsewhere(&self) -> MutexGuard<'_, Elsewhere> {
        // As with the agents that are connected here.
        self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An agent that is connected to one of them, and the position that it was told what is so at.
    pub(super) fn find(&self, agent: &AgentId) -> Option<(Seen, Position)> {
        let elsewhere = self.elsewhere();
        let found = elsewhere.find(agent, Instant::now())?;
        let (gateway, row) = (found.gateway.clone(), found.row.clone());
        let seen = Seen { gateway, since: row.since, told: row.told, acknowledged_at: row.acknowledged_at };
        Some((seen, found.told_to()))
    }

    /// Waits until an agent was told what is so at a position; nothing when it is connected no more.
    pub(super) async fn told_by(&self, agent: &AgentId, position: Position) -> Option<Seen> {
        let mut heard = self.heard.subscribe();
        loop {
            let (seen, told_to) = self.find(agent)?;
            if told_to >= position {
                return Some(seen);
            }
            heard.changed().await.ok()?;
        }
    }
}
