//! Budgets of all scopes but keys, each under the realm that it is accounted under.

use std::sync::Arc;

use tallygate_core::budget::Budget;
use tallygate_core::control::Control;

use super::light;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

pub(crate) const BUDGETS: RowTable<Budget> = RowTable::new(7, 2, "budgets");

pub(crate) fn load(store: &Store, control: &mut Control) -> Result<(), StoreError> {
    light::load(store, &BUDGETS, |budget| control.budgets.load(budget.scope.clone(), Arc::new(budget)))
}

pub(crate) fn write(control: &mut Control, writes: &mut Writes) -> Result<(), StoreError> {
    light::write(control.budgets.take_touched(), &BUDGETS, writes, |scope, budget| {
        RowKey::of(&BUDGETS).realm(budget.realm.as_ref()).text(&scope.to_string())
    })
}
