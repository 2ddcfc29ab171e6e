//! Random commands about named budgets, and about the terms of budgets.

use proptest::prelude::{Strategy, prop, prop_oneof};

use super::{moment, paid, patch};
use crate::budget::{AttachBudget, CarrySpend, NewBudgetLimit, Raise, ReviseBudget};
use crate::command::Command;
use crate::limits::Limits;
use crate::money::NanoUsd;
use crate::named_budget::{RegisterNamedBudget, RemoveNamedBudget, ReviseNamedBudget};
use crate::testing::samples::id;
use crate::time::Period;

pub(super) fn about_named_budgets() -> impl Strategy<Value = Command> {
    let limit = (0..9_i64).prop_map(|nano| NewBudgetLimit {
        period: Period::Total,
        anchor: None,
        limit_nano_usd: NanoUsd::new(nano),
    });
    let name = || prop::sample::select(&["free", "paid"][..]).prop_map(id);
    let rates = (0..2_u64).prop_map(|requests| Limits { requests_per_minute: Some(requests), ..Limits::default() });
    let limits = || prop::collection::vec(limit.clone(), 0..2);
    prop_oneof![
        4 => (name(), limits(), rates, prop::option::of(0..9_i64)).prop_map(|(budget, limits, rates, told)| {
            RegisterNamedBudget { budget, limits, rates, told_at_nano_usd: told.map(NanoUsd::new) }.into()
        }),
        3 => (name(), prop::option::of(limits()), super::limits(), patch(0..9_i64)).prop_map(
            |(budget, limits, rates, told)| {
                let told_at_nano_usd = told.try_map(|nano| Ok::<_, ()>(NanoUsd::new(nano))).unwrap_or_default();
                ReviseNamedBudget { budget, limits, rates, told_at_nano_usd }.into()
            }
        ),
        2 => name().prop_map(|budget| RemoveNamedBudget { budget }.into()),
        6 => (paid(), patch(0..9_i64), patch(moment())).prop_map(|(scope, told, until)| {
            let told_at_nano_usd = told.try_map(|nano| Ok::<_, ()>(NanoUsd::new(nano))).unwrap_or_default();
            let raise = until.try_map(|until| Ok::<_, ()>(Raise { by_nano_usd: NanoUsd::new(1), until })).unwrap_or_default();
            ReviseBudget { told_at_nano_usd, raise, ..ReviseBudget::nothing(scope) }.into()
        }),
        4 => (paid(), 0..9_i64, prop::sample::select(&["east", "west"][..])).prop_map(|(scope, nano, source)| {
            let (source, spent_nano_usd) = (source.to_owned(), NanoUsd::new(nano));
            CarrySpend { scope, period: Period::Total, ends_at: None, source, spent_nano_usd }.into()
        }),
        6 => (paid(), name()).prop_map(|(scope, budget)| AttachBudget { scope, budget }.into()),
    ]
}
