//! Organizations and teams, which are realms here: an organization is the parent of its teams.

use serde_json::{Value, json};
use tallygate_adapters::litellm::database::{Database, Table};
use tallygate_core::budget::SetBudget;
use tallygate_core::command::Command;
use tallygate_core::id::RealmId;
use tallygate_core::json::Json;
use tallygate_core::port::clock::Clock as _;
use tallygate_core::realm::{RegisterRealm, SuspendRealm};
use tallygate_core::scope::Scope;
use tallygate_core::time::Period;

use super::report::{Kind, Report};
use super::rows::{self, Budgets};
use super::{Item, keys};
use crate::http::error::ApiError;
use crate::http::litellm::keys::imported;
use crate::import::ImportError;
use crate::system::SystemClock;

/// The fields of a row that a realm keeps.
const FIELDS: [&str; 5] = ["max_budget", "budget_duration", "max_parallel_requests", "tpm_limit", "rpm_limit"];
/// What would restrict a team and is not kept here: its keys could do more than there.
const NOT_KEPT: [&str; 6] =
    ["model_max_budget", "budget_limits", "tpd_limit", "policies", "access_group_ids", "object_permission_id"];

/// The commands for all of them, parents first.
pub(super) async fn items(
    database: &Database,
    budgets: &Budgets,
    report: &mut Report,
) -> Result<Vec<Item>, ImportError> {
    let mut items = Vec::new();
    for (table, kind) in [(Table::Organizations, Kind::Organization), (Table::Teams, Kind::Team)] {
        for row in database.rows(table).await? {
            let id = rows::text(&row, table.key());
            if id == keys::DASHBOARD {
                continue;
            }
            match commands(&row, table, budgets) {
                Ok((commands, begins_anew)) => {
                    if begins_anew {
                        report.left(kind, id, "what it spent in the window that is open: its budget begins anew");
                    }
                    members(&row, kind, id, report);
                    items.push(Item { kind, name: id.to_owned(), commands });
                }
                Err(error) => report.left(kind, id, &keys::told(&error)),
            }
        }
    }
    Ok(items)
}

fn members(row: &Value, kind: Kind, id: &str, report: &mut Report) {
    let members = row.get("members_with_roles").and_then(Value::as_array).map_or(0, Vec::len);
    if members > 0 {
        report.left(kind, id, &format!("its {members} members: users are not kept"));
    }
}

fn commands(row: &Value, table: Table, budgets: &Budgets) -> Result<(Vec<Command>, bool), ApiError> {
    keys::refuse(row, &NOT_KEPT)?;
    let invalid = |error: &dyn std::fmt::Display| keys::invalid(table.key(), &error.to_string());
    let realm = RealmId::new(rows::text(row, table.key())).map_err(|error| invalid(&error))?;
    let is_team = table == Table::Teams;
    let parent = rows::said(row, "organization_id").filter(|_| is_team);
    let parent = parent.map(RealmId::new).transpose().map_err(|error| invalid(&error))?;
    let alias = if is_team { "team_alias" } else { "organization_alias" };
    let fields = Value::Object(rows::fields(row, &FIELDS, budgets));
    let metadata = row.get("metadata").filter(|value| value.is_object()).cloned().unwrap_or_else(|| json!({}));
    let register = RegisterRealm {
        realm: realm.clone(),
        name: rows::said(row, alias).map(str::to_owned),
        parent,
        models: Some(imported::models_of(&rows::texts(row, "models"))?),
        limits: imported::rates_of(&fields)?,
        metadata: Json::from_value(&metadata).map_err(|error| keys::invalid("metadata", &error))?,
    };
    let mut commands: Vec<Command> = vec![register.into()];
    let spent = rows::spent(row);
    let limits = imported::limits_of(&fields, spent, SystemClock.now())?;
    let begins_anew = spent.nano() > 0 && limits.iter().any(|limit| limit.period != Period::Total);
    if !limits.is_empty() {
        commands.push(SetBudget { scope: Scope::Realm(realm.clone()), limits, reclaim_after_seconds: None }.into());
    }
    if row.get("blocked") == Some(&Value::Bool(true)) {
        commands.push(SuspendRealm { realm }.into());
    }
    Ok((commands, begins_anew))
}
