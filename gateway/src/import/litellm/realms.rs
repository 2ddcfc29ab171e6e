//! Organizations and teams, which are realms here: an organization is the parent of its teams.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tallygate_adapters::litellm::database::{Database, Table};
use tallygate_core::command::Command;
use tallygate_core::id::RealmId;
use tallygate_core::json::Json;
use tallygate_core::realm::{RegisterRealm, SuspendRealm};
use tallygate_core::scope::Scope;
use tallygate_core::time::Timestamp;

use super::budgets::Budgets;
use super::report::{Kind, Report};
use super::{Item, keys, rows};
use crate::http::error::ApiError;
use crate::http::litellm::keys::imported;
use crate::import::ImportError;

/// The fields of a row that a realm keeps as limits.
const RATES: [&str; 3] = ["max_parallel_requests", "tpm_limit", "rpm_limit"];
/// What would restrict a team and is not kept here: its keys could do more than there.
const NOT_KEPT: [&str; 6] =
    ["model_max_budget", "budget_limits", "tpd_limit", "policies", "access_group_ids", "object_permission_id"];

/// The commands for all of them, parents first.
pub(super) async fn items(
    database: &Database,
    budgets: &Budgets,
    now: Timestamp,
    report: &mut Report,
) -> Result<Vec<Item>, ImportError> {
    let mut items = Vec::new();
    for (table, kind) in [(Table::Organizations, Kind::Organization), (Table::Teams, Kind::Team)] {
        for row in database.rows(table).await? {
            let id = rows::text(&row, table.key());
            if id == keys::DASHBOARD {
                continue;
            }
            match item(&row, (table, kind), budgets, now) {
                Ok(item) => items.push(item.spent(rows::spent(&row), report)),
                Err(error) => report.left(kind, id, &keys::told(&error)),
            }
        }
    }
    Ok(items)
}

/// The realms that some items make.
pub(super) fn of(items: &[Item]) -> BTreeSet<RealmId> {
    let realm = |command: &Command| match command {
        Command::RegisterRealm(register) => Some(register.realm.clone()),
        _ => None,
    };
    items.iter().flat_map(|item| &item.commands).filter_map(realm).collect()
}

fn item(row: &Value, (table, kind): (Table, Kind), budgets: &Budgets, now: Timestamp) -> Result<Item, ApiError> {
    keys::refuse(row, &NOT_KEPT)?;
    budgets.refuse(row)?;
    let invalid = |error: &dyn std::fmt::Display| keys::invalid(table.key(), &error.to_string());
    let id = rows::text(row, table.key());
    let realm = RealmId::new(id).map_err(|error| invalid(&error))?;
    let is_team = table == Table::Teams;
    let parent = rows::said(row, "organization_id").filter(|_| is_team);
    let parent = parent.map(RealmId::new).transpose().map_err(|error| invalid(&error))?;
    let alias = if is_team { "team_alias" } else { "organization_alias" };
    let metadata = row.get("metadata").filter(|value| value.is_object()).cloned().unwrap_or_else(|| json!({}));
    let register = RegisterRealm {
        realm: realm.clone(),
        name: rows::said(row, alias).map(str::to_owned),
        parent,
        models: Some(imported::models_of(&rows::texts(row, "models"))?),
        limits: imported::rates_of(&Value::Object(budgets.fields(row, &RATES)))?,
        metadata: Json::from_value(&metadata).map_err(|error| keys::invalid("metadata", &error))?,
    };
    let mut commands: Vec<Command> = vec![register.into()];
    if row.get("blocked") == Some(&Value::Bool(true)) {
        commands.push(SuspendRealm { realm: realm.clone() }.into());
    }
    let budget = budgets.of(row, Scope::Realm(realm), now)?;
    Ok(Item::new(kind, id, commands).with(budget))
}
