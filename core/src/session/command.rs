//! Commands about sessions.

use serde::{Deserialize, Serialize};

use super::{SessionHash, With};
use crate::id::SessionId;
use crate::time::Timestamp;

/// Asks for a new session: a gateway asks, once it has seen a secret or a password that is right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartSession {
    /// Its id.
    pub session: SessionId,
    /// The hash of its secret.
    pub hash: SessionHash,
    /// What somebody signed in with, which says whose session it is.
    pub with: With,
    /// From when on it is refused. A session never outlives the key that was signed in with.
    pub expires_at: Timestamp,
}

/// Asks that a session end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndSession {
    /// Which session.
    pub session: SessionId,
}
