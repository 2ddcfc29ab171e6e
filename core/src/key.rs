//! Virtual keys. A key's secret is shown once and never kept: a row and an event hold its SHA-256 and its last four
//! characters. A key belongs to one realm and can never do more than that realm.

mod aliases;
mod command;
mod decide;
mod event;

pub use command::{BlockKey, IssueKey, ReviseKey, RevokeKey, RotateKey, UnblockKey};
pub use decide::{Rejection, block, evolve, issue, revise, revoke, rotate, unblock};
pub use event::{Blocked, Event, Issued, Revised, Revoked, Rotated, Unblocked};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::aggregate::Trail;
use crate::digest::Digest;
use crate::id::{KeyAlias, KeyId, ModelName, RealmId, UserId};
use crate::json::Json;
use crate::limits::Limits;
use crate::model_pattern::Allowed;
use crate::stream::Position;
use crate::time::Timestamp;

/// The longest that an earlier secret goes on working after it was rotated away: a month.
pub const OLD_SECRET_MAX_SECONDS: u64 = 31 * 24 * 60 * 60;
/// The most aliases of models that one key may have.
pub const ALIASES_MAX: usize = 100;

/// The SHA-256 of a key's whole secret, `sk-` included: LiteLLM's `token`, so that imported keys keep working.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyHash(Digest);

impl KeyHash {
    /// The hash of a secret as a client sends it.
    #[must_use]
    pub fn of_secret(secret: &str) -> Self {
        Self(Digest::of(secret.as_bytes()))
    }

    /// Takes a digest for the hash of a key.
    #[must_use]
    pub const fn new(digest: Digest) -> Self {
        Self(digest)
    }

    /// The digest.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.0
    }
}

impl std::fmt::Display for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Which routes a key may call: LiteLLM's `key_type`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// Everything that is open to keys.
    #[default]
    Default,
    /// Models alone.
    LlmApi,
    /// Management alone.
    Management,
    /// What only reads.
    ReadOnly,
}

/// A secret that was rotated away and works for a while yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// Its hash.
    pub hash: KeyHash,
    /// From when on it is refused.
    pub until: Timestamp,
}

/// A virtual key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Its id, which stays when the secret is rotated.
    pub id: KeyId,
    /// The hash of its secret.
    pub hash: KeyHash,
    /// The secret that it had before, while that still works.
    pub earlier: Option<Earlier>,
    /// What may be shown of the secret: `sk-...` and its last four characters.
    pub shown: String,
    /// The realm it belongs to.
    pub realm: RealmId,
    /// Its name for people.
    pub alias: Option<KeyAlias>,
    /// Whose it is.
    pub user: Option<UserId>,
    /// The models it may call, within what its realm may.
    pub models: Allowed,
    /// The event that set them.
    pub models_set: Position,
    /// Other names by which it calls models.
    pub aliases: BTreeMap<ModelName, ModelName>,
    /// Its rate limits.
    pub limits: Limits,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// The event that set that.
    pub expiry_set: Position,
    /// Since which event it is blocked.
    pub blocked: Option<Position>,
    /// Since which event it is revoked, for ever.
    pub revoked: Option<Position>,
    /// Which routes it may call.
    pub kind: KeyKind,
    /// What people attached to it.
    pub metadata: Json,
    /// Its history.
    pub trail: Trail,
}

impl Key {
    /// Whether a secret with this hash is the key's now: its own, or the one before while that still works.
    #[must_use]
    pub fn has_secret(&self, hash: &KeyHash, now: Timestamp) -> bool {
        self.hash == *hash || self.earlier.is_some_and(|earlier| earlier.hash == *hash && now < earlier.until)
    }
}

#[cfg(test)]
mod tests;
