//! What agents did: they connected, used what they were told, and left.

use serde::{Deserialize, Serialize};

use crate::id::{AgentId, ConnectionId};
use crate::stream::Position;

/// An agent has connected to the gateway that says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConnected {
    /// Which agent.
    pub agent: AgentId,
    /// The connection.
    pub connection: ConnectionId,
}

/// An agent said that it uses what it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationAcknowledged {
    /// Which agent.
    pub agent: AgentId,
    /// The connection.
    pub connection: ConnectionId,
    /// The position of control that it was told from.
    pub position: Position,
}

/// A connection of an agent has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentDisconnected {
    /// Which agent.
    pub agent: AgentId,
    /// The connection.
    pub connection: ConnectionId,
    /// A word for why.
    pub reason: String,
}
