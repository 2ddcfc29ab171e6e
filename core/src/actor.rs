//! Who asked: the actor of a command, kept in every event that it caused.

use serde::{Deserialize, Serialize};

use crate::id::SessionId;

/// What kind of principal an actor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActorKind {
    /// Holder of the master key.
    Operator,
    /// A service that publishes commands over NATS.
    Service,
    /// A virtual key.
    Key,
    /// An agent.
    Agent,
    /// The gateway itself: start-up, activity.
    Gateway,
    /// A configuration file, by its name.
    Configuration,
    /// Somebody who signed in, by their session.
    Session,
}

/// Who asked for a change, or whose doing an activity is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// What kind of principal.
    pub kind: ActorKind,
    /// Its name within the kind: `master`, a service name, a key id, a session id, a writer id, a file's name. Never a secret.
    pub id: String,
}

impl Actor {
    /// The holder of the master key.
    #[must_use]
    pub fn operator() -> Self {
        Self { kind: ActorKind::Operator, id: "master".to_owned() }
    }

    /// Somebody who signed in.
    #[must_use]
    pub fn session(id: SessionId) -> Self {
        Self { kind: ActorKind::Session, id: id.to_string() }
    }

    /// The gateway itself, by its writer id.
    #[must_use]
    pub fn gateway(writer: &str) -> Self {
        Self { kind: ActorKind::Gateway, id: writer.to_owned() }
    }

    /// A configuration file, by its name without the folders that it lies in.
    #[must_use]
    pub fn configuration(file: &str) -> Self {
        Self { kind: ActorKind::Configuration, id: file.to_owned() }
    }
}
