//! Logs, chains, streams and places in them.
//!
//! A *log* is one of three (control, lease, activity). A *chain* is a hash chain within a log: control has one, lease
//! one for each root realm, activity one for each writer. A *stream* is the events of one aggregate. A *position*
//! counts the lines of a chain from 1; an *offset* counts the entries of a whole log in the order its readers see.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::end_user::EndUserRef;
use crate::id::{AgentId, BudgetId, CredentialId, InvalidId, KeyId, ModelId, RealmId, UserId, WriterId};
use crate::session::Owner;
use crate::tag::TagRef;

/// One of the three logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Log {
    /// What is allowed. One total order.
    Control,
    /// Who may spend. One order for each root realm.
    Lease,
    /// What happened. One order for each writer.
    Activity,
}

impl Log {
    /// The log's name in lines, folders and subjects.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Lease => "lease",
            Self::Activity => "activity",
        }
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A place in a chain: 1 is the first line, 0 is before it. In control it is the consistency token of receipts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(u64);

/// A place in a whole log, in the order its readers see: 0 is before the first entry. What it counts belongs to the
/// implementation (lines of a file, sequences of a stream); only its order means something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offset(u64);

macro_rules! counter {
    ($name:ident) => {
        impl $name {
            /// Before the first.
            pub const START: Self = Self(0);

            /// A place from its number.
            #[must_use]
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The place so many further on.
            #[must_use]
            pub const fn plus(self, count: u64) -> Self {
                Self(self.0.saturating_add(count))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

counter!(Position);
counter!(Offset);

/// The end of a chain: how many lines it has, and the SHA-256 of the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The position of the last line.
    pub position: Position,
    /// The SHA-256 of the last line, without its line feed. [`Digest::ZERO`] for an empty chain.
    pub hash: Digest,
}

impl Head {
    /// The end of a chain without lines.
    pub const EMPTY: Self = Self { position: Position::START, hash: Digest::ZERO };
}

/// The events of one aggregate, named `<kind>-<id>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamId(Arc<str>);

/// A hash chain of a log. Control's is called `control`; in lease and activity a chain is a stream.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChainId(Arc<str>);

/// The kinds of streams, the part of a stream's name before the first dash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// `realm-<realm>`.
    Realm,
    /// `model-<model id>`.
    Model,
    /// `credential-<credential id>`.
    Credential,
    /// `key-<key id>`.
    Key,
    /// `user-<user>`.
    User,
    /// `end_user-<end user>`, with the realm that they are registered for.
    EndUser,
    /// `session-user:<user>` and `session-operator`.
    Session,
    /// `tag-<tag>`, with the realm that it is registered for.
    Tag,
    /// `grant-<realm>`.
    Grant,
    /// `budget-<scope>`.
    Budget,
    /// `named_budget-<budget>`.
    NamedBudget,
    /// `selection-<slot>@<scope>`.
    Selection,
    /// `preset-<scope>`.
    Preset,
    /// `agent-<agent>`.
    Agent,
    /// `gateway-<writer>`.
    Gateway,
    /// `lease-<root>`.
    Lease,
}

impl StreamKind {
    const ALL: [(Self, &'static str); 16] = [
        (Self::Realm, "realm"),
        (Self::Model, "model"),
        (Self::Credential, "credential"),
        (Self::Key, "key"),
        (Self::User, "user"),
        (Self::EndUser, "end_user"),
        (Self::Session, "session"),
        (Self::Tag, "tag"),
        (Self::Grant, "grant"),
        (Self::Budget, "budget"),
        (Self::NamedBudget, "named_budget"),
        (Self::Selection, "selection"),
        (Self::Preset, "preset"),
        (Self::Agent, "agent"),
        (Self::Gateway, "gateway"),
        (Self::Lease, "lease"),
    ];

    /// The word before the dash.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, prefix)| prefix)
    }
}

impl StreamId {
    /// The stream of some aggregate.
    #[must_use]
    pub fn of(kind: StreamKind, id: &str) -> Self {
        Self(Arc::from(format!("{}-{id}", kind.prefix())))
    }

    /// The stream of a realm.
    #[must_use]
    pub fn realm(id: &RealmId) -> Self {
        Self::of(StreamKind::Realm, id.as_str())
    }

    /// The stream of a model and its deployments.
    #[must_use]
    pub fn model(id: ModelId) -> Self {
        Self::of(StreamKind::Model, &id.to_string())
    }

    /// The stream of a credential.
    #[must_use]
    pub fn credential(id: CredentialId) -> Self {
        Self::of(StreamKind::Credential, &id.to_string())
    }

    /// The stream of a key.
    #[must_use]
    pub fn key(id: KeyId) -> Self {
        Self::of(StreamKind::Key, &id.to_string())
    }

    /// The stream of a user and their memberships.
    #[must_use]
    pub fn user(id: &UserId) -> Self {
        Self::of(StreamKind::User, id.as_str())
    }

    /// The stream of somebody's sessions.
    #[must_use]
    pub fn session(owner: &Owner) -> Self {
        Self::of(StreamKind::Session, &owner.to_string())
    }

    /// The stream of an end user.
    #[must_use]
    pub fn end_user(end_user: &EndUserRef) -> Self {
        Self::of(StreamKind::EndUser, &end_user.to_string())
    }

    /// The stream of a tag.
    #[must_use]
    pub fn tag(tag: &TagRef) -> Self {
        Self::of(StreamKind::Tag, &tag.to_string())
    }

    /// The stream of what a realm was granted.
    #[must_use]
    pub fn grant(realm: &RealmId) -> Self {
        Self::of(StreamKind::Grant, realm.as_str())
    }

    /// The stream of a named budget.
    #[must_use]
    pub fn named_budget(id: &BudgetId) -> Self {
        Self::of(StreamKind::NamedBudget, id.as_str())
    }

    /// The stream of an agent.
    #[must_use]
    pub fn agent(id: &AgentId) -> Self {
        Self::of(StreamKind::Agent, id.as_str())
    }

    /// The stream of what one gateway saw happen.
    #[must_use]
    pub fn gateway(writer: &WriterId) -> Self {
        Self::of(StreamKind::Gateway, writer.as_str())
    }

    /// The kind and the id behind the dash; nothing when the name is of no known kind.
    #[must_use]
    pub fn parts(&self) -> Option<(StreamKind, &str)> {
        let (prefix, id) = self.0.split_once('-')?;
        StreamKind::ALL.iter().find(|(_, known)| *known == prefix).map(|(kind, _)| (*kind, id))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ChainId {
    /// The one chain of the control log.
    #[must_use]
    pub fn control() -> Self {
        Self(Arc::from(Log::Control.name()))
    }

    /// The chain that a line of a log belongs to.
    #[must_use]
    pub fn of(log: Log, stream: &StreamId) -> Self {
        match log {
            Log::Control => Self::control(),
            Log::Lease | Log::Activity => Self(stream.0.clone()),
        }
    }

    /// The chain of one writer of the activity log.
    #[must_use]
    pub fn writer(writer: &WriterId) -> Self {
        Self::of(Log::Activity, &StreamId::gateway(writer))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The writer of an activity chain.
    ///
    /// # Errors
    /// [`InvalidId`] when the chain is not named after a writer.
    pub fn as_writer(&self) -> Result<WriterId, InvalidId> {
        WriterId::new(self.0.strip_prefix("gateway-").unwrap_or_default())
    }
}

macro_rules! shown {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), &*self.0)
            }
        }
    };
}

shown!(StreamId);
shown!(ChainId);

impl std::borrow::Borrow<str> for ChainId {
    fn borrow(&self) -> &str {
        &self.0
    }
}
