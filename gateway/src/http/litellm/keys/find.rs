//! Which key a request means: by its secret, by its hash, or by its alias.

use tallygate_core::digest::Digest;
use tallygate_core::id::{KeyAlias, KeyId};
use tallygate_core::key::KeyHash;
use tallygate_projections::{KeyRow, StoreError};

use crate::http::App;
use crate::http::error::ApiError;
use crate::pipeline::refusal;

/// The code of a key that is not there, as the domain has it.
const NOT_FOUND: &str = "key_not_found";

/// The key with this secret or hash, unless it was revoked. A secret that was rotated away leads to no key.
pub(in crate::http::litellm) fn by_secret_or_hash(app: &App, text: &str) -> Result<Option<KeyRow>, ApiError> {
    let hash = hash_of(text);
    let row = app.pipeline.views.control.key_by_hash(&hash).map_err(|error| unreadable(&error))?;
    Ok(row.filter(|row| row.key.hash == hash && row.key.revoked.is_none()))
}

/// The hash that a text is, or else the hash of the secret that it is.
pub(super) fn hash_of(text: &str) -> KeyHash {
    Digest::from_hex(text.as_bytes()).map_or_else(|_| KeyHash::of_secret(text), KeyHash::new)
}

/// The key with an alias, unless it was revoked.
pub(super) fn by_alias(app: &App, alias: &str) -> Result<Option<KeyRow>, ApiError> {
    let Ok(alias) = KeyAlias::new(alias) else { return Ok(None) };
    let row = app.pipeline.views.control.key_by_alias(&alias).map_err(|error| unreadable(&error))?;
    Ok(row.filter(|row| row.key.revoked.is_none()))
}

/// A key that a change has just left behind.
pub(in crate::http::litellm) fn by_id(app: &App, id: KeyId) -> Result<KeyRow, ApiError> {
    let row = app.pipeline.views.control.key_by_id(id).map_err(|error| unreadable(&error))?;
    row.ok_or_else(|| not_found("Key not found."))
}

/// The answer when there is no such key.
pub(in crate::http::litellm) fn not_found(message: &str) -> ApiError {
    ApiError::coded(NOT_FOUND, 404, message).kind("not_found_error").param("key")
}

pub(in crate::http::litellm) fn unreadable(error: &StoreError) -> ApiError {
    refusal::views(error)
}
