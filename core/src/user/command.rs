//! Commands about users and their memberships.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Password, Role};
use crate::id::{RealmId, UserId};
use crate::json::Json;
use crate::limits::{Limits, LimitsPatch};
use crate::model_pattern::Allowed;
use crate::patch::Patch;

/// Asks for a new user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterUser {
    /// Their id.
    pub user: UserId,
    /// The realm that they belong to; none for the whole gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<RealmId>,
    /// Their name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Their email address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// What they may change; a member's own keys when absent.
    #[serde(default)]
    pub role: Role,
    /// The models that their keys may call, within what the keys and their realms may. All when absent: it only narrows.
    #[serde(default = "all")]
    pub models: Allowed,
    /// The rate limits of all their keys together.
    #[serde(default)]
    pub limits: Limits,
    /// The realms that they are members of beside their own, and as what.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub memberships: BTreeMap<RealmId, Role>,
    /// What people attach to them.
    #[serde(default)]
    pub metadata: Json,
}

const fn all() -> Allowed {
    Allowed::All
}

/// Asks for changes of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviseUser {
    /// Which user.
    pub user: UserId,
    /// Their name for people.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub alias: Patch<String>,
    /// Their email address.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub email: Patch<String>,
    /// What they may change; cleared, their own keys.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub role: Patch<Role>,
    /// The models that their keys may call; cleared, all that the keys and their realms may.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub models: Patch<Allowed>,
    /// The rate limits of all their keys together.
    #[serde(default, skip_serializing_if = "LimitsPatch::is_keep")]
    pub limits: LimitsPatch,
    /// What people attach to them.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub metadata: Patch<Json>,
}

/// Asks that a user have another password, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPassword {
    /// Which user.
    pub user: UserId,
    /// What was made of it; none so that nobody signs in with a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
}

impl ReviseUser {
    /// A command that changes nothing yet.
    #[must_use]
    pub fn nothing(user: UserId) -> Self {
        Self {
            user,
            alias: Patch::Keep,
            email: Patch::Keep,
            role: Patch::Keep,
            models: Patch::Keep,
            limits: LimitsPatch::default(),
            metadata: Patch::Keep,
        }
    }
}

/// Asks that all keys of a user be refused until the user is unblocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockUser {
    /// Which user.
    pub user: UserId,
}

/// Asks that the keys of a blocked user work again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnblockUser {
    /// Which user.
    pub user: UserId,
}

/// Asks that a user be there no more: their keys are refused for ever. Their email address is free again; their id is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveUser {
    /// Which user.
    pub user: UserId,
}

/// Asks that a user be a member of a realm, or a member with another role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddMember {
    /// Which realm.
    pub realm: RealmId,
    /// Which user.
    pub user: UserId,
    /// As what.
    #[serde(default)]
    pub role: Role,
}

/// Asks that a user be no member of a realm any more. Their keys in it stay: they are the realm's to revoke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveMember {
    /// Which realm.
    pub realm: RealmId,
    /// Which user.
    pub user: UserId,
}
