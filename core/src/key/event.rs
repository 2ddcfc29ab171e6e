//! What happens to keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::command::{IssueKey, ReviseKey};
use super::{Key, KeyHash, KeyKind};
use crate::aggregate::event_types;
use crate::id::{KeyAlias, KeyId, ModelName, RealmId, UserId};
use crate::json::Json;
use crate::limits::{Limits, LimitsPatch};
use crate::model_pattern::Allowed;
use crate::patch::Patch;
use crate::time::Timestamp;

/// A key came to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issued {
    /// Its id.
    pub key: KeyId,
    /// The hash of its secret.
    pub hash: KeyHash,
    /// What may be shown of the secret.
    pub shown: String,
    /// The realm it belongs to.
    pub realm: RealmId,
    /// Its name for people.
    pub alias: Option<KeyAlias>,
    /// Whose it is.
    pub user: Option<UserId>,
    /// The models it may call, within what its realm may.
    pub models: Allowed,
    /// Other names by which it calls models.
    pub aliases: BTreeMap<ModelName, ModelName>,
    /// Its rate limits.
    pub limits: Limits,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// Whether it starts blocked.
    pub blocked: bool,
    /// Which routes it may call.
    pub kind: KeyKind,
    /// What people attached to it.
    pub metadata: Json,
}

impl From<&IssueKey> for Issued {
    fn from(command: &IssueKey) -> Self {
        Self {
            key: command.key,
            hash: command.hash,
            shown: command.shown.clone(),
            realm: command.realm.clone(),
            alias: command.alias.clone(),
            user: command.user.clone(),
            models: command.models.clone(),
            aliases: command.aliases.clone(),
            limits: command.limits,
            expires_at: command.expires_at,
            blocked: command.blocked,
            kind: command.kind,
            metadata: command.metadata.clone(),
        }
    }
}

/// A key changed. Fields that did not are absent.
///
/// They are not shared with the command: serde cannot flatten a shared part where unknown fields are refused, and the
/// schema of an event stays as it is when the command grows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revised {
    /// Which key.
    pub key: KeyId,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub alias: Patch<KeyAlias>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub user: Patch<UserId>,
    /// The models it may call.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub models: Patch<Allowed>,
    /// Other names by which it calls models.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub aliases: Patch<BTreeMap<ModelName, ModelName>>,
    /// Its rate limits.
    #[serde(default, skip_serializing_if = "LimitsPatch::is_keep")]
    pub limits: LimitsPatch,
    /// From when on it is refused.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub expires_at: Patch<Timestamp>,
    /// Which routes it may call.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub kind: Patch<KeyKind>,
    /// What people attached to it.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub metadata: Patch<Json>,
}

impl Revised {
    /// What the command changes, less what is so already.
    pub(super) fn new(command: &ReviseKey, current: &Key) -> Self {
        Self {
            key: command.key,
            alias: command.alias.against(current.alias.as_ref()),
            user: command.user.against(current.user.as_ref()),
            models: command.models.against_or(&current.models, &Allowed::none()),
            aliases: command.aliases.against_or(&current.aliases, &BTreeMap::new()),
            limits: command.limits.against(&current.limits),
            expires_at: command.expires_at.against(current.expires_at.as_ref()),
            kind: command.kind.against_or(&current.kind, &KeyKind::Default),
            metadata: command.metadata.against_or(&current.metadata, &Json::empty()),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.alias.is_keep()
            && self.user.is_keep()
            && self.models.is_keep()
            && self.aliases.is_keep()
            && self.limits.is_keep()
            && self.expires_at.is_keep()
            && self.kind.is_keep()
            && self.metadata.is_keep()
    }
}

/// A key has another secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotated {
    /// Which key.
    pub key: KeyId,
    /// The hash of the new secret.
    pub hash: KeyHash,
    /// What may be shown of the new secret.
    pub shown: String,
    /// From when on the old secret is refused; at once when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_until: Option<Timestamp>,
}

/// A key is refused until it is unblocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blocked {
    /// Which key.
    pub key: KeyId,
}

/// A blocked key works again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unblocked {
    /// Which key.
    pub key: KeyId,
}

/// A key is refused for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// Which key.
    pub key: KeyId,
}

event_types! {
    /// What happens to keys.
    pub enum Event {
        /// It came to be.
        Issued(Issued) = "key.issued", 1;
        /// It changed.
        Revised(Revised) = "key.revised", 1;
        /// It has another secret.
        Rotated(Rotated) = "key.rotated", 1;
        /// It is refused until it is unblocked.
        Blocked(Blocked) = "key.blocked", 1;
        /// It works again.
        Unblocked(Unblocked) = "key.unblocked", 1;
        /// It is refused for ever.
        Revoked(Revoked) = "key.revoked", 1;
    }
}

impl Event {
    /// The key it is about.
    #[must_use]
    pub const fn key(&self) -> KeyId {
        match self {
            Self::Issued(data) => data.key,
            Self::Revised(data) => data.key,
            Self::Rotated(data) => data.key,
            Self::Blocked(data) => data.key,
            Self::Unblocked(data) => data.key,
            Self::Revoked(data) => data.key,
        }
    }
}
