//! What happens to sessions.

use serde::{Deserialize, Serialize};

use super::{Owner, SessionHash, With};
use crate::aggregate::event_types;
use crate::control::Control;
use crate::id::{SessionId, UserId};
use crate::time::Timestamp;

/// Somebody signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started {
    /// The session.
    pub session: SessionId,
    /// The hash of its secret.
    pub hash: SessionHash,
    /// Whose it is; none for the operator's.
    pub user: Option<UserId>,
    /// What they signed in with.
    pub with: With,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

/// Somebody signed out, or was signed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// The session.
    pub session: SessionId,
}

event_types! {
    /// What happens to sessions. What else ends them is an event of their user or of their key.
    pub enum Event {
        /// Somebody signed in.
        Started(Started) = "session.started", 1;
        /// Somebody signed out, or was signed out.
        Ended(Ended) = "session.ended", 1;
    }
}

impl Event {
    /// Whose session it is about, on the state before it.
    #[must_use]
    pub fn owner(&self, state: &Control) -> Option<Owner> {
        match self {
            Self::Started(data) => Some(data.user.clone().into()),
            Self::Ended(data) => state.sessions.get(&data.session).map(|session| session.owner.clone()),
        }
    }
}
