//! As which key a session manages.

use std::collections::BTreeMap;

use super::{Owner, Session, With};
use crate::control::Control;
use crate::id::{KeyId, RealmId};
use crate::json::Json;
use crate::key::{Key, KeyHash, KeyKind};
use crate::limits::Limits;
use crate::model_pattern::Allowed;
use crate::user::User;

/// As what a session manages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// As the operator.
    Operator,
    /// As the key that was signed in with.
    Key(KeyId),
    /// As a key that allows all that its user may, and is none of theirs: a password stands for the user.
    User(Box<Key>),
}

impl Session {
    /// As what it manages now; none where its user is gone.
    #[must_use]
    pub fn standing(&self, control: &Control) -> Option<Standing> {
        match (&self.owner, &self.with) {
            (Owner::Operator, _) => Some(Standing::Operator),
            (Owner::User(_), With::Key(key)) => Some(Standing::Key(*key)),
            (Owner::User(user), With::Password(_) | With::Operator(_)) => {
                control.user(user).map(|user| Standing::User(Box::new(self.key_of_all(user))))
            }
        }
    }

    /// No request is ever served with it: it is in no table, and its hash is no key's.
    fn key_of_all(&self, user: &User) -> Key {
        Key {
            id: KeyId::new(*self.id.as_uuid()),
            hash: KeyHash::new(*self.hash.digest()),
            earlier: None,
            shown: "sk-...".to_owned(),
            realm: user.realm.clone().unwrap_or_else(RealmId::default_realm),
            alias: None,
            user: Some(user.id.clone()),
            models: Allowed::All,
            models_set: self.trail.created.position,
            aliases: BTreeMap::new(),
            limits: Limits::default(),
            // What it makes may last longer than the session: the user would make it again after signing in again.
            expires_at: None,
            expiry_set: self.trail.created.position,
            blocked: None,
            revoked: None,
            kind: KeyKind::Default,
            metadata: Json::empty(),
            trail: self.trail.clone(),
        }
    }
}
