//! Sessions: people who signed in, with a key of theirs or with their password, and who manage for a while without
//! showing either again.
//!
//! Of a session's secret the SHA-256 is kept. A session is there for as long as what it stands on: whatever changes what
//! its user is, or the key that they signed in with, ends it by the same event. So there is nothing to look for and
//! nothing to forget: the row is gone in every fold of the log.

mod acting;
mod command;
mod decide;
mod event;
mod evolve;

pub use acting::Standing;
pub use command::{EndSession, StartSession};
pub use decide::{Rejection, end, start};
pub use event::{Ended, Event, Started};
pub use evolve::evolve;
pub(crate) use evolve::{end_by_key, end_of_user};

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::aggregate::Trail;
use crate::digest::Digest;
use crate::id::{KeyId, SessionId, UserId};
use crate::time::Timestamp;

/// The longest that a session lasts: 30 days, in seconds.
pub const LASTS_MAX_SECONDS: u64 = 30 * 24 * 60 * 60;
/// The most sessions that one user has at once. One more ends the oldest.
pub const SESSIONS_MAX: usize = 20;

/// The SHA-256 of a session's whole secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionHash(Digest);

impl SessionHash {
    /// The hash of a secret as a browser sends it.
    #[must_use]
    pub fn of_secret(secret: &str) -> Self {
        Self(Digest::of(secret.as_bytes()))
    }

    /// The digest.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.0
    }
}

/// Whose a session is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// The operator's: whoever has the master key, or the operator's password.
    Operator,
    /// A user's.
    User(UserId),
}

impl Owner {
    /// The user; none for the operator.
    #[must_use]
    pub const fn user(&self) -> Option<&UserId> {
        match self {
            Self::Operator => None,
            Self::User(user) => Some(user),
        }
    }
}

impl From<Option<UserId>> for Owner {
    fn from(user: Option<UserId>) -> Self {
        user.map_or(Self::Operator, Self::User)
    }
}

/// As text it is `operator`, or `user:<id>`.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("operator"),
            Self::User(user) => write!(f, "user:{user}"),
        }
    }
}

/// What somebody signed in with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum With {
    /// A key of theirs. The session may do what the key may manage, and no more.
    Key(KeyId),
    /// The password that this user has. The session may do what the user may.
    Password(UserId),
    /// What the operator signs in with, as each gateway is told it: a MAC of it under the gateways' key, so that a
    /// session ends where it is no longer so.
    Operator(Digest),
}

/// A session that has not ended. It may have expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The hash of its secret.
    pub hash: SessionHash,
    /// Whose it is.
    pub owner: Owner,
    /// What they signed in with.
    pub with: With,
    /// From when on it is refused.
    pub expires_at: Timestamp,
    /// Its history.
    pub trail: Trail,
}

/// Who has or had sessions: all of somebody's are one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIn {
    /// Whose.
    pub owner: Owner,
    /// The sessions that have not ended. Those that expired go when somebody signs in again.
    pub sessions: BTreeSet<SessionId>,
    /// The history of all their sessions.
    pub trail: Trail,
}

#[cfg(test)]
mod tests;
