//! Budgets that rows refer to. One that several have is a named budget here: whoever changes it there means all of them.
//!
//! One that a single row has is that one's own: LiteLLM makes such a row for each organization, end user and tag with a limit.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use tallygate_adapters::litellm::database::{Database, DatabaseError, Table};
use tallygate_core::budget::NewBudgetLimit;
use tallygate_core::id::BudgetId;
use tallygate_core::named_budget::RegisterNamedBudget;
use tallygate_core::scope::Scope;
use tallygate_core::time::Timestamp;

use super::report::{Kind, Report};
use super::rows;
use super::{Item, keys};
use crate::http::error::ApiError;
use crate::http::litellm::keys::imported;
use crate::http::litellm::keys::imported::budget::{ImportedBudget, Spent, limits_of, named, own};

/// What a budget says of money.
const MONEY: [&str; 3] = ["max_budget", "budget_duration", "soft_budget"];
/// What it says of rates.
const RATES: [&str; 3] = ["max_parallel_requests", "tpm_limit", "rpm_limit"];
/// What would restrict those who have it, and is not kept here.
const NOT_KEPT: [&str; 3] = ["model_max_budget", "tpd_limit", "allowed_models"];

/// The rows of budgets, and those of them that are named budgets here.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    rows: BTreeMap<String, Value>,
    named: BTreeMap<String, (BudgetId, Vec<NewBudgetLimit>)>,
}

impl Budgets {
    /// Reads them, with the commands for those that are named.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(super) async fn read(
        database: &Database,
        now: Timestamp,
        report: &mut Report,
    ) -> Result<(Self, Vec<Item>), DatabaseError> {
        let mut having: BTreeMap<String, i64> = BTreeMap::new();
        for table in [Table::Organizations, Table::Keys, Table::EndUsers, Table::Tags] {
            for (budget, count) in database.references(table).await? {
                *having.entry(budget).or_default() += count;
            }
        }
        let of_members = database.references(Table::TeamMembers).await?;
        let of_members: BTreeSet<String> = of_members.into_iter().map(|(budget, _)| budget).collect();
        let (mut budgets, mut items) = (Self::default(), Vec::new());
        for row in database.rows(Table::Budgets).await? {
            let id = rows::text(&row, Table::Budgets.key()).to_owned();
            let is_named = having.get(&id).map_or(!of_members.contains(&id), |count| *count > 1);
            if is_named {
                match budgets.name(&row, now) {
                    Ok(command) => {
                        if command.limits.is_empty() && row.get("soft_budget").is_some_and(|soft| !soft.is_null()) {
                            report.left(Kind::Budget, &id, "its `soft_budget`: there is no limit beside it");
                        }
                        items.push(Item::new(Kind::Budget, &id, vec![command.into()]));
                    }
                    Err(error) => report.left(Kind::Budget, &id, &keys::told(&error)),
                }
            }
            budgets.rows.insert(id, row);
        }
        Ok((budgets, items))
    }

    /// Gives a budget its name.
    fn name(&mut self, row: &Value, now: Timestamp) -> Result<RegisterNamedBudget, ApiError> {
        keys::refuse(row, &NOT_KEPT)?;
        let id = rows::text(row, Table::Budgets.key());
        let budget = BudgetId::new(id).map_err(|error| keys::invalid(Table::Budgets.key(), &error.to_string()))?;
        let of = |names: &[&str]| Value::Object(rows::fields(row, None, names));
        let (limits, soft) = limits_of(&of(&MONEY), resets_at(row, None)?, now)?;
        let rates = imported::rates_of(&of(&RATES))?;
        self.named.insert(id.to_owned(), (budget.clone(), limits.clone()));
        let told_at_nano_usd = soft.filter(|_| !limits.is_empty());
        Ok(RegisterNamedBudget { budget, limits, rates, told_at_nano_usd })
    }

    /// The budget of a scope, by the row that has it.
    ///
    /// # Errors
    /// 400 for what is no amount, no duration and no moment.
    pub(super) fn of(&self, row: &Value, scope: Scope, now: Timestamp) -> Result<ImportedBudget, ApiError> {
        let spent = Spent { amount: rows::spent(row), resets_at: resets_at(row, self.row_of(row))? };
        if let Some((budget, limits)) = self.named_of(row) {
            return Ok(named(budget.clone(), limits, scope, spent, now));
        }
        let mut fields = rows::fields(row, self.row_of(row), &MONEY);
        if !fields.contains_key("max_budget") {
            fields.remove("soft_budget");
        }
        own(&Value::Object(fields), scope, spent, now)
    }

    /// The rate limits, and others of these fields, that a row has: where it says nothing itself, those of a budget that it
    /// alone has.
    pub(super) fn fields(&self, row: &Value, names: &[&str]) -> Map<String, Value> {
        let shared = self.row_of(row).filter(|_| self.named_of(row).is_none());
        let mut fields = rows::fields(row, shared, &RATES);
        fields.retain(|name, _| names.contains(&name.as_str()));
        fields.extend(rows::fields(row, None, names));
        fields
    }

    /// What the budget that a row refers to has, and would not be kept here.
    ///
    /// # Errors
    /// 400, naming the column.
    pub(super) fn refuse(&self, row: &Value) -> Result<(), ApiError> {
        self.row_of(row).map_or(Ok(()), |budget| keys::refuse(budget, &NOT_KEPT))
    }

    /// Whether a row refers to a budget that limits something.
    pub(super) fn limits(&self, row: &Value) -> bool {
        let says = |budget: &Value| {
            let mut names = MONEY.iter().chain(&RATES).chain(&NOT_KEPT);
            names.any(|name| keys::refuse(budget, &[name]).is_err())
        };
        self.row_of(row).is_some_and(says)
    }

    fn row_of(&self, row: &Value) -> Option<&Value> {
        rows::said(row, "budget_id").and_then(|id| self.rows.get(id))
    }

    /// The named budget of a row. Limits of its own go before it.
    fn named_of(&self, row: &Value) -> Option<&(BudgetId, Vec<NewBudgetLimit>)> {
        let has_own = MONEY.iter().any(|name| row.get(*name).is_some_and(|value| !value.is_null()));
        rows::said(row, "budget_id").filter(|_| !has_own).and_then(|id| self.named.get(id))
    }
}

