//! End users: those on whose behalf keys ask, by the request's own word. They have no keys and sign in nowhere; a budget
//! or rate limits of theirs hold for all that is asked in their name, and one who is blocked is refused.
//!
//! An end user is registered for a realm, and then counts for the keys of it and of what nests in it; or for the whole
//! gateway. Two realms may know different people by one id, and none of them comes to spend another's money.

mod command;
mod decide;
mod event;

pub use command::{BlockEndUser, RegisterEndUser, RemoveEndUser, ReviseEndUser, UnblockEndUser};
pub use decide::{Rejection, block, evolve, register, registered, remove, revise, unblock};
pub use event::{Blocked, Event, Registered, Removed, Revised, Unblocked};

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::aggregate::Trail;
use crate::id::{EndUserId, InvalidId, RealmId};
use crate::limits::Limits;
use crate::scope::{escaped, unescaped};
use crate::stream::Position;

/// The longest name of an end user for people, in characters.
pub const ALIAS_MAX_CHARACTERS: usize = 256;

/// Which end user: an id, and what it is unique within. As text it is `@<realm>:<id>`, or `:<id>` over the whole gateway.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EndUserRef {
    /// The realm that they are registered for; none for the whole gateway.
    pub realm: Option<RealmId>,
    /// What requests name them by.
    pub id: EndUserId,
}

impl fmt::Display for EndUserRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.realm {
            Some(realm) => write!(f, "@{}:{}", escaped(realm), self.id),
            None => write!(f, ":{}", self.id),
        }
    }
}

impl FromStr for EndUserRef {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let unknown = || InvalidId::Form {
            kind: "end user",
            text: text.chars().take(64).collect(),
            expected: "write `:<id>` or `@<realm>:<id>`",
        };
        let (before, id) = text.split_once(':').ok_or_else(unknown)?;
        let realm = match before.strip_prefix('@') {
            Some(realm) => Some(unescaped(realm).ok_or_else(unknown)?),
            None if before.is_empty() => None,
            None => return Err(unknown()),
        };
        Ok(Self { realm, id: id.parse()? })
    }
}

/// Somebody on whose behalf keys ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndUser {
    /// Who, and for which realm.
    pub end_user: EndUserRef,
    /// Their name for people.
    pub alias: Option<String>,
    /// The rate limits of all that is asked in their name.
    pub limits: Limits,
    /// Since which event they are blocked.
    pub blocked: Option<Position>,
    /// Since which event they are removed. They may be registered again, and then have no budget.
    pub removed: Option<Position>,
    /// Their history.
    pub trail: Trail,
}

#[cfg(test)]
mod tests;
