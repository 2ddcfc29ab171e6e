//! A user as LiteLLM shows them: the row of its table.

use serde_json::{Map, Value, json};
use tallygate_adapters::litellm::amount::usd;
use tallygate_adapters::litellm::duration;
use tallygate_adapters::litellm::model_list;
use tallygate_adapters::litellm::role_name;
use tallygate_core::control::Control;
use tallygate_core::id::UserId;
use tallygate_core::money::NanoUsd;
use tallygate_core::scope::Scope;
use tallygate_core::user::User;
use tallygate_projections::KeyRow;

use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::budgets;
use crate::http::litellm::keys::budget;
use crate::http::litellm::keys::row::{nulls, object};
use crate::http::litellm::spent::{counted, total_of_key};

/// Fields of the row that say nothing here.
const NULL_FIELDS: [&str; 5] =
    ["budget_reset_at", "object_permission", "object_permission_id", "organization_memberships", "sso_user_id"];

/// The row of a user whose keys are these. What was spent is that of the open window of the user's budget; without one,
/// that of the keys in all.
///
/// # Errors
/// 503 if what was spent cannot be read.
pub(in crate::http::litellm) fn row(
    app: &App,
    control: &Control,
    user: &User,
    keys: &[KeyRow],
) -> Result<Map<String, Value>, ApiError> {
    let mut fields = brief(app, control, user)?;
    if fields["spend"].is_null() {
        let mut sum = NanoUsd::ZERO;
        for key in keys {
            sum = sum.saturating_plus(total_of_key(app, key)?);
        }
        fields.insert("spend".to_owned(), usd(sum));
    }
    fields.insert("key_count".to_owned(), json!(keys.len()));
    Ok(fields)
}

/// The rows of some users, as far as they are known, without what only their keys tell.
///
/// # Errors
/// As [`row`].
pub(in crate::http::litellm) fn briefs(
    app: &App,
    control: &Control,
    users: &[UserId],
) -> Result<Vec<Map<String, Value>>, ApiError> {
    users.iter().filter_map(|user| control.user(user)).map(|user| brief(app, control, user)).collect()
}

/// The row without what only their keys tell.
///
/// # Errors
/// As [`row`].
pub(in crate::http::litellm) fn brief(
    app: &App,
    control: &Control,
    user: &User,
) -> Result<Map<String, Value>, ApiError> {
    let now = app.pipeline.clock.now();
    let scope = Scope::User(user.id.clone());
    let teams: Vec<&str> = user.realm.iter().chain(user.memberships.keys()).map(|realm| realm.as_str()).collect();
    let mut fields = nulls(&NULL_FIELDS);
    fields.extend(object(json!({
        "user_id": user.id,
        "user_alias": user.alias,
        "user_email": user.email,
        "user_role": role_name::name(user.role),
        "team_id": null,
        "teams": teams,
        "organization_id": user.realm,
        "models": model_list::listed(&user.models),
        "spend": counted(app, control, &scope)?.map(usd),
        "max_budget": null,
        "budget_duration": null,
        "rpm_limit": user.limits.requests_per_minute,
        "tpm_limit": user.limits.tokens_per_minute,
        "max_parallel_requests": user.limits.parallel_requests,
        "blocked": user.blocked.is_some(),
        "metadata": user.metadata,
        "allowed_cache_controls": [],
        "model_spend": {},
        "model_max_budget": {},
        "created_at": user.trail.created.at,
        "updated_at": user.trail.changed.at,
    })));
    fields.extend(budgets::row::attached(app, control.budget(&scope)));
    if let Some(limit) = control.budget(&scope).and_then(|budget| budget.limits.first()) {
        fields.insert("max_budget".to_owned(), usd(limit.limit_nano_usd));
        fields.insert("budget_duration".to_owned(), json!(duration::written(limit.period)));
        fields.insert("budget_reset_at".to_owned(), budget::resets_at(limit, now));
    }
    Ok(fields)
}
