//! What was spent, where an answer tells it.

use std::time::Duration;

use tallygate_core::money::NanoUsd;
use tallygate_projections::{KeyRow, StoreError};

use crate::http::App;
use crate::http::error::ApiError;
use crate::pipeline::refusal;
use crate::spending::NotHeld;

/// How long an answer waits for what this gateway has recorded itself. While the activity log is away it is answered
/// from what is known.
const CATCH_UP: Duration = Duration::from_secs(1);

/// Waits until what this gateway has recorded is in the views, so that a request that was answered is counted.
pub(super) async fn catch_up(app: &App) {
    let (activity, views) = (&app.pipeline.activity, &app.pipeline.views.activity);
    let promised = activity.promised();
    let counted = async {
        activity.until_written(promised).await;
        let _ = views.wait_for(activity.chain(), promised).await;
    };
    let _ = tokio::time::timeout(CATCH_UP, counted).await;
}

/// What a key spent: in the open window of its budget, as the ledger counts it, with what running requests hold; in
/// all, if it has no budget.
///
/// # Errors
/// 503 if it cannot be read.
pub(super) fn spend_of_key(app: &App, row: &KeyRow) -> Result<NanoUsd, ApiError> {
    let first = row.budget.as_deref().and_then(|budget| Some((&budget.scope, budget.limits.first()?)));
    let Some((scope, limit)) = first else { return total_of_key(app, row) };
    let pipeline = &app.pipeline;
    pipeline.spending.counted(scope, limit, pipeline.clock.now()).map_err(|not_held| match not_held {
        NotHeld::Exhausted(exhausted) => refusal::budget(&exhausted, pipeline.settings.budget_exceeded_status),
        NotHeld::Unavailable(reason) => refusal::budget_unavailable(reason),
    })
}

/// What a key spent in all.
fn total_of_key(app: &App, row: &KeyRow) -> Result<NanoUsd, ApiError> {
    let totals = app.pipeline.views.activity.spend_of_key(row.key.id).map_err(|error| unreadable(&error))?;
    Ok(totals.cost_nano_usd)
}

/// The views of what was spent cannot be read.
pub(super) fn unreadable(error: &StoreError) -> ApiError {
    refusal::views(error)
}
