//! What of a connection is recorded in activity: that it began, what was acknowledged on it, and why it ended.
//!
//! An agent that connects again and again is recorded once a second at most, so that it cannot fill the log.

use std::time::Duration;

use tallygate_core::activity::{AgentConnected, AgentDisconnected, ConfigurationAcknowledged, Event};
use tallygate_core::actor::{Actor, ActorKind};
use tallygate_core::id::{AgentId, ConnectionId};
use tallygate_core::stream::Position;

use super::goodbye::Goodbye;
use crate::activity::{ActivityWriter, Happened};

/// The least time between two recorded connections of one agent.
pub(super) const RECORDED_EVERY: Duration = Duration::from_secs(1);

/// Records what happens on one connection.
#[derive(Debug)]
pub(super) struct Recorder {
    activity: ActivityWriter,
    agent: AgentId,
    connection: ConnectionId,
}

impl Recorder {
    /// Records that a connection has begun.
    pub(super) fn connected(activity: ActivityWriter, agent: AgentId, connection: ConnectionId) -> Self {
        let recorder = Self { activity, agent, connection };
        let (agent, connection) = recorder.whose();
        recorder.record(Event::AgentConnected(AgentConnected { agent, connection }));
        recorder
    }

    /// Records that the agent uses what it was told from a position.
    pub(super) fn acknowledged(&self, position: Position) {
        let (agent, connection) = self.whose();
        self.record(Event::ConfigurationAcknowledged(ConfigurationAcknowledged { agent, connection, position }));
    }

    /// Records that the connection has ended.
    pub(super) fn disconnected(&self, goodbye: Goodbye) {
        let ((agent, connection), reason) = (self.whose(), goodbye.word().to_owned());
        self.record(Event::AgentDisconnected(AgentDisconnected { agent, connection, reason }));
    }

    fn whose(&self) -> (AgentId, ConnectionId) {
        (self.agent.clone(), self.connection)
    }

    fn record(&self, event: Event) {
        // While the log is away, room is for what requests cost.
        if self.activity.has_room() {
            let actor = Actor { kind: ActorKind::Agent, id: self.agent.to_string() };
            self.activity.record(Happened { realm: None, actor, cause: Vec::new(), event });
        }
    }
}
