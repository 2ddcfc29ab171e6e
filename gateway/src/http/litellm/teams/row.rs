//! A team as LiteLLM shows it: the row of its table.

use serde_json::{Map, Value, json};
use tallygate_adapters::litellm::amount::usd;
use tallygate_adapters::litellm::duration;
use tallygate_adapters::litellm::model_list;
use tallygate_core::control::Control;
use tallygate_core::id::RealmId;
use tallygate_core::model_pattern::Allowed;
use tallygate_core::realm::Realm;
use tallygate_core::scope::Scope;
use tallygate_core::user::Role;

use super::find::members;
use super::request::ORGANIZATION;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::budgets;
use crate::http::litellm::keys::budget;
use crate::http::litellm::keys::row::{name, nulls, object};
use crate::http::litellm::spent::spend_of_realm;

/// Fields of the row that say nothing here.
const NULL_FIELDS: [&str; 9] = [
    "access_group_ids",
    "budget_reset_at",
    "litellm_model_table",
    "model_id",
    "object_permission",
    "object_permission_id",
    "policies",
    "router_settings",
    "soft_budget",
];

/// The row of a team, with its members.
///
/// # Errors
/// 503 if what was spent cannot be read.
pub(in crate::http::litellm) fn team(
    app: &App,
    control: &Control,
    realm: &Realm,
) -> Result<Map<String, Value>, ApiError> {
    let members = members(control, &realm.id);
    let as_admin = |role: Role| role == Role::RealmAdmin;
    let with_roles = members.iter().map(|(user, role)| {
        json!({ "user_id": user.id, "user_email": user.email, "role": if as_admin(*role) { "admin" } else { "user" } })
    });
    let ids = |admins: bool| -> Vec<&str> {
        members.iter().filter(|(_, role)| as_admin(*role) == admins).map(|(user, _)| user.id.as_str()).collect()
    };
    let mut fields = shared(app, control, realm)?;
    fields.extend(object(json!({
        "team_id": realm.id,
        "team_alias": realm.name,
        "organization_id": realm.parent,
        "admins": ids(true),
        "members": ids(false),
        "members_with_roles": with_roles.collect::<Vec<_>>(),
        "team_member_permissions": [],
        "default_team_member_models": [],
        "model_spend": {},
        "model_max_budget": {},
    })));
    Ok(fields)
}

/// What teams and organizations have alike.
///
/// # Errors
/// 503 if what was spent cannot be read.
pub(in crate::http::litellm) fn shared(
    app: &App,
    control: &Control,
    realm: &Realm,
) -> Result<Map<String, Value>, ApiError> {
    let now = app.pipeline.clock.now();
    let granted = control.grants.get(&realm.id).map_or_else(Allowed::none, |grants| grants.allowed.clone());
    let mut fields = nulls(&NULL_FIELDS);
    fields.extend(object(json!({
        "metadata": metadata(realm),
        "models": model_list::listed(&granted),
        "spend": usd(spend_of_realm(app, control, &realm.id)?),
        "max_budget": null,
        "budget_duration": null,
        "rpm_limit": realm.limits.requests_per_minute,
        "tpm_limit": realm.limits.tokens_per_minute,
        "max_parallel_requests": realm.limits.parallel_requests,
        "blocked": realm.suspended.is_some(),
        "created_at": realm.trail.created.at,
        "created_by": name(&realm.trail.created.by),
        "updated_at": realm.trail.changed.at,
        "updated_by": name(&realm.trail.changed.by),
    })));
    let budget = control.budget(&Scope::Realm(realm.id.clone()));
    fields.extend(budgets::row::attached(app, budget));
    if let Some(limit) = budget.and_then(|budget| budget.limits.first()) {
        fields.insert("max_budget".to_owned(), usd(limit.limit_nano_usd));
        fields.insert("budget_duration".to_owned(), json!(duration::written(limit.period)));
        fields.insert("budget_reset_at".to_owned(), budget::resets_at(limit, now));
    }
    Ok(fields)
}

/// What people attached, without what was attached for them.
fn metadata(realm: &Realm) -> Value {
    let mut metadata = realm.metadata.to_value();
    if let Some(fields) = metadata.as_object_mut() {
        fields.remove(ORGANIZATION);
    }
    metadata
}

/// The realms that are shown as teams: all but the first one and organizations, in the order of their ids.
pub(in crate::http::litellm) fn teams(control: &Control) -> impl Iterator<Item = &Realm> {
    let is_team = |realm: &&Realm| {
        realm.removed.is_none()
            && realm.id != RealmId::default_realm()
            && !super::request::is_organization(&realm.metadata)
    };
    control.realms.iter().map(|(_, realm)| realm.as_ref()).filter(is_team)
}
