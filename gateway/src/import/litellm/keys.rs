//! Virtual keys: their hashes are the same here, so that the secrets that people have go on working.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use tallygate_adapters::litellm::database::{Database, Table};
use tallygate_core::scope::Scope;
use tallygate_core::time::Timestamp;

use super::Item;
use super::budgets::Budgets;
use super::report::{Kind, Report};
use super::rows;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::keys::imported::{self, KeyFacts};
use crate::import::ImportError;

/// The team of the sessions of LiteLLM's own pages: their keys are nobody's.
pub(super) const DASHBOARD: &str = "litellm-dashboard";

/// The columns that are fields of `/key/generate`, those that it refuses among them.
const FIELDS: [&str; 26] = [
    "access_group_ids",
    "agent_id",
    "aliases",
    "allowed_cache_controls",
    "allowed_routes",
    "auto_rotate",
    "blocked",
    "budget_fallbacks",
    "budget_limits",
    "config",
    "key_alias",
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

/// What decides whether a key is carried over, beside its own row.
#[derive(Debug)]
pub(super) struct Around<'a> {
    pub(super) budgets: &'a Budgets,
    /// Users who are left out.
    pub(super) left: &'a BTreeSet<String>,
    /// Users who have a budget within a team, which would not hold here.
    pub(super) bound: &'a BTreeSet<(String, String)>,
    pub(super) now: Timestamp,
}

/// The commands for all keys.
pub(super) async fn items(
    database: &Database,
    around: &Around<'_>,
    report: &mut Report,
) -> Result<Vec<Item>, ImportError> {
    let mut items = Vec::new();
    for row in database.rows(Table::Keys).await? {
        if rows::text(&row, "team_id") == DASHBOARD {
            continue;
        }
        let hash = rows::text(&row, Table::Keys.key());
        let name = rows::said(&row, "key_alias").or(rows::said(&row, "key_name")).unwrap_or(hash).to_owned();
        match item(&row, &name, around) {
            Ok(Some(item)) => items.push(item.spent(rows::spent(&row), report)),
            Ok(None) => report.left(Kind::Key, &name, "it has expired"),
            Err(error) => report.left(Kind::Key, &name, &told(&error)),
        }
    }
    Ok(items)
}

fn item(row: &Value, name: &str, around: &Around<'_>) -> Result<Option<Item>, ApiError> {
    let expires_at = rows::moment(row, "expires").transpose().map_err(|error| invalid("expires", &error))?;
    if expires_at.is_some_and(|at| at <= around.now) {
        return Ok(None);
    }
    let (user, team) = (rows::text(row, "user_id"), rows::text(row, "team_id"));
    if around.left.contains(user) {
        return Err(invalid("user_id", "its user is not carried over"));
    }
    if around.bound.contains(&(user.to_owned(), team.to_owned())) {
        return Err(invalid("user_id", "its user has limits within the team, which would not be kept here"));
    }
    refuse(row, &["object_permission_id"])?;
    around.budgets.refuse(row)?;
    let facts = KeyFacts { hash: rows::text(row, Table::Keys.key()), shown: rows::said(row, "key_name"), expires_at };
    let issue = imported::key(&Value::Object(fields(row, around.budgets)), &facts, around.now)?;
    let budget = around.budgets.of(row, Scope::Key(issue.key), around.now)?;
    Ok(Some(Item::new(Kind::Key, name, vec![issue.into()]).with(budget).whose(rows::said(row, "user_id"))))
}

/// Who has limits within which team: LiteLLM's budgets of members.
pub(super) async fn bound(
    database: &Database,
    budgets: &Budgets,
    report: &mut Report,
) -> Result<BTreeSet<(String, String)>, ImportError> {
    let mut bound = BTreeSet::new();
    for row in database.rows(Table::TeamMembers).await? {
        if budgets.limits(&row) {
            let (user, team) = (rows::text(&row, Table::TeamMembers.key()), rows::text(&row, "team_id"));
            let what = format!("the limits of the member {user}: their keys of this team are left out");
            report.left(Kind::Team, team, &what);
            bound.insert((user.to_owned(), team.to_owned()));
        }
    }
    Ok(bound)
}

/// The fields of `/key/generate`. A key of an organization without a team belongs to the organization's realm.
fn fields(row: &Value, budgets: &Budgets) -> Map<String, Value> {
    let mut fields = budgets.fields(row, &FIELDS);
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
