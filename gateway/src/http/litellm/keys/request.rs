//! The fields that a key is made or changed with.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tallygate_adapters::litellm::model_list;
use tallygate_core::id::{InvalidId, KeyAlias, KeyId, ModelName, RealmId, UserId};
use tallygate_core::json::Json;
use tallygate_core::key::{IssueKey, Key, KeyHash, KeyKind, ReviseKey};
use tallygate_core::limits::{Limits, LimitsPatch};
use tallygate_core::model_pattern::Allowed;
use tallygate_core::patch::Patch;
use tallygate_core::time::{Duration, TimeError, Timestamp};

use super::budget::BudgetRequest;
use crate::http::error::ApiError;
use crate::http::litellm::attached;
use crate::http::litellm::fields::Fields;
use crate::http::litellm::unsupported::{not_supported, refuse, says_nothing};
use crate::random;

/// What would change who may do what, or what it costs, and is not built yet.
const UNSUPPORTED: [&str; 33] = [
    "access_group_ids",
    "agent_id",
    "allowed_cache_controls",
    "allowed_passthrough_routes",
    "allowed_vector_store_indexes",
    "auto_rotate",
    "budget_fallbacks",
    "budget_limits",
    "config",
    "denied_passthrough_routes",
    "disable_global_guardrails",
    "enable_prompt_caching",
    "end_user_budget_id",
    "enforced_params",
    "guardrails",
    "mcp_rpm_limit",
    "model_max_budget",
    "model_rpm_limit",
    "model_tpm_limit",
    "object_permission",
    "organization_id",
    "permissions",
    "policies",
    "project_id",
    "prompts",
    "rotation_interval",
    "router_settings",
    "rpm_limit_type",
    "tag_rpm_limit",
    "throttle_on_budget_exceeded",
    "tpd_limit",
    "tpm_limit_type",
    "user_budget_id",
];
/// The same within `metadata`, where LiteLLM keeps them.
const UNSUPPORTED_METADATA: [&str; 4] = ["enforced_params", "guardrails", "model_rpm_limit", "model_tpm_limit"];
/// LiteLLM's `duration` of a key that does not expire.
const NEVER: &str = "-1";

/// What a request says about a key.
#[derive(Debug)]
pub(in crate::http::litellm) struct KeyRequest {
    alias: Patch<KeyAlias>,
    pub(in crate::http::litellm) user: Patch<UserId>,
    pub(in crate::http::litellm) realm: Patch<RealmId>,
    models: Patch<Allowed>,
    aliases: Patch<BTreeMap<ModelName, ModelName>>,
    limits: LimitsPatch,
    /// Cleared: it does not expire.
    lifetime: Patch<Duration>,
    pub(super) blocked: Patch<bool>,
    kind: Patch<KeyKind>,
    metadata: Patch<Map<String, Value>>,
    tags: Patch<Vec<String>>,
    pub(in crate::http::litellm) budget: BudgetRequest,
}

impl KeyRequest {
    /// Reads the fields.
    ///
    /// # Errors
    /// 422 for another type, 400 for a value that is not acceptable or not supported.
    pub(in crate::http::litellm) fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        refuse(fields, &UNSUPPORTED)?;
        refuse_spend(fields)?;
        let model_names = |names: Vec<String>| model_list::allowed(&names);
        Ok(Self {
            alias: fields.id("key_alias", KeyAlias::new)?,
            user: fields.id("user_id", UserId::new)?,
            realm: fields.id("team_id", RealmId::new)?,
            models: fields.texts("models")?.try_map(model_names).map_err(|error| invalid(fields, "models", &error))?,
            aliases: fields.object("aliases")?.try_map(|aliases| model_aliases(fields, aliases))?,
            limits: LimitsPatch {
                requests_per_minute: fields.count("rpm_limit")?,
                tokens_per_minute: fields.count("tpm_limit")?,
                parallel_requests: fields.count("max_parallel_requests")?,
            },
            lifetime: lifetime(fields)?,
            blocked: fields.flag("blocked")?,
            kind: kind(fields)?,
            metadata: fields.object("metadata")?.try_map(metadata)?,
            tags: fields.texts("tags")?,
            budget: BudgetRequest::read(fields)?,
        })
    }

    /// The command for a new key.
    ///
    /// # Errors
    /// 400 if the key would expire beyond all years, or its metadata are too large.
    pub(in crate::http::litellm) fn issue(
        &self,
        key: KeyId,
        secret: &str,
        now: Timestamp,
    ) -> Result<IssueKey, ApiError> {
        let mut limits = Limits::default();
        self.limits.apply(&mut limits);
        Ok(IssueKey {
            key,
            hash: KeyHash::of_secret(secret),
            shown: random::shown(secret),
            realm: self.realm.clone().into_value().unwrap_or_else(RealmId::default_realm),
            alias: self.alias.clone().into_value(),
            user: self.user.clone().into_value(),
            models: self.models.clone().into_value().unwrap_or(Allowed::All),
            aliases: self.aliases.clone().into_value().unwrap_or_default(),
            limits,
            expires_at: self.expires_at(now)?.into_value(),
            blocked: self.blocked.clone().into_value().unwrap_or_default(),
            kind: self.kind.clone().into_value().unwrap_or_default(),
            metadata: self.metadata(&Json::empty())?.into_value().unwrap_or_default(),
        })
    }

    /// The command for a change of a key. Only fields that are there change; null clears, but for `models` and
    /// `duration`, whose null LiteLLM's clients send for "as it is".
    ///
    /// # Errors
    /// As [`Self::issue`].
    pub(super) fn revise(&self, current: &Key, now: Timestamp) -> Result<ReviseKey, ApiError> {
        let models = match &self.models {
            Patch::Set(models) => Patch::Set(models.clone()),
            Patch::Keep | Patch::Clear => Patch::Keep,
        };
        Ok(ReviseKey {
            key: current.id,
            alias: self.alias.clone(),
            user: self.user.clone(),
            models,
            aliases: self.aliases.clone(),
            limits: self.limits.clone(),
            expires_at: self.expires_at(now)?,
            kind: self.kind.clone(),
            metadata: self.metadata(&current.metadata)?,
        })
    }

    fn expires_at(&self, now: Timestamp) -> Result<Patch<Timestamp>, ApiError> {
        let expires = |lifetime: Duration| lifetime.after(now);
        self.lifetime.clone().try_map(expires).map_err(|error| refused("duration", &error.to_string()))
    }

    /// The metadata that are to be. Tags are kept among them, as in LiteLLM.
    fn metadata(&self, current: &Json) -> Result<Patch<Json>, ApiError> {
        attached::patched(&self.metadata, &self.tags, current)
    }
}

