//! Scopes: what a budget or a selection is bound to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{InvalidId, KeyId, RealmId, SlotName};
use crate::stream::{StreamId, StreamKind};

/// What a budget or a selection is bound to. As text it is `gateway`, `realm:<id>` or `key:<id>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Scope {
    /// Everything that goes through.
    Gateway,
    /// A realm and all that nests in it.
    Realm(RealmId),
    /// One virtual key.
    Key(KeyId),
}

impl Scope {
    /// The stream of this scope's budget.
    #[must_use]
    pub fn budget_stream(&self) -> StreamId {
        StreamId::of(StreamKind::Budget, &self.to_string())
    }

    /// The stream of what this scope selects for one slot. An `@` in the slot's name is written `%40`, and `%` is written
    /// `%25`: both names are free text, and no two places may share a stream.
    #[must_use]
    pub fn selection_stream(&self, slot: &SlotName) -> StreamId {
        let slot = slot.as_str().replace('%', "%25").replace('@', "%40");
        StreamId::of(StreamKind::Selection, &format!("{slot}@{self}"))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway => f.write_str("gateway"),
            Self::Realm(id) => write!(f, "realm:{id}"),
            Self::Key(id) => write!(f, "key:{id}"),
        }
    }
}

impl FromStr for Scope {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text.split_once(':') {
            None if text == "gateway" => Ok(Self::Gateway),
            Some(("realm", id)) => id.parse().map(Self::Realm),
            Some(("key", id)) => id.parse().map(Self::Key),
            _ => Err(InvalidId::Form {
                kind: "scope",
                text: text.chars().take(64).collect(),
                expected: "write `gateway`, `realm:<id>` or `key:<id>`",
            }),
        }
    }
}

impl TryFrom<String> for Scope {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}
