//! A key as LiteLLM shows it: the row of its table, and the answer to its generation.

use serde_json::{Map, Value, json};
use tallygate_adapters::litellm::amount::usd;
use tallygate_adapters::litellm::duration;
use tallygate_adapters::litellm::model_list;
use tallygate_core::actor::{Actor, ActorKind};
use tallygate_core::id::RealmId;
use tallygate_core::key::{Key, KeyKind};
use tallygate_core::time::Timestamp;
use tallygate_projections::KeyRow;

use super::budget;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::budgets;
use crate::http::litellm::spent::spend_of_key;

/// LiteLLM's name for the holder of the master key.
const OPERATOR: &str = "default_user_id";
/// Fields of the row that say nothing here.
const NULL_FIELDS: [&str; 19] = [
    "access_group_ids",
    "agent_id",
    "budget_fallbacks",
    "budget_id",
    "budget_limits",
    "key_rotation_at",
    "last_active",
    "last_rotation_at",
    "litellm_budget_table",
    "object_permission",
    "object_permission_id",
    "organization_id",
    "project_id",
    "rotation_interval",
    "router_settings",
    "settings_updated_at",
    "soft_budget",
    "tpd_limit",
    "budget_reset_at",
];
/// Fields of a generated key that say nothing here.
const NULL_FIELDS_OF_GENERATED: [&str; 16] = [
    "allowed_passthrough_routes",
    "allowed_vector_store_indexes",
    "denied_passthrough_routes",
    "disable_global_guardrails",
    "end_user_budget_id",
    "enforced_params",
    "guardrails",
    "mcp_rpm_limit",
    "model_rpm_limit",
    "model_tpm_limit",
    "policies",
    "prompts",
    "rpm_limit_type",
    "tag_rpm_limit",
    "throttle_on_budget_exceeded",
    "tpm_limit_type",
];

/// The row of a key: every field of LiteLLM's, also those that say nothing.
///
/// # Errors
/// 503 if what was spent cannot be read.
pub(in crate::http::litellm) fn row(app: &App, row: &KeyRow) -> Result<Map<String, Value>, ApiError> {
    let now = app.pipeline.clock.now();
    let key = &row.key;
    let mut fields = nulls(&NULL_FIELDS);
    fields.extend(budgets::row::attached(app, row.budget.as_deref()));
    fields.extend(object(json!({
        "token": key.hash.to_string(),
        "key_name": key.shown,
        "key_alias": key.alias,
        "key_type": kind(key.kind),
        "status": status(key, now),
        "spend": usd(spend_of_key(app, row)?),
        "max_budget": null,
        "budget_duration": null,
        "expires": key.expires_at,
        "models": model_list::listed(&key.models),
        "aliases": key.aliases,
        "user_id": key.user,
        "team_id": team(&key.realm),
        "metadata": key.metadata,
        "rpm_limit": key.limits.requests_per_minute,
        "tpm_limit": key.limits.tokens_per_minute,
        "max_parallel_requests": key.limits.parallel_requests,
        "blocked": key.blocked.is_some(),
        "allowed_routes": allowed_routes(key.kind),
        "allowed_cache_controls": [],
        "config": {},
        "permissions": {},
        "model_spend": {},
        "model_max_budget": {},
        "soft_budget_cooldown": false,
        "auto_rotate": false,
        "rotation_count": 0,
        "created_at": key.trail.created.at,
        "created_by": name(&key.trail.created.by),
        "updated_at": key.trail.changed.at,
        "updated_by": name(&key.trail.changed.by),
    })));
    if let Some(limit) = row.budget.as_deref().and_then(|budget| budget.limits.first()) {
        fields.insert("max_budget".to_owned(), usd(limit.limit_nano_usd));
        fields.insert("budget_duration".to_owned(), json!(duration::written(limit.period)));
        fields.insert("budget_reset_at".to_owned(), budget::resets_at(limit, now));
    }
    Ok(fields)
}

/// The answer to a generation: the fields of the request and the row, and the one sight of the secret.
///
/// # Errors
/// As [`row`].
pub(in crate::http::litellm) fn generated(app: &App, of: &KeyRow, secret: &str) -> Result<Value, ApiError> {
    let mut fields = nulls(&NULL_FIELDS_OF_GENERATED);
    let tags = of.key.metadata.to_value().get("tags").cloned();
    fields.extend(row(app, of)?);
    fields.extend(object(json!({
        "key": secret,
        "token_id": of.key.hash.to_string(),
        "duration": null,
        "tags": tags,
        "send_invite_email": null,
    })));
    Ok(Value::Object(fields))
}

pub(in crate::http::litellm) fn nulls(names: &[&str]) -> Map<String, Value> {
    names.iter().map(|name| ((*name).to_owned(), Value::Null)).collect()
}

pub(in crate::http::litellm) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// A key of the first realm has no team, as in LiteLLM.
pub(in crate::http::litellm) fn team(realm: &RealmId) -> Option<&RealmId> {
    (*realm != RealmId::default_realm()).then_some(realm)
}

/// Who made or changed it.
pub(in crate::http::litellm) fn name(actor: &Actor) -> &str {
    if actor.kind == ActorKind::Operator { OPERATOR } else { &actor.id }
}

const fn kind(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Default => "default",
        KeyKind::LlmApi => "llm_api",
        KeyKind::Management => "management",
        KeyKind::ReadOnly => "read_only",
    }
}

fn allowed_routes(kind: KeyKind) -> Value {
    match kind {
        KeyKind::Default => json!([]),
        KeyKind::LlmApi => json!(["llm_api_routes"]),
        KeyKind::Management => json!(["management_routes"]),
        KeyKind::ReadOnly => json!(["info_routes"]),
    }
}

fn status(key: &Key, now: Timestamp) -> &'static str {
    if key.revoked.is_some() {
        "deleted"
    } else if key.blocked.is_some() {
        "blocked"
    } else if key.expires_at.is_some_and(|expires_at| expires_at <= now) {
        "expired"
    } else {
        "active"
    }
}
