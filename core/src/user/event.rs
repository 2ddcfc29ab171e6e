//! What happens to users.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::command::{RegisterUser, ReviseUser};
use super::{Password, Role, User};
use crate::aggregate::event_types;
use crate::id::{RealmId, UserId};
use crate::json::Json;
use crate::limits::{Limits, LimitsPatch};
use crate::model_pattern::Allowed;
use crate::patch::Patch;

/// A user came to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// Their id.
    pub user: UserId,
    /// The realm that they belong to.
    pub realm: Option<RealmId>,
    /// Their name for people.
    pub alias: Option<String>,
    /// Their email address.
    pub email: Option<String>,
    /// What they may change.
    pub role: Role,
    /// The models that their keys may call.
    pub models: Allowed,
    /// The rate limits of all their keys together.
    pub limits: Limits,
    /// The realms that they are members of, and as what.
    pub memberships: BTreeMap<RealmId, Role>,
    /// What people attached to them.
    pub metadata: Json,
}

impl From<&RegisterUser> for Registered {
    fn from(command: &RegisterUser) -> Self {
        Self {
            user: command.user.clone(),
            realm: command.realm.clone(),
            alias: command.alias.clone(),
            email: command.email.clone(),
            role: command.role,
            models: command.models.clone(),
            limits: command.limits,
            memberships: command.memberships.clone(),
            metadata: command.metadata.clone(),
        }
    }
}

/// A user changed. Fields that did not are absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revised {
    /// Which user.
    pub user: UserId,
    /// Their name for people.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub alias: Patch<String>,
    /// Their email address.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub email: Patch<String>,
    /// What they may change.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub role: Patch<Role>,
    /// The models that their keys may call.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub models: Patch<Allowed>,
    /// The rate limits of all their keys together.
    #[serde(default, skip_serializing_if = "LimitsPatch::is_keep")]
    pub limits: LimitsPatch,
    /// What people attached to them.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub metadata: Patch<Json>,
}

impl Revised {
    /// What the command changes, less what is so already.
    pub(super) fn new(command: &ReviseUser, current: &User) -> Self {
        Self {
            user: command.user.clone(),
            alias: command.alias.against(current.alias.as_ref()),
            email: command.email.against(current.email.as_ref()),
            role: command.role.against_or(&current.role, &Role::default()),
            models: command.models.against_or(&current.models, &Allowed::All),
            limits: command.limits.against(&current.limits),
            metadata: command.metadata.against_or(&current.metadata, &Json::empty()),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.alias.is_keep()
            && self.email.is_keep()
            && self.role.is_keep()
            && self.models.is_keep()
            && self.limits.is_keep()
            && self.metadata.is_keep()
    }
}

/// The keys of a user are refused until the user is unblocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blocked {
    /// Which user.
    pub user: UserId,
}

/// The keys of a user work again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unblocked {
    /// Which user.
    pub user: UserId,
}

/// A user is there no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    /// Which user.
    pub user: UserId,
}

/// A user is a member of a realm, or a member with another role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberAdded {
    /// Which realm.
    pub realm: RealmId,
    /// Which user.
    pub user: UserId,
    /// As what.
    pub role: Role,
}

/// A user is no member of a realm any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberRemoved {
    /// Which realm.
    pub realm: RealmId,
    /// Which user.
    pub user: UserId,
}

/// A user has another password, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordSet {
    /// Which user.
    pub user: UserId,
    /// What was made of it; none where nobody signs in with a password.
    pub password: Option<Password>,
}

event_types! {
    /// What happens to users.
    pub enum Event {
        /// They came to be.
        Registered(Registered) = "user.registered", 1;
        /// They changed.
        Revised(Revised) = "user.revised", 1;
        /// Their keys are refused until they are unblocked.
        Blocked(Blocked) = "user.blocked", 1;
        /// Their keys work again.
        Unblocked(Unblocked) = "user.unblocked", 1;
        /// They are there no more.
        Removed(Removed) = "user.removed", 1;
        /// They are a member of a realm.
        MemberAdded(MemberAdded) = "member.added", 1;
        /// They are no member of it any more.
        MemberRemoved(MemberRemoved) = "member.removed", 1;
        /// They have another password, or none.
        PasswordSet(PasswordSet) = "user.password_set", 1;
    }
}

impl Event {
    /// The user it is about.
    #[must_use]
    pub const fn user(&self) -> &UserId {
        match self {
            Self::Registered(data) => &data.user,
            Self::Revised(data) => &data.user,
            Self::Blocked(data) => &data.user,
            Self::Unblocked(data) => &data.user,
            Self::Removed(data) => &data.user,
            Self::MemberAdded(data) => &data.user,
            Self::MemberRemoved(data) => &data.user,
            Self::PasswordSet(data) => &data.user,
        }
    }
}
