//! A connection's place among the agents that are present.

use tallygate_core::id::AgentId;
use tallygate_core::stream::Position;
use tallygate_core::time::Timestamp;
use tokio::sync::{oneshot, watch};

use super::{Hub, Progress, ToldAt};

/// See the module. It is given up when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(super) hub: Hub,
    pub(super) agent: AgentId,
    pub(super) connection: u64,
    pub(super) progress: watch::Sender<Progress>,
    /// Done when a newer connection of the agent has taken its place, here or at another gateway.
    pub(crate) replaced: oneshot::Receiver<()>,
    /// Whether the connection is to be recorded: no agent fills the log by connecting.
    pub(crate) is_recorded: bool,
}

impl Seat {
    /// How far the agent is.
    pub(crate) fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// Notes how far the agent is after a look at the views.
    pub(crate) fn looked(&self, progress: Progress) {
        let has_changed = self.progress.borrow().told != progress.told;
        self.progress.send_replace(progress);
        self.note(has_changed);
    }

    /// Notes that the agent uses what it was told, if it names that; gives the position of it, the first time.
    pub(crate) fn acknowledge(&self, names: impl FnOnce(&ToldAt) -> bool, now: Timestamp) -> Option<Position> {
        let mut acknowledged = None;
        self.progress.send_if_modified(|progress| {
            let Some(told) = progress.told.as_ref().filter(|told| names(told)) else { return false };
            if progress.acknowledged_at.is_some() {
                return false;
            }
            acknowledged = Some(told.position);
            progress.acknowledged_at = Some(now);
            true
        });
        if acknowledged.is_some() {
            self.note(true);
        }
        acknowledged
    }

    fn note(&self, has_changed: bool) {
        self.hub.change(|here| here.looked_at(&self.agent, self.connection, has_changed));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.change(|here| here.leave(&self.agent, self.connection));
    }
}
