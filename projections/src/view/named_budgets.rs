//! Named budgets, which belong to no realm, and who has them.

use std::sync::Arc;

use tallygate_core::control::Control;
use tallygate_core::id::BudgetId;
use tallygate_core::named_budget::NamedBudget;
use tallygate_core::scope::Scope;
use tallygate_core::stream::Position;

use super::light;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

pub(crate) const NAMED_BUDGETS: RowTable<NamedBudget> = RowTable::new(26, 2, "named budgets");
/// A global index that holds ids alone.
pub(crate) const BUDGET_HOLDERS: RowTable<((BudgetId, Scope), Position)> = RowTable::new(27, 1, "holders of budgets");

pub(crate) fn load(store: &Store, control: &mut Control) -> Result<(), StoreError> {
    light::load(store, &NAMED_BUDGETS, |row| control.named_budgets.load(row.budget.clone(), Arc::new(row)))?;
    light::load(store, &BUDGET_HOLDERS, |(place, since)| control.budget_holders.load(place, Arc::new(since)))
}

pub(crate) fn write(control: &mut Control, writes: &mut Writes) -> Result<(), StoreError> {
    light::write(control.named_budgets.take_touched(), &NAMED_BUDGETS, writes, |id, _| {
        RowKey::of(&NAMED_BUDGETS).realm(None).text(id.as_str())
    })?;
    for (place, since) in control.budget_holders.take_touched() {
        let key = RowKey::of(&BUDGET_HOLDERS).text(place.0.as_str()).text(&place.1.to_string());
        match since {
            Some(since) => writes.put(&BUDGET_HOLDERS, key, &(place, *since))?,
            None => writes.remove(key),
        }
    }
    Ok(())
}
