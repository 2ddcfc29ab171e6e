//! A realm's virtual key: issued with the first model that the realm is granted, it may call whatever the realm may, so that
//! each grant and each revocation changes what that same key can do.
//!
//! Its secret is kept nowhere: `POST /api/realms/{id}/key` gives it a new one, and shows that once. Agents do not share it;
//! each has a key of its own in the realm, which ends when the agent leaves.

use std::collections::BTreeMap;

use serde_json::json;
use tallygate_core::command::Command;
use tallygate_core::digest::Digest;
use tallygate_core::id::{KeyAlias, KeyId, RealmId};
use tallygate_core::json::Json;
use tallygate_core::key::{IssueKey, KeyHash, KeyKind, RotateKey};
use tallygate_core::limits::Limits;
use tallygate_core::model_pattern::Allowed;
use tallygate_projections::KeyRow;

use super::asked::refused;
use crate::http::App;
use crate::http::error::ApiError;
use crate::pipeline::refusal;
use crate::random;

/// The realm's key, if it has one that was not revoked.
///
/// # Errors
/// When the views cannot be read.
pub(super) fn find(app: &App, realm: &RealmId) -> Result<Option<KeyRow>, ApiError> {
    let row = app.pipeline.views.control.key_by_alias(&alias(realm)?).map_err(|error| refusal::views(&error))?;
    Ok(row.filter(|row| row.key.revoked.is_none() && row.key.realm == *realm))
}

/// The command that gives a realm its key. Of two at once the second is refused, since the alias is taken.
///
/// # Errors
/// Never for a realm that there is.
pub(super) fn issue(app: &App, realm: &RealmId, secret: &str) -> Result<Command, ApiError> {
    let metadata = Json::from_value(&json!({ "realm_key": true })).unwrap_or_else(|_| Json::empty());
    let issue = IssueKey {
        key: KeyId::new(app.pipeline.ids.uuid()),
        hash: KeyHash::of_secret(secret),
        shown: random::shown(secret),
        realm: realm.clone(),
        alias: Some(alias(realm)?),
        user: None,
        models: Allowed::All,
        aliases: BTreeMap::new(),
        limits: Limits::default(),
        expires_at: None,
        blocked: false,
        kind: KeyKind::LlmApi,
        metadata,
    };
    Ok(issue.into())
}

/// The command that gives the realm's key another secret, or the realm a key.
///
/// # Errors
/// When the views cannot be read.
pub(super) fn renew(app: &App, realm: &RealmId, secret: &str) -> Result<Command, ApiError> {
    match find(app, realm)? {
        Some(row) => {
            let (key, hash) = (row.key.id, KeyHash::of_secret(secret));
            Ok(RotateKey { key, hash, shown: random::shown(secret), old_until: None }.into())
        }
        None => issue(app, realm, secret),
    }
}

/// The alias that the key is found by. An id too long for it is written by its digest.
fn alias(realm: &RealmId) -> Result<KeyAlias, ApiError> {
    KeyAlias::new(format!("realm key of {realm}"))
        .or_else(|_| KeyAlias::new(format!("realm key of sha256:{}", Digest::of(realm.as_str().as_bytes()))))
        .map_err(|error| refused("realmId", error))
}
