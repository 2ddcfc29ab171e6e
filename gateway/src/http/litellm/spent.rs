//! What was spent, where an answer tells it.

use std::time::Duration;

use tallygate_core::budget::{Budget, BudgetLimit};
use tallygate_core::control::Control;
use tallygate_core::end_user::EndUserRef;
use tallygate_core::id::RealmId;
use tallygate_core::money::NanoUsd;
use tallygate_core::scope::Scope;
use tallygate_core::tag::TagRef;
use tallygate_projections::{Days, KeyRow, Spent, StoreError};

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
    let first = row.budget.as_deref().and_then(|budget| Some((budget, budget.limits.first()?)));
    match first {
        Some((budget, limit)) => in_window(app, budget, limit),
        None => total_of_key(app, row),
    }
}

/// What a realm spent, and what nests in it: in the open window of its budget, as the ledger counts it; in all, if it has
/// no budget.
///
/// # Errors
/// 503 if it cannot be read.
pub(super) fn spend_of_realm(app: &App, control: &Control, realm: &RealmId) -> Result<NanoUsd, ApiError> {
    let scope = Scope::Realm(realm.clone());
    if let Some(counted) = counted(app, control, &scope)? {
        return Ok(counted);
    }
    let mut sum = NanoUsd::ZERO;
    for id in within(control, Some(realm)) {
        let totals = app.pipeline.views.activity.spend_of_realm(id).map_err(|error| unreadable(&error))?;
        sum = sum.saturating_plus(totals.cost_nano_usd);
    }
    Ok(sum)
}

/// What was asked in the name of an end user in all: in the realm that they are registered for and what nests in it, or in
/// all realms.
///
/// # Errors
/// 503 if it cannot be read.
pub(super) fn spend_of_end_user(app: &App, control: &Control, whom: &EndUserRef) -> Result<NanoUsd, ApiError> {
    let mut sum = NanoUsd::ZERO;
    let mut add = |spent: Spent<_>| {
        sum = sum.saturating_plus(spent.totals.cost_nano_usd);
        Ok(())
    };
    for realm in within(control, whom.realm.as_ref()) {
        let read = app.pipeline.views.activity.each_end_user((realm, Some(&whom.id)), Days::ALL, &mut add);
        read.map_err(|error| unreadable(&error))?;
    }
    Ok(sum)
}

/// What was asked under a tag in all: in the realm that it is registered for and what nests in it, or in all realms.
///
/// # Errors
/// 503 if it cannot be read.
pub(super) fn spend_of_tag(app: &App, control: &Control, which: &TagRef) -> Result<NanoUsd, ApiError> {
    let mut sum = NanoUsd::ZERO;
    let mut add = |spent: Spent<_>| {
        sum = sum.saturating_plus(spent.totals.cost_nano_usd);
        Ok(())
    };
    for realm in within(control, which.realm.as_ref()) {
        let read = app.pipeline.views.activity.each_tag((realm, Some(&which.name)), Days::ALL, &mut add);
        read.map_err(|error| unreadable(&error))?;
    }
    Ok(sum)
}

/// Where something counts that belongs to a realm: there, and in what nests in it. What belongs to none counts everywhere.
fn within<'a>(control: &'a Control, realm: Option<&'a RealmId>) -> impl Iterator<Item = &'a RealmId> {
    let all = control.realms.iter().map(|(id, _)| id);
    all.filter(move |id| realm.is_none_or(|realm| control.chain(id).any(|above| above.id == *realm)))
}

/// What counts in the open window of a scope's budget; none if it has no budget.
///
/// # Errors
/// 503 if it cannot be read.
pub(super) fn counted(app: &App, control: &Control, scope: &Scope) -> Result<Option<NanoUsd>, ApiError> {
    let first = control.budget(scope).and_then(|budget| Some((budget, budget.limits.first()?)));
    first.map(|(budget, limit)| in_window(app, budget, limit)).transpose()
}

fn in_window(app: &App, budget: &Budget, limit: &BudgetLimit) -> Result<NanoUsd, ApiError> {
    let pipeline = &app.pipeline;
    pipeline.spending.counted(budget, limit, pipeline.clock.now()).map_err(|not_held| match not_held {
        NotHeld::Exhausted(exhausted) => refusal::budget(&exhausted, pipeline.settings.budget_exceeded_status),
        NotHeld::Unavailable(reason) => refusal::budget_unavailable(reason),
    })
}

/// What a key spent in all.
pub(super) fn total_of_key(app: &App, row: &KeyRow) -> Result<NanoUsd, ApiError> {
    let totals = app.pipeline.views.activity.spend_of_key(row.key.id).map_err(|error| unreadable(&error))?;
    Ok(totals.cost_nano_usd)
}

/// The views of what was spent cannot be read.
pub(super) fn unreadable(error: &StoreError) -> ApiError {
    refusal::views(error)
}
