//! Realms and models as the control plane shows them.

use serde_json::{Value, json};
use tallygate_adapters::litellm::amount::usd;
use tallygate_core::budget::BudgetLimit;
use tallygate_core::control::Control;
use tallygate_core::id::{ModelName, RealmId};
use tallygate_core::model_pattern::Allowed;
use tallygate_core::realm::Realm;
use tallygate_core::registry::Model;
use tallygate_core::scope::Scope;
use tallygate_core::time::Period;

use super::realm_key;
use crate::http::App;
use crate::http::error::ApiError;

/// A realm.
///
/// # Errors
/// When the views cannot be read.
pub(super) fn realm(app: &App, control: &Control, realm: &Realm) -> Result<Value, ApiError> {
    let agents = control.agents.iter().filter(|(_, agent)| agent.membership(&realm.id).is_some());
    Ok(json!({
        "id": realm.id,
        "name": name_of(realm),
        "parentId": realm.parent,
        "suspended": realm.suspended.is_some(),
        "metadata": realm.metadata,
        "hasVirtualKey": realm_key::find(app, &realm.id)?.is_some(),
        "models": models_of(control, &realm.id),
        "agents": agents.map(|(id, _)| id).collect::<Vec<_>>(),
        "budget": budget(control, &Scope::Realm(realm.id.clone())),
        "createdAt": realm.trail.created.at,
        "updatedAt": realm.trail.changed.at,
    }))
}

/// What a realm is called, at least by its id.
pub(super) fn name_of(realm: &Realm) -> &str {
    realm.name.as_deref().unwrap_or(realm.id.as_str())
}

/// The models that a realm may call, by name.
pub(super) fn models_of(control: &Control, realm: &RealmId) -> Vec<Value> {
    control.callable_models(realm, &Allowed::All).map(|model| in_short(model)).collect()
}

/// A model as lists within other things have it.
pub(super) fn in_short(model: &Model) -> Value {
    let deployment = model.deployments.first();
    let info = deployment.map(|deployment| deployment.info.to_value()).unwrap_or_default();
    json!({
        "id": model.id,
        "name": info["name"].as_str().unwrap_or(model.name.as_str()),
        "provider": deployment.map(|deployment| &deployment.vendor),
        "modelId": deployment.map(|deployment| &deployment.upstream_model),
        "litellmModelName": model.name,
    })
}

/// A model, whole.
pub(super) fn model(control: &Control, model: &Model) -> Value {
    let deployment = model.deployments.first();
    let mut shown = in_short(model);
    shown["baseUrl"] = json!(deployment.and_then(|deployment| deployment.base_url.as_ref()));
    shown["hasApiKey"] = json!(deployment.is_some_and(|deployment| deployment.credential.is_some()));
    shown["deployments"] = json!(model.deployments.len());
    shown["realmId"] = json!(model.realm);
    let granted = control.realms.iter().filter(|(id, _)| may_call(control, id, model));
    shown["realms"] = granted.map(|(id, _)| json!(id)).collect();
    shown["createdAt"] = json!(model.trail.created.at);
    shown["updatedAt"] = json!(model.trail.changed.at);
    shown
}

/// Whether a realm may call just this model by its name.
pub(super) fn may_call(control: &Control, realm: &RealmId, model: &Model) -> bool {
    control.realm_may_call(realm, &model.name)
        && control.visible_model(realm, &model.name).is_some_and(|seen| seen.id == model.id)
}

/// The monthly limit of a scope, and all of its limits; null where it has none.
pub(super) fn budget(control: &Control, scope: &Scope) -> Value {
    let limits = limits_of(control, scope);
    if limits.is_empty() {
        return Value::Null;
    }
    json!({ "monthlyUsd": monthly(limits), "limits": limits })
}

/// The monthly limit of a model within a realm in dollars, null where it has none.
pub(super) fn monthly_of(control: &Control, realm: &RealmId, model: &ModelName) -> Value {
    monthly(limits_of(control, &Scope::Model(realm.clone(), model.clone())))
}

fn monthly(limits: &[BudgetLimit]) -> Value {
    let monthly = limits.iter().find(|limit| limit.period == Period::Months(1));
    monthly.map_or(Value::Null, |limit| usd(limit.limit_nano_usd))
}

fn limits_of<'c>(control: &'c Control, scope: &Scope) -> &'c [BudgetLimit] {
    control.budget(scope).map_or(&[], |budget| &budget.limits)
}
