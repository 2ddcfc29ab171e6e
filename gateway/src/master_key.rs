//! The master key: its holder is the operator, and may also call models, as a key of the realm `default` without limits
//! of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use subtle::ConstantTimeEq as _;
use tallygate_core::actor::Actor;
use tallygate_core::aggregate::{Mark, Trail};
use tallygate_core::id::{KeyAlias, KeyId, RealmId};
use tallygate_core::json::Json;
use tallygate_core::key::{Key, KeyHash, KeyKind};
use tallygate_core::limits::Limits;
use tallygate_core::model_pattern::Allowed;
use tallygate_core::secret::Secret;
use tallygate_core::stream::Position;
use tallygate_core::time::Timestamp;
use tallygate_projections::KeyRow;

/// The master key, as a hash.
#[derive(Clone)]
pub(crate) struct MasterKey {
    hash: KeyHash,
    row: KeyRow,
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(***)")
    }
}

impl MasterKey {
    /// Takes the key into custody.
    pub(crate) fn new(secret: &Secret) -> Self {
        let hash = KeyHash::of_secret(secret.expose());
        Self { hash, row: KeyRow { key: Arc::new(row(hash)), budget: None } }
    }

    /// Whether a secret is the master key.
    pub(crate) fn matches(&self, secret: &Secret) -> bool {
        self.has(&KeyHash::of_secret(secret.expose()))
    }

    /// Whether a secret with this hash is the master key. Hashes are compared, in constant time.
    pub(crate) fn has(&self, presented: &KeyHash) -> bool {
        self.hash.digest().as_bytes().ct_eq(presented.digest().as_bytes()).into()
    }

    /// The key that the operator's own requests run under.
    pub(crate) fn row(&self) -> KeyRow {
        self.row.clone()
    }

    /// The id of that key.
    pub(crate) const fn id() -> KeyId {
        KeyId::new(uuid::Uuid::nil())
    }
}

fn row(hash: KeyHash) -> Key {
    let mark = Mark { position: Position::START, at: Timestamp::from_millis(0), by: Actor::operator() };
    Key {
        id: MasterKey::id(),
        hash,
        earlier: None,
        shown: "sk-...".to_owned(),
        realm: RealmId::default_realm(),
        alias: KeyAlias::new("master").ok(),
        user: None,
        models: Allowed::All,
        models_set: Position::START,
        aliases: BTreeMap::new(),
        limits: Limits::default(),
        expires_at: None,
        expiry_set: Position::START,
        blocked: None,
        revoked: None,
        kind: KeyKind::Default,
        metadata: Json::empty(),
        trail: Trail::born(&mark),
    }
}