fn refused(param: &str, message: &str) -> ApiError {
    ApiError::new(crate::http::error_code::ErrorCode::ParameterInvalid, message).param(param)
}

fn invalid(fields: &Fields<'_>, name: &str, error: &InvalidId) -> ApiError {
    fields.refused(name, &error.to_string())
}

/// What was spent is counted, not said. Zero is what a new key has spent.
fn refuse_spend(fields: &Fields<'_>) -> Result<(), ApiError> {
    match fields.value("spend")? {
        Value::Number(number) if number.as_f64() == Some(0.0) => Ok(()),
        value if says_nothing(&value) => Ok(()),
        _ => Err(not_supported("spend")),
    }
}

fn model_aliases(fields: &Fields<'_>, aliases: Map<String, Value>) -> Result<BTreeMap<ModelName, ModelName>, ApiError> {
    let pairs = aliases.into_iter().map(|(alias, model)| {
        let wrong = || fields.wrong("aliases", "string_type", "Input should be an object of model names");
        let model = model.as_str().ok_or_else(wrong)?;
        let name = |text: &str| ModelName::new(text).map_err(|error| invalid(fields, "aliases", &error));
        Ok((name(&alias)?, name(model)?))
    });
    pairs.collect()
}

fn lifetime(fields: &Fields<'_>) -> Result<Patch<Duration>, ApiError> {
    match fields.text("duration")? {
        Patch::Set(text) if text == NEVER => Ok(Patch::Clear),
        Patch::Set(text) if !text.is_empty() => {
            text.parse().map(Patch::Set).map_err(|error: TimeError| fields.refused("duration", &error.to_string()))
        }
        Patch::Set(_) | Patch::Clear | Patch::Keep => Ok(Patch::Keep),
    }
}

/// `key_type`, or the groups of routes that LiteLLM makes of it.
fn kind(fields: &Fields<'_>) -> Result<Patch<KeyKind>, ApiError> {
    if let Patch::Set(name) = fields.text("key_type")? {
        let message = "`key_type` is one of default, llm_api, management, read_only";
        return kind_of(&name).map(Patch::Set).ok_or_else(|| fields.refused("key_type", message));
    }
    match fields.texts("allowed_routes")? {
        Patch::Set(routes) => match routes.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => Ok(Patch::Set(KeyKind::Default)),
            ["llm_api_routes"] => Ok(Patch::Set(KeyKind::LlmApi)),
            ["management_routes"] => Ok(Patch::Set(KeyKind::Management)),
            ["info_routes"] => Ok(Patch::Set(KeyKind::ReadOnly)),
            _ => Err(not_supported("allowed_routes")),
        },
        Patch::Clear => Ok(Patch::Clear),
        Patch::Keep => Ok(Patch::Keep),
    }
}

fn kind_of(name: &str) -> Option<KeyKind> {
    match name {
        "default" => Some(KeyKind::Default),
        "llm_api" => Some(KeyKind::LlmApi),
        "management" => Some(KeyKind::Management),
        "read_only" => Some(KeyKind::ReadOnly),
        _ => None,
    }
}

fn metadata(metadata: Map<String, Value>) -> Result<Map<String, Value>, ApiError> {
    let unsupported =
        UNSUPPORTED_METADATA.iter().find(|name| !says_nothing(metadata.get(**name).unwrap_or(&Value::Null)));
    match unsupported {
        Some(name) => Err(not_supported(&format!("metadata.{name}"))),
        None => Ok(metadata),
    }
}
