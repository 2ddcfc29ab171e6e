//! What happens to end users.

use serde::{Deserialize, Serialize};

use super::command::{RegisterEndUser, ReviseEndUser};
use super::{EndUser, EndUserRef};
use crate::aggregate::event_types;
use crate::id::{EndUserId, RealmId};
use crate::limits::{Limits, LimitsPatch};
use crate::patch::Patch;

/// An end user came to be, or came back after they were removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// What requests name them by.
    pub end_user: EndUserId,
    /// The realm that they are registered for; none for the whole gateway.
    pub realm: Option<RealmId>,
    /// Their name for people.
    pub alias: Option<String>,
    /// The rate limits of all that is asked in their name.
    pub limits: Limits,
}

impl From<&RegisterEndUser> for Registered {
    fn from(command: &RegisterEndUser) -> Self {
        let RegisterEndUser { end_user, realm, alias, limits } = command.clone();
        Self { end_user, realm, alias, limits }
    }
}

/// An end user changed. Fields that did not are absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revised {
    /// Which end user.
    pub end_user: EndUserId,
    /// The realm that they are registered for.
    pub realm: Option<RealmId>,
    /// Their name for people.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub alias: Patch<String>,
    /// The rate limits of all that is asked in their name.
    #[serde(default, skip_serializing_if = "LimitsPatch::is_keep")]
    pub limits: LimitsPatch,
}

impl Revised {
    /// What the command changes, less what is so already.
    pub(super) fn new(command: &ReviseEndUser, current: &EndUser) -> Self {
        Self {
            end_user: command.end_user.clone(),
            realm: command.realm.clone(),
            alias: command.alias.against(current.alias.as_ref()),
            limits: command.limits.against(&current.limits),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.alias.is_keep() && self.limits.is_keep()
    }
}

/// What is asked in an end user's name is refused until they are unblocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blocked {
    /// Which end user.
    pub end_user: EndUserId,
    /// The realm that they are registered for.
    pub realm: Option<RealmId>,
}

/// What is asked in an end user's name is served again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unblocked {
    /// Which end user.
    pub end_user: EndUserId,
    /// The realm that they are registered for.
    pub realm: Option<RealmId>,
}

/// An end user is registered no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    /// Which end user.
    pub end_user: EndUserId,
    /// The realm that they were registered for.
    pub realm: Option<RealmId>,
}

event_types! {
    /// What happens to end users.
    pub enum Event {
        /// They came to be.
        Registered(Registered) = "end_user.registered", 1;
        /// They changed.
        Revised(Revised) = "end_user.revised", 1;
        /// What is asked in their name is refused until they are unblocked.
        Blocked(Blocked) = "end_user.blocked", 1;
        /// It is served again.
        Unblocked(Unblocked) = "end_user.unblocked", 1;
        /// They are registered no more.
        Removed(Removed) = "end_user.removed", 1;
    }
}

impl Event {
    /// The end user it is about.
    #[must_use]
    pub fn end_user(&self) -> EndUserRef {
        let (id, realm) = match self {
            Self::Registered(data) => (&data.end_user, &data.realm),
            Self::Revised(data) => (&data.end_user, &data.realm),
            Self::Blocked(data) => (&data.end_user, &data.realm),
            Self::Unblocked(data) => (&data.end_user, &data.realm),
            Self::Removed(data) => (&data.end_user, &data.realm),
        };
        EndUserRef { realm: realm.clone(), id: id.clone() }
    }
}
