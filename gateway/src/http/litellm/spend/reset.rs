//! `POST /global/spend/reset`: the budgets of all keys and teams count from now on.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::json;
use tallygate_core::budget::ResetBudget;
use tallygate_core::command::{Command, TOGETHER_MAX};
use tallygate_core::control::Control;
use tallygate_core::scope::Scope;
use tallygate_projections::{PAGE_ROWS_MAX, Page};

use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::keys::find;
use crate::http::operator;

/// An event a budget, so that history says when it began anew and what was spent before stays on record. The budgets of many
/// keys are reset in steps, each all or none.
///
/// Cancellation: what was reset stays so.
pub(super) async fn reset(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    let actor = operator::authorize(&app, &headers, "/global/spend/reset").await?;
    let snapshot = app.pipeline.views.control.snapshot();
    let mut scopes = of_realms(&snapshot.control);
    scopes.extend(of_keys(&app).await?);
    let mut position = snapshot.position();
    for step in scopes.chunks(TOGETHER_MAX) {
        let commands: Vec<Command> = step.iter().cloned().map(|scope| ResetBudget { scope }.into()).collect();
        position = carry_out(&app, actor.clone(), commands).await?;
    }
    let body = json!({ "message": "Spend for all API Keys and Teams reset successfully", "status": "success" });
    Ok(changed(position, body))
}

/// Budgets of realms that are there.
fn of_realms(control: &Control) -> Vec<Scope> {
    let here = control.realms.iter().filter(|(_, realm)| realm.removed.is_none());
    let scopes = here.map(|(id, _)| Scope::Realm(id.clone()));
    scopes.filter(|scope| control.budget(scope).is_some_and(|budget| !budget.limits.is_empty())).collect()
}

/// Budgets of keys that are not revoked.
async fn of_keys(app: &App) -> Result<Vec<Scope>, ApiError> {
    let view = app.pipeline.views.control.clone();
    // The rows are on disk.
    let read = tokio::task::spawn_blocking(move || {
        let (mut scopes, mut skip) = (Vec::new(), 0);
        loop {
            let rows = view.keys_of_all_realms_for_operator(Page { skip, rows: PAGE_ROWS_MAX })?.keys;
            let is_last = rows.len() < PAGE_ROWS_MAX;
            let has_budget = rows.iter().filter(|row| {
                row.key.revoked.is_none() && row.budget.as_deref().is_some_and(|budget| !budget.limits.is_empty())
            });
            scopes.extend(has_budget.map(|row| Scope::Key(row.key.id)));
            if is_last {
                return Ok(scopes);
            }
            skip += PAGE_ROWS_MAX;
        }
    });
    let read = read.await.map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?;
    read.map_err(|error| find::unreadable(&error))
}
