//! Budgets of all scopes but keys, each under the realm that it is accounted under: those of models within a realm in a
//! table of their own, as in memory, so that it is seen at once when there is none.

use std::sync::Arc;

use tallygate_core::budget::Budget;
use tallygate_core::control::Control;
use tallygate_core::scope::Scope;

use super::light;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

pub(crate) const BUDGETS: RowTable<Budget> = RowTable::new(7, 5, "budgets");
pub(crate) const MODEL_BUDGETS: RowTable<Budget> = RowTable::new(25, 3, "budgets of models");

pub(crate) fn load(store: &Store, control: &mut Control) -> Result<(), StoreError> {
    light::load(store, &BUDGETS, |budget| control.budgets.load(budget.scope.clone(), Arc::new(budget)))?;
    light::load(store, &MODEL_BUDGETS, |budget| {
        // No other scope is written there.
        if let Scope::Model(realm, model) = budget.scope.clone() {
            control.model_budgets.load((realm, model), Arc::new(budget));
        }
    })
}

pub(crate) fn write(control: &mut Control, writes: &mut Writes) -> Result<(), StoreError> {
    light::write(control.budgets.take_touched(), &BUDGETS, writes, |scope, budget| {
        RowKey::of(&BUDGETS).realm(budget.realm.as_ref()).text(&scope.to_string())
    })?;
    light::write(control.model_budgets.take_touched(), &MODEL_BUDGETS, writes, |(realm, model), _| {
        RowKey::of(&MODEL_BUDGETS).realm(Some(realm)).text(model.as_str())
    })
}
