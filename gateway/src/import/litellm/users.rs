//! Users, with their memberships. Whoever is left out leaves their keys out too: those would be bound by nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tallygate_adapters::litellm::database::{Database, Table};
use tallygate_core::command::Command;
use tallygate_core::id::{RealmId, UserId};
use tallygate_core::json::Json;
use tallygate_core::scope::Scope;
use tallygate_core::time::Timestamp;
use tallygate_core::user::{BlockUser, RegisterUser, Role};

use super::budgets::Budgets;
use super::report::{Kind, Report};
use super::{Item, keys, rows};
use crate::http::error::ApiError;
use crate::http::litellm::keys::imported;
use crate::import::ImportError;

/// The holder of LiteLLM's master key, to whom it gives what nobody else made. Here that is no user.
const MASTER: &str = "default_user_id";
/// The fields of a row that a user keeps as limits.
const RATES: [&str; 3] = ["max_parallel_requests", "tpm_limit", "rpm_limit"];
/// What would restrict a user and is not kept here: their keys could do more than there.
const NOT_KEPT: [&str; 6] =
    ["allowed_cache_controls", "budget_limits", "model_max_budget", "object_permission_id", "policies", "tpd_limit"];

/// Who is carried over, and who is not.
#[derive(Debug, Default)]
pub(super) struct Users {
    pub(super) items: Vec<Item>,
    /// Those whose keys are left out with them.
    pub(super) left: BTreeSet<String>,
}

/// What each user is in which realm.
type Members = BTreeMap<String, BTreeMap<RealmId, Role>>;

/// The commands for all users, whose memberships are in `realms`.
pub(super) async fn read(
    database: &Database,
    budgets: &Budgets,
    realms: &BTreeSet<RealmId>,
    now: Timestamp,
    report: &mut Report,
) -> Result<Users, ImportError> {
    let mut members = members(database, realms, report).await?;
    let (mut users, mut emails) = (Users::default(), BTreeSet::new());
    for row in database.rows(Table::Users).await? {
        let id = rows::text(&row, Table::Users.key());
        if id == MASTER {
            report.left(Kind::User, id, "it stands for the holder of the master key, who is no user here");
            continue;
        }
        let mut memberships = members.remove(id).unwrap_or_default();
        for team in rows::texts(&row, "teams").iter().filter_map(|team| RealmId::new(team).ok()) {
            if realms.contains(&team) {
                memberships.entry(team).or_default();
            }
        }
        match item(&row, memberships, budgets, now) {
            Ok(mut item) => {
                drop_second_email(&mut item, &mut emails, report);
                users.items.push(item.spent(rows::spent(&row), report));
            }
            Err(error) => {
                report.left(Kind::User, id, &format!("{}. Their keys are left out too", keys::told(&error)));
                users.left.insert(id.to_owned());
            }
        }
    }
    for id in members.keys().filter(|id| *id != MASTER) {
        report.left(Kind::User, id, "there is no such user, only memberships");
    }
    Ok(users)
}

fn item(
    row: &Value,
    memberships: BTreeMap<RealmId, Role>,
    budgets: &Budgets,
    now: Timestamp,
) -> Result<Item, ApiError> {
    keys::refuse(row, &NOT_KEPT)?;
    budgets.refuse(row)?;
    let id = rows::text(row, Table::Users.key());
    let user = UserId::new(id).map_err(|error| keys::invalid(Table::Users.key(), &error.to_string()))?;
    let text = |name| rows::said(row, name).map(str::to_owned);
    let metadata = row.get("metadata").filter(|value| value.is_object()).cloned().unwrap_or_else(|| json!({}));
    let register = RegisterUser {
        user: user.clone(),
        realm: None,
        alias: text("user_alias"),
        email: text("user_email"),
        role: imported::role_of(rows::said(row, "user_role"))?,
        models: imported::models_of(&rows::texts(row, "models"))?,
        limits: imported::rates_of(&Value::Object(budgets.fields(row, &RATES)))?,
        memberships,
        metadata: Json::from_value(&metadata).map_err(|error| keys::invalid("metadata", &error))?,
    };
    let mut commands: Vec<Command> = vec![register.into()];
    // That is how whoever is taken away by SCIM is told there; their keys are refused.
    if metadata.get("scim_active") == Some(&Value::Bool(false)) {
        commands.push(BlockUser { user: user.clone() }.into());
    }
    let budget = budgets.of(row, Scope::User(user), now)?;
    Ok(Item::new(Kind::User, id, commands).with(budget))
}

/// An email address is one user's here. The second one is carried over without, which lets them do no more.
fn drop_second_email(item: &mut Item, emails: &mut BTreeSet<String>, report: &mut Report) {
    for command in &mut item.commands {
        let Command::RegisterUser(register) = command else { continue };
        let Some(email) = register.email.as_deref() else { continue };
        if !emails.insert(email.to_lowercase()) {
            report.left(Kind::User, &item.name, "their email address: another user has it");
            register.email = None;
        }
    }
}

/// The members of all teams and organizations that are carried over.
async fn members(database: &Database, realms: &BTreeSet<RealmId>, report: &mut Report) -> Result<Members, ImportError> {
    let mut members = Members::new();
    let mut add = |of: &str, user: &str, role: Role| {
        let realm = RealmId::new(of).ok().filter(|realm| realms.contains(realm));
        if let Some(realm) = realm.filter(|_| !user.is_empty()) {
            members.entry(user.to_owned()).or_default().insert(realm, role);
        }
    };
    for team in database.rows(Table::Teams).await? {
        let id = rows::text(&team, Table::Teams.key());
        for member in team.get("members_with_roles").and_then(Value::as_array).into_iter().flatten() {
            let user = rows::text(member, "user_id");
            if user.is_empty() && realms.iter().any(|realm| realm.as_str() == id) {
                report.left(Kind::Team, id, "a member who has no `user_id`");
            }
            add(id, user, imported::member_of(rows::text(member, "role")));
        }
    }
    for row in database.rows(Table::OrganizationMembers).await? {
        let role = imported::member_of(rows::text(&row, "user_role"));
        add(rows::text(&row, "organization_id"), rows::text(&row, Table::OrganizationMembers.key()), role);
    }
    Ok(members)
}
