//! End users and tags: those that rules hold of. One that is left out would be bound by nothing, so what can be kept is kept,
//! and the rest is named.

use std::collections::BTreeMap;

use serde_json::Value;
use tallygate_adapters::litellm::database::{Database, Table};
use tallygate_core::command::Command;
use tallygate_core::end_user::{BlockEndUser, EndUserRef, RegisterEndUser};
use tallygate_core::id::{EndUserId, TagName};
use tallygate_core::scope::Scope;
use tallygate_core::tag::{RegisterTag, TagRef};
use tallygate_core::time::Timestamp;

use super::budgets::Budgets;
use super::report::{Kind, Report};
use super::{Item, keys, rows};
use crate::http::error::ApiError;
use crate::http::litellm::keys::imported;
use crate::import::ImportError;

/// Rate limits of a row, or of its budget.
const RATES: [&str; 3] = ["max_parallel_requests", "tpm_limit", "rpm_limit"];
/// What would restrict what is asked in an end user's name, and is not kept here.
const NOT_KEPT: [&str; 3] = ["allowed_model_region", "object_permission_id", "default_model"];

/// The commands for all end users of whom something holds. LiteLLM has a row for everybody who was ever named.
pub(super) async fn end_users(
    database: &Database,
    budgets: &Budgets,
    now: Timestamp,
    report: &mut Report,
) -> Result<Vec<Item>, ImportError> {
    let (mut items, mut free) = (Vec::new(), 0_u64);
    for row in database.rows(Table::EndUsers).await? {
        let id = rows::text(&row, Table::EndUsers.key());
        let is_blocked = row.get("blocked") == Some(&Value::Bool(true));
        let restricted: Vec<ApiError> = not_kept(&row, budgets);
        if !is_blocked && restricted.is_empty() && rows::said(&row, "alias").is_none() && !budgets.limits(&row) {
            free += 1;
            continue;
        }
        restricted.iter().for_each(|error| report.left(Kind::EndUser, id, &keys::told(error)));
        match end_user(&row, is_blocked, budgets, now) {
            Ok(item) => items.push(item.spent(rows::spent(&row), report)),
            Err(error) => report.left(Kind::EndUser, id, &keys::told(&error)),
        }
    }
    if free > 0 {
        report.left(
            Kind::EndUser,
            &format!("({free} of them)"),
            "no rule holds of them, so they need not be registered",
        );
    }
    Ok(items)
}

fn end_user(row: &Value, is_blocked: bool, budgets: &Budgets, now: Timestamp) -> Result<Item, ApiError> {
    let id = rows::text(row, Table::EndUsers.key());
    let end_user = EndUserId::new(id).map_err(|error| keys::invalid(Table::EndUsers.key(), &error.to_string()))?;
    let limits = imported::rates_of(&Value::Object(budgets.fields(row, &RATES)))?;
    let alias = rows::said(row, "alias").map(str::to_owned);
    let register = RegisterEndUser { end_user: end_user.clone(), realm: None, alias, limits };
    let mut commands: Vec<Command> = vec![register.into()];
    if is_blocked {
        commands.push(BlockEndUser { end_user: end_user.clone(), realm: None }.into());
    }
    let budget = budgets.of(row, Scope::EndUser(EndUserRef { realm: None, id: end_user }), now)?;
    Ok(Item::new(Kind::EndUser, id, commands).with(budget))
}

/// What restricts a row, or its budget, and is not kept.
fn not_kept(row: &Value, budgets: &Budgets) -> Vec<ApiError> {
    let of_row = NOT_KEPT.iter().filter_map(|name| keys::refuse(row, &[name]).err());
    of_row.chain(budgets.refuse(row).err()).collect()
}

/// The commands for all tags. Their models are named by the ids of deployments there.
pub(super) async fn tags(
    database: &Database,
    budgets: &Budgets,
    names: &BTreeMap<String, String>,
    now: Timestamp,
    report: &mut Report,
) -> Result<Vec<Item>, ImportError> {
    let mut items = Vec::new();
    for row in database.rows(Table::Tags).await? {
        let name = rows::text(&row, Table::Tags.key());
        if let Err(error) = budgets.refuse(&row) {
            report.left(Kind::Tag, name, &keys::told(&error));
        }
        match tag(&row, budgets, names, now) {
            Ok(item) => items.push(item.spent(rows::spent(&row), report)),
            Err(error) => report.left(Kind::Tag, name, &keys::told(&error)),
        }
    }
    Ok(items)
}

fn tag(row: &Value, budgets: &Budgets, names: &BTreeMap<String, String>, now: Timestamp) -> Result<Item, ApiError> {
    let name = rows::text(row, Table::Tags.key());
    let tag = TagName::new(name).map_err(|error| keys::invalid(Table::Tags.key(), &error.to_string()))?;
    let models = rows::texts(row, "models");
    let models: Vec<String> = models.into_iter().map(|id| names.get(&id).cloned().unwrap_or(id)).collect();
    let register = RegisterTag {
        tag: tag.clone(),
        realm: None,
        description: rows::said(row, "description").map(str::to_owned),
        models: imported::models_of(&models)?,
        limits: imported::rates_of(&Value::Object(budgets.fields(row, &RATES)))?,
    };
    let budget = budgets.of(row, Scope::Tag(TagRef { realm: None, name: tag }), now)?;
    Ok(Item::new(Kind::Tag, name, vec![register.into()]).with(budget))
}
