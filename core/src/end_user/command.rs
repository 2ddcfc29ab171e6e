//! Commands about end users.

use serde::{Deserialize, Serialize};

use super::EndUserRef;
use crate::id::{EndUserId, RealmId};
use crate::limits::{Limits, LimitsPatch};
use crate::patch::Patch;

/// Asks for a new end user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterEndUser {
    /// What requests name them by.
    pub end_user: EndUserId,
    /// The realm that they are registered for; none for the whole gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<RealmId>,
    /// Their name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// The rate limits of all that is asked in their name.
    #[serde(default)]
    pub limits: Limits,
}

/// Asks for changes of an end user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviseEndUser {
    /// Which end user.
    pub end_user: EndUserId,
    /// The realm that they are registered for; none for the whole gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<RealmId>,
    /// Their name for people.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub alias: Patch<String>,
    /// The rate limits of all that is asked in their name.
    #[serde(default, skip_serializing_if = "LimitsPatch::is_keep")]
    pub limits: LimitsPatch,
}

/// Asks that all that is asked in an end user's name be refused until they are unblocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockEndUser {
    /// Which end user.
    pub end_user: EndUserId,
    /// The realm that they are registered for; none for the whole gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<RealmId>,
}

/// Asks that what is asked in a blocked end user's name be served again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnblockEndUser {
    /// Which end user.
    pub end_user: EndUserId,
    /// The realm that they are registered for; none for the whole gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<RealmId>,
}

/// Asks that an end user be registered no more: their budget and limits go, and what is asked in their name is anybody's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveEndUser {
    /// Which end user.
    pub end_user: EndUserId,
    /// The realm that they are registered for; none for the whole gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<RealmId>,
}

macro_rules! about {
    ($($command:ident),+) => {
        $(impl $command {
            /// Whom it is about.
            #[must_use]
            pub fn whom(&self) -> EndUserRef {
                EndUserRef { realm: self.realm.clone(), id: self.end_user.clone() }
            }
        })+
    };
}

about!(RegisterEndUser, ReviseEndUser, BlockEndUser, UnblockEndUser, RemoveEndUser);

impl ReviseEndUser {
    /// A command that changes nothing yet.
    #[must_use]
    pub fn nothing(of: EndUserRef) -> Self {
        Self { end_user: of.id, realm: of.realm, alias: Patch::Keep, limits: LimitsPatch::default() }
    }
}
