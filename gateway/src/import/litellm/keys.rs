//! Virtual keys: their hashes are the same here, so that the secrets that people have go on working.

use serde_json::{Map, Value, json};
use tallygate_adapters::litellm::database::{Database, Table};
use tallygate_core::command::Command;
use tallygate_core::time::Timestamp;

use super::Item;
use super::report::{Kind, Report};
use super::rows::{self, Budgets};
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::keys::imported::{self, KeyFacts};
use crate::import::ImportError;

/// The team of the sessions of LiteLLM's own pages: their keys are nobody's.
pub(super) const DASHBOARD: &str = "litellm-dashboard";

/// The columns that are fields of `/key/generate`, those that it refuses among them.
const FIELDS: [&str; 28] = [
    "access_group_ids",
    "agent_id",
    "aliases",
    "allowed_cache_controls",
    "allowed_routes",
    "auto_rotate",
    "blocked",
    "budget_duration",
    "budget_fallbacks",
    "budget_limits",
    "config",
    "key_alias",
    "max_budget",
    "max_parallel_requests",
    "metadata",
    "model_max_budget",
    "models",
    "permissions",
    "policies",
    "project_id",
    "router_settings",
    "rpm_limit",
    "team_id",
    "tpd_limit",
    "tpm_limit",
    "user_id",
    "key_type",
    "tags",
];

/// The commands for all keys.
pub(super) async fn items(
    database: &Database,
    budgets: &Budgets,
    now: Timestamp,
    report: &mut Report,
) -> Result<Vec<Item>, ImportError> {
    let mut items = Vec::new();
    for row in database.rows(Table::Keys).await? {
        if rows::text(&row, "team_id") == DASHBOARD {
            continue;
        }
        let hash = rows::text(&row, Table::Keys.key());
        let name = rows::said(&row, "key_alias").or(rows::said(&row, "key_name")).unwrap_or(hash).to_owned();
        match item(&row, budgets, now) {
            Ok(Some((commands, begins_anew))) => {
                if begins_anew {
                    report.left(Kind::Key, &name, "what it spent in the window that is open: its budget begins anew");
                } else if rows::spent(&row).nano() > 0
                    && !commands.iter().any(|command| matches!(command, Command::SetBudget(_)))
                {
                    report.left(Kind::Key, &name, "what it spent: here it begins with nothing");
                }
                items.push(Item { kind: Kind::Key, name, commands });
            }
            Ok(None) => report.left(Kind::Key, &name, "it has expired"),
            Err(error) => report.left(Kind::Key, &name, &told(&error)),
        }
    }
    Ok(items)
}

type Commands = (Vec<Command>, bool);

fn item(row: &Value, budgets: &Budgets, now: Timestamp) -> Result<Option<Commands>, ApiError> {
    let expires_at = rows::moment(row, "expires").transpose().map_err(|error| invalid("expires", &error))?;
    if expires_at.is_some_and(|at| at <= now) {
        return Ok(None);
    }
    refuse(row, &["object_permission_id"])?;
    let fields = fields(row, budgets);
    let facts = KeyFacts {
        hash: rows::text(row, Table::Keys.key()),
        shown: rows::said(row, "key_name"),
        expires_at,
        spent: rows::spent(row),
    };
    let imported = imported::commands(&Value::Object(fields), &facts, now)?;
    Ok(Some((imported.commands, imported.begins_anew)))
}

/// The fields of `/key/generate`. A key of an organization without a team belongs to the organization's realm.
fn fields(row: &Value, budgets: &Budgets) -> Map<String, Value> {
    let mut fields = rows::fields(row, &FIELDS, budgets);
    if !fields.contains_key("team_id")
        && let Some(organization) = rows::said(row, "organization_id")
    {
        fields.insert("team_id".to_owned(), json!(organization));
    }
    fields
}

/// Refuses a row that has something which would not be kept.
///
/// # Errors
/// 400, naming the first such column.
pub(super) fn refuse(row: &Value, names: &[&str]) -> Result<(), ApiError> {
    let says = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::String(text) => !text.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    };
    match names.iter().find(|name| row.get(**name).is_some_and(says)) {
        Some(name) => Err(invalid(name, "it would not be kept here")),
        None => Ok(()),
    }
}

/// The error for a column that cannot be carried over.
pub(super) fn invalid(name: &str, why: &str) -> ApiError {
    ApiError::new(ErrorCode::ParameterInvalid, why).param(name)
}

/// What is said of a row that cannot be carried over.
pub(super) fn told(error: &ApiError) -> String {
    match error.param.as_deref() {
        Some(param) => format!("`{param}`: {}", error.message),
        None => error.message.clone(),
    }
}