/// When the window of a row ends, by itself or by its budget.
fn resets_at(row: &Value, budget: Option<&Value>) -> Result<Option<Timestamp>, ApiError> {
    const COLUMN: &str = "budget_reset_at";
    let moment = rows::moment(row, COLUMN).or_else(|| budget.and_then(|budget| rows::moment(budget, COLUMN)));
    moment.transpose().map_err(|error| keys::invalid(COLUMN, &error))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;
    use tallygate_core::command::Command;
    use tallygate_core::id::BudgetId;
    use tallygate_core::scope::Scope;
    use tallygate_core::time::Timestamp;

    use super::Budgets;

    const NOW: Timestamp = Timestamp::from_millis(1_795_169_730_123);

    fn budgets() -> Budgets {
        let one = json!({ "budget_id": "one", "max_budget": 5, "rpm_limit": 7, "metadata": 1 });
        let many = json!({ "budget_id": "many", "max_budget": 5, "rpm_limit": 7, "model_max_budget": {"a": 1} });
        let named = BTreeMap::from([("many".to_owned(), (BudgetId::new("many").unwrap(), Vec::new()))]);
        Budgets { rows: BTreeMap::from([("one".to_owned(), one), ("many".to_owned(), many)]), named }
    }

    #[test]
    fn what_a_row_does_not_say_the_budget_says_that_it_alone_has() {
        let names = ["rpm_limit", "tpm_limit", "metadata"];
        let of = |row: serde_json::Value| json!(budgets().fields(&row, &names));
        assert_eq!(of(json!({ "budget_id": "one", "tpm_limit": 9 })), json!({ "rpm_limit": 7, "tpm_limit": 9 }));
        assert_eq!(of(json!({ "budget_id": "one", "rpm_limit": 9 })), json!({ "rpm_limit": 9 }));
        assert_eq!(of(json!({ "budget_id": "many" })), json!({}), "a named budget says it of all who have it");
    }

    #[test]
    fn who_shares_a_budget_has_it_by_its_name_and_limits_of_ones_own_go_before_it() {
        let of = |row: serde_json::Value| budgets().of(&row, Scope::Gateway, NOW).unwrap().commands;
        assert!(matches!(&of(json!({ "budget_id": "many" }))[..], [Command::AttachBudget(_)]));
        assert!(matches!(&of(json!({ "budget_id": "many", "max_budget": 3 }))[..], [Command::SetBudget(_)]));
        assert!(matches!(&of(json!({ "budget_id": "one" }))[..], [Command::SetBudget(_)]));
        assert!(of(json!({})).is_empty());
    }

    #[test]
    fn what_a_budget_restricts_and_is_not_kept_is_named() {
        let refused = budgets().refuse(&json!({ "budget_id": "many" })).unwrap_err();
        assert_eq!(refused.param.as_deref(), Some("model_max_budget"));
        assert!(budgets().refuse(&json!({ "budget_id": "one" })).is_ok());
    }
}
