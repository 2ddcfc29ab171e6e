//! Rows of LiteLLM's own tables, as what makes the same here. A key's hash is the same, so the secret that people have goes on
//! working.
//!
//! What would let one do more here than there is refused, by the rules of `/key/generate`.

pub(crate) mod budget;

use serde_json::Value;
use tallygate_adapters::litellm::{model_list, role_name};
use tallygate_core::digest::Digest;
use tallygate_core::id::KeyId;
use tallygate_core::key::{IssueKey, KeyHash};
use tallygate_core::limits::{Limits, LimitsPatch};
use tallygate_core::model_pattern::Allowed;
use tallygate_core::time::Timestamp;
use tallygate_core::user::Role;
use uuid::{Builder, Uuid};

use super::request::KeyRequest;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::fields::Fields;
use crate::http::litellm::roles;

/// What a row says beside the fields of `/key/generate`.
#[derive(Debug)]
pub(crate) struct KeyFacts<'a> {
    /// `token`: the SHA-256 of the secret, in hexadecimal.
    pub(crate) hash: &'a str,
    /// `key_name`: what may be shown of the secret.
    pub(crate) shown: Option<&'a str>,
    /// `expires`.
    pub(crate) expires_at: Option<Timestamp>,
}

/// The command for a key. `fields` are those of `/key/generate`; its budget is [`budget`]'s.
///
/// # Errors
/// 400 for a hash that is none, and as `/key/generate` for its fields.
pub(crate) fn key(fields: &Value, facts: &KeyFacts<'_>, now: Timestamp) -> Result<IssueKey, ApiError> {
    let body = fields.to_string();
    let request = KeyRequest::read(&Fields::read(body.as_bytes())?)?;
    let wrong = |_| ApiError::new(ErrorCode::ParameterInvalid, "`token` is no SHA-256 in hexadecimal").param("token");
    let digest: Digest = facts.hash.parse().map_err(wrong)?;
    let shown = facts.shown.unwrap_or("sk-...").to_owned();
    // The secret is not known: what follows from it is put in its place.
    let issue = request.issue(key_id(&digest), "", now)?;
    Ok(IssueKey { hash: KeyHash::new(digest), shown, expires_at: facts.expires_at, ..issue })
}

/// The role of a user. One who has none is as any.
///
/// # Errors
/// 400 for a name that is no role's.
pub(crate) fn role_of(name: Option<&str>) -> Result<Role, ApiError> {
    let Some(name) = name else { return Ok(Role::default()) };
    role_name::of_user(name).ok_or_else(|| {
        let message = format!("there is no role here that `{name}` would be");
        ApiError::new(ErrorCode::ParameterInvalid, message).param("user_role")
    })
}

/// The role of a member of a team or an organization; a member's where the name says nothing.
pub(crate) fn member_of(name: &str) -> Role {
    roles::of_member(name).unwrap_or_default()
}

/// The models of a team, an organization, a user or a tag; none at all would be every model, as in LiteLLM.
///
/// # Errors
/// 400 for a name that cannot be one.
pub(crate) fn models_of(names: &[String]) -> Result<Allowed, ApiError> {
    model_list::allowed(names)
        .map_err(|error| ApiError::new(ErrorCode::ParameterInvalid, error.to_string()).param("models"))
}

/// `rpm_limit`, `tpm_limit` and `max_parallel_requests`.
///
/// # Errors
/// 422 for what is no count.
pub(crate) fn rates_of(fields: &Value) -> Result<Limits, ApiError> {
    let body = fields.to_string();
    let fields = Fields::read(body.as_bytes())?;
    let mut limits = Limits::default();
    LimitsPatch {
        requests_per_minute: fields.count("rpm_limit")?,
        tokens_per_minute: fields.count("tpm_limit")?,
        parallel_requests: fields.count("max_parallel_requests")?,
    }
    .apply(&mut limits);
    Ok(limits)
}

/// An id that follows from the hash, so that the same key is the same here whenever it is imported.
fn key_id(hash: &Digest) -> KeyId {
    let mut bytes = [0; 16];
    let digest = Digest::of(format!("imported key {hash}").as_bytes());
    for (byte, from) in bytes.iter_mut().zip(digest.as_bytes()) {
        *byte = *from;
    }
    KeyId::new(made_id(bytes))
}

fn made_id(bytes: [u8; 16]) -> Uuid {
    Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tallygate_core::time::Timestamp;

    use super::{KeyFacts, key};

    const HASH: &str = "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b";
    const NOW: Timestamp = Timestamp::from_millis(0);

    fn facts() -> KeyFacts<'static> {
        KeyFacts { hash: HASH, shown: Some("sk-...abcd"), expires_at: None }
    }

    #[test]
    fn the_hash_is_kept_and_the_id_follows_from_it() {
        let of = || key(&json!({ "key_alias": "ci" }), &facts(), NOW).unwrap();
        assert_eq!(of(), of());
        assert_eq!((of().hash.to_string().as_str(), of().shown.as_str()), (HASH, "sk-...abcd"));
    }

    #[test]
    fn what_would_not_be_kept_is_refused() {
        let restricted = json!({ "model_max_budget": {"gpt-5": {"budget_limit": 1}} });
        let error = key(&restricted, &facts(), NOW).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("model_max_budget"));
        assert!(key(&json!({}), &KeyFacts { hash: "sk-plain", ..facts() }, NOW).is_err());
    }
}
