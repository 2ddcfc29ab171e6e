//! Commands about keys. None holds a secret: whoever makes one sends its hash.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{KeyHash, KeyKind, aliases};
use crate::id::{KeyAlias, KeyId, ModelName, RealmId, UserId};
use crate::json::Json;
use crate::limits::{Limits, LimitsPatch};
use crate::model_pattern::Allowed;
use crate::patch::Patch;
use crate::time::Timestamp;

/// Asks for a new key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssueKey {
    /// Its id.
    pub key: KeyId,
    /// The hash of its secret.
    pub hash: KeyHash,
    /// What may be shown of the secret.
    pub shown: String,
    /// The realm it belongs to.
    #[serde(default = "RealmId::default_realm")]
    pub realm: RealmId,
    /// Its name for people, unique over the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<KeyAlias>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// The models it may call, within what its realm may. None at all when absent.
    #[serde(default = "Allowed::none")]
    pub models: Allowed,
    /// Other names by which it calls models.
    #[serde(default, deserialize_with = "aliases::read", skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<ModelName, ModelName>,
    /// Its rate limits.
    #[serde(default)]
    pub limits: Limits,
    /// From when on it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Whether it starts blocked.
    #[serde(default)]
    pub blocked: bool,
    /// Which routes it may call.
    #[serde(default)]
    pub kind: KeyKind,
    /// What people attach to it.
    #[serde(default)]
    pub metadata: Json,
}

/// Asks for changes of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviseKey {
    /// Which key.
    pub key: KeyId,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub alias: Patch<KeyAlias>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub user: Patch<UserId>,
    /// The models it may call; cleared, none at all.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub models: Patch<Allowed>,
    /// Other names by which it calls models.
    #[serde(default, deserialize_with = "aliases::read_patch", skip_serializing_if = "Patch::is_keep")]
    pub aliases: Patch<BTreeMap<ModelName, ModelName>>,
    /// Its rate limits.
    #[serde(default, skip_serializing_if = "LimitsPatch::is_keep")]
    pub limits: LimitsPatch,
    /// From when on it is refused; cleared, never.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub expires_at: Patch<Timestamp>,
    /// Which routes it may call.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub kind: Patch<KeyKind>,
    /// What people attach to it.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub metadata: Patch<Json>,
}

impl ReviseKey {
    /// A command that changes nothing yet.
    #[must_use]
    pub fn nothing(key: KeyId) -> Self {
        Self {
            key,
            alias: Patch::Keep,
            user: Patch::Keep,
            models: Patch::Keep,
            aliases: Patch::Keep,
            limits: LimitsPatch::default(),
            expires_at: Patch::Keep,
            kind: Patch::Keep,
            metadata: Patch::Keep,
        }
    }
}

/// Asks for another secret of a key. The old one is refused from then on, or from a later moment on; one that was rotated
/// away before it is refused at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateKey {
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

/// Asks that a key be refused until it is unblocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockKey {
    /// Which key.
    pub key: KeyId,
}

/// Asks that a blocked key work again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnblockKey {
    /// Which key.
    pub key: KeyId,
}

/// Asks that a key be refused for ever. Its alias is free again; its hash is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeKey {
    /// Which key.
    pub key: KeyId,
}
