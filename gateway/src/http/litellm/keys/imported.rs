//! A row of LiteLLM's own table of keys, as the commands that make the same key here: its hash is the same, so the secret that
//! people have goes on working.
//!
//! What would let it do more here than there is refused, by the rules of `/key/generate`.

use serde_json::Value;
use tallygate_adapters::litellm::model_list;
use tallygate_core::budget::{NewBudgetLimit, SetBudget};
use tallygate_core::command::Command;
use tallygate_core::digest::Digest;
use tallygate_core::id::KeyId;
use tallygate_core::key::{IssueKey, KeyHash};
use tallygate_core::limits::{Limits, LimitsPatch};
use tallygate_core::model_pattern::Allowed;
use tallygate_core::money::NanoUsd;
use tallygate_core::scope::Scope;
use tallygate_core::time::{Period, Timestamp};
use uuid::{Builder, Uuid};

use super::budget::BudgetRequest;
use super::request::KeyRequest;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::fields::Fields;

/// What a row says beside the fields of `/key/generate`.
#[derive(Debug)]
pub(crate) struct KeyFacts<'a> {
    /// `token`: the SHA-256 of the secret, in hexadecimal.
    pub(crate) hash: &'a str,
    /// `key_name`: what may be shown of the secret.
    pub(crate) shown: Option<&'a str>,
    /// `expires`.
    pub(crate) expires_at: Option<Timestamp>,
    /// `spend`: what it has spent, or in the window that is open.
    pub(crate) spent: NanoUsd,
}

/// The commands, and what of the budget begins anew.
#[derive(Debug)]
pub(crate) struct ImportedKey {
    pub(crate) commands: Vec<Command>,
    /// Whether its budget has windows, so that what was spent in the one that is open is not known here.
    pub(crate) begins_anew: bool,
}

/// The commands for a key. `fields` are those of `/key/generate`.
///
/// # Errors
/// 400 for a hash that is none, and as `/key/generate` for its fields.
pub(crate) fn commands(fields: &Value, facts: &KeyFacts<'_>, now: Timestamp) -> Result<ImportedKey, ApiError> {
    let body = fields.to_string();
    let fields = Fields::read(body.as_bytes())?;
    let request = KeyRequest::read(&fields)?;
    let wrong = |_| ApiError::new(ErrorCode::ParameterInvalid, "`token` is no SHA-256 in hexadecimal").param("token");
    let digest: Digest = facts.hash.parse().map_err(wrong)?;
    let key = key_id(&digest);
    let shown = facts.shown.unwrap_or("sk-...").to_owned();
    // The secret is not known: what follows from it is put in its place.
    let issue = request.issue(key, "", now)?;
    let issue = IssueKey { hash: KeyHash::new(digest), shown, expires_at: facts.expires_at, ..issue };
    let mut commands: Vec<Command> = vec![issue.into()];
    let limits = budget(&fields, facts.spent, now)?;
    let begins_anew = facts.spent != NanoUsd::ZERO && limits.iter().any(|limit| limit.period != Period::Total);
    if !limits.is_empty() {
        commands.push(SetBudget { scope: Scope::Key(key), limits, reclaim_after_seconds: None }.into());
    }
    Ok(ImportedKey { commands, begins_anew })
}

/// The limits of `max_budget` and `budget_duration`. One without windows is what is left of it, since what was spent there is
/// not known here.
///
/// # Errors
/// 400 for what is no amount or no duration.
pub(crate) fn limits_of(fields: &Value, spent: NanoUsd, now: Timestamp) -> Result<Vec<NewBudgetLimit>, ApiError> {
    let body = fields.to_string();
    budget(&Fields::read(body.as_bytes())?, spent, now)
}

fn budget(fields: &Fields<'_>, spent: NanoUsd, now: Timestamp) -> Result<Vec<NewBudgetLimit>, ApiError> {
    let mut limits = BudgetRequest::read(fields)?.limits(&[], now)?.unwrap_or_default();
    for limit in limits.iter_mut().filter(|limit| limit.period == Period::Total) {
        let left = limit.limit_nano_usd.minus(spent).unwrap_or(NanoUsd::ZERO);
        limit.limit_nano_usd = left.max(NanoUsd::ZERO);
    }
    Ok(limits)
}

/// The models of a team or organization; none at all would be every model, as in LiteLLM.
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
    use tallygate_core::command::Command;
    use tallygate_core::money::NanoUsd;
    use tallygate_core::time::Timestamp;

    use super::{KeyFacts, commands};

    const HASH: &str = "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b";

    fn facts(spent: i64) -> KeyFacts<'static> {
        KeyFacts { hash: HASH, shown: Some("sk-...abcd"), expires_at: None, spent: NanoUsd::new(spent) }
    }

    #[test]
    fn the_hash_is_kept_and_the_id_follows_from_it() {
        let of = || {
            commands(&json!({ "key_alias": "ci", "max_budget": 5 }), &facts(2_000_000_000), Timestamp::from_millis(0))
        };
        let (first, second) = (of().unwrap(), of().unwrap());
        assert_eq!(first.commands, second.commands);
        let [Command::IssueKey(issue), Command::SetBudget(budget)] = &first.commands[..] else {
            panic!("{:?}", first.commands)
        };
        assert_eq!((issue.hash.to_string().as_str(), issue.shown.as_str()), (HASH, "sk-...abcd"));
        assert_eq!(budget.limits[0].limit_nano_usd, NanoUsd::new(3_000_000_000), "what is left");
        assert!(!first.begins_anew);
    }

    #[test]
    fn a_budget_with_windows_begins_anew_and_what_would_not_be_kept_is_refused() {
        let monthly = json!({ "max_budget": 5, "budget_duration": "30d" });
        assert!(commands(&monthly, &facts(1), Timestamp::from_millis(0)).unwrap().begins_anew);
        let restricted = json!({ "model_max_budget": {"gpt-5": {"budget_limit": 1}} });
        let error = commands(&restricted, &facts(0), Timestamp::from_millis(0)).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("model_max_budget"));
        let no_hash = KeyFacts { hash: "sk-plain", ..facts(0) };
        assert!(commands(&json!({}), &no_hash, Timestamp::from_millis(0)).is_err());
    }
}
