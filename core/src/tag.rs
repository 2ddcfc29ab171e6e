//! Tags: words by which requests are told apart. One that is registered has rules: the models that requests with it may
//! call, a budget, and rate limits.
//!
//! A tag is registered for a realm, and then counts for the keys of it and of what nests in it; or for the whole gateway. Two
//! realms may mean different things by one word, and none of them comes to spend another's money.

mod command;
mod decide;
mod event;

pub use command::{RegisterTag, RemoveTag, ReviseTag};
pub use decide::{Rejection, evolve, register, registered, remove, revise};
pub use event::{Event, Registered, Removed, Revised};

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::aggregate::Trail;
use crate::id::{InvalidId, RealmId, TagName};
use crate::limits::Limits;
use crate::model_pattern::Allowed;
use crate::scope::{escaped, unescaped};
use crate::stream::Position;

/// The longest description of a tag, in characters.
pub const DESCRIPTION_MAX_CHARACTERS: usize = 1_024;

/// Which tag: a word, and what it is unique within. As text it is `@<realm>:<name>`, or `:<name>` over the whole gateway.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TagRef {
    /// The realm that it is registered for; none for the whole gateway.
    pub realm: Option<RealmId>,
    /// The word that requests carry.
    pub name: TagName,
}

impl fmt::Display for TagRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.realm {
            Some(realm) => write!(f, "@{}:{}", escaped(realm), self.name),
            None => write!(f, ":{}", self.name),
        }
    }
}

impl FromStr for TagRef {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let unknown = || InvalidId::Form {
            kind: "tag",
            text: text.chars().take(64).collect(),
            expected: "write `:<name>` or `@<realm>:<name>`",
        };
        let (before, name) = text.split_once(':').ok_or_else(unknown)?;
        let realm = match before.strip_prefix('@') {
            Some(realm) => Some(unescaped(realm).ok_or_else(unknown)?),
            None if before.is_empty() => None,
            None => return Err(unknown()),
        };
        Ok(Self { realm, name: name.parse()? })
    }
}

/// A tag with rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// Which, and for which realm.
    pub tag: TagRef,
    /// What it stands for, in words.
    pub description: Option<String>,
    /// The models that requests with it may call, within what their keys may.
    pub models: Allowed,
    /// The rate limits of all requests with it.
    pub limits: Limits,
    /// Since which event it is removed. It may be registered again, and then has no budget.
    pub removed: Option<Position>,
    /// Its history.
    pub trail: Trail,
}

#[cfg(test)]
mod tests;
