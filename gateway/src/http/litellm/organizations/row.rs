//! An organization as LiteLLM shows it: the row of its table, with its budget beside it.

use serde_json::{Map, Value, json};
use tallygate_adapters::litellm::amount::usd;
use tallygate_adapters::litellm::duration;
use tallygate_adapters::litellm::role_name;
use tallygate_core::control::Control;
use tallygate_core::realm::Realm;
use tallygate_core::scope::Scope;

use crate::http::App;
use crate::http::error::ApiError;
use crate::http::litellm::keys::row::object;
use crate::http::litellm::teams::find::members;
use crate::http::litellm::teams::row::{shared, team, teams};

/// The row, with its members and, where they are wanted, its teams.
///
/// # Errors
/// 503 if what was spent cannot be read.
pub(super) fn organization(
    app: &App,
    control: &Control,
    realm: &Realm,
    with_teams: bool,
) -> Result<Map<String, Value>, ApiError> {
    let of_it = |team: &&Realm| with_teams && team.parent.as_ref() == Some(&realm.id);
    let of_it = teams(control).filter(of_it).map(|realm| team(app, control, realm)).collect::<Result<Vec<_>, _>>()?;
    let members: Vec<Value> = members(control, &realm.id)
        .iter()
        .map(|(user, role)| {
            json!({ "user_id": user.id, "organization_id": realm.id, "user_role": role_name::name(*role), "spend": null })
        })
        .collect();
    let budget = control.budget(&Scope::Realm(realm.id.clone()));
    let limit = budget.and_then(|budget| budget.limits.first());
    // A budget of its own goes by the realm's name.
    let name = budget.and_then(|budget| budget.named.as_ref()).map_or(realm.id.as_str(), |named| named.as_str());
    let mut fields = shared(app, control, realm)?;
    fields.extend(object(json!({
        "organization_id": realm.id,
        "organization_alias": realm.name,
        "budget_id": name,
        "litellm_budget_table": {
            "budget_id": name,
            "max_budget": limit.map(|limit| usd(limit.limit_nano_usd)),
            "soft_budget": null,
            "max_parallel_requests": realm.limits.parallel_requests,
            "tpm_limit": realm.limits.tokens_per_minute,
            "rpm_limit": realm.limits.requests_per_minute,
            "model_max_budget": null,
            "budget_duration": limit.and_then(|limit| duration::written(limit.period)),
        },
        "model_spend": {},
        "users": null,
        "members": members,
        "teams": of_it,
    })));
    Ok(fields)
}
