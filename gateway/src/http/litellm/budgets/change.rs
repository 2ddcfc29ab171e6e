//! `POST /budget/new`, `/budget/update` and `/budget/delete`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde_json::Value;
use tallygate_core::command::Command;
use tallygate_core::id::BudgetId;
use tallygate_core::limits::{Limits, LimitsPatch};
use tallygate_core::named_budget::{RegisterNamedBudget, RemoveNamedBudget, ReviseNamedBudget, registered};
use tallygate_core::patch::Patch;

use super::refused::{not_found, refused};
use super::row;
use crate::http::App;
use crate::http::body;
use crate::http::error::ApiError;
use crate::http::litellm::change::{carry_out, changed};
use crate::http::litellm::fields::Fields;
use crate::http::litellm::keys::budget::BudgetRequest;
use crate::http::litellm::unsupported::refuse;
use crate::http::operator::{self, Manager};

/// What would have no effect yet.
const UNSUPPORTED: [&str; 2] = ["budget_reset_at", "model_max_budget"];
const NAME: &str = "budget_id";

/// Registers a named budget, under an id of its own where none is given.
pub(super) async fn new(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/budget/new").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let asked = Asked::read(&fields)?;
    let budget = match fields.id(NAME, BudgetId::new)? {
        Patch::Set(id) => id,
        Patch::Keep | Patch::Clear => {
            let made = app.pipeline.ids.uuid().to_string();
            BudgetId::new(made).map_err(|error| fields.refused(NAME, &error.to_string()))?
        }
    };
    let mut rates = Limits::default();
    asked.rates.apply(&mut rates);
    let limits = asked.budget.limits(&[], app.pipeline.clock.now())?.unwrap_or_default();
    let told_at_nano_usd = asked.budget.soft().clone().into_value();
    let command = RegisterNamedBudget { budget: budget.clone(), limits, rates, told_at_nano_usd };
    answer(&app, manager, command.into(), &budget).await
}

/// Changes a named budget, and so the budget of each of its holders. Only the fields that are sent change.
pub(super) async fn update(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/budget/update").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let asked = Asked::read(&fields)?;
    let id = fields.text(NAME)?.into_value().ok_or_else(|| fields.missing(NAME))?;
    let budget = BudgetId::new(&id).map_err(|_| not_found(&id, NAME))?;
    let snapshot = app.pipeline.views.control.snapshot();
    let current = registered(&snapshot.control, &budget).map_err(|_| not_found(&id, NAME))?;
    let limits = asked.budget.limits(&current.limits, app.pipeline.clock.now())?;
    let told_at_nano_usd = asked.budget.soft().clone();
    let command = ReviseNamedBudget { budget: budget.clone(), limits, rates: asked.rates, told_at_nano_usd };
    answer(&app, manager, command.into(), &budget).await
}

/// Removes a named budget that nobody has, and answers with what it was.
pub(super) async fn delete(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let manager = operator::manager(&app, &headers, "/budget/delete").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let fields = Fields::read(&bytes)?;
    let id = fields.text("id")?.into_value().ok_or_else(|| fields.missing("id"))?;
    let budget = BudgetId::new(&id).map_err(|_| not_found(&id, "id"))?;
    let snapshot = app.pipeline.views.control.snapshot();
    let current = registered(&snapshot.control, &budget).map_err(|_| not_found(&id, "id"))?;
    let commands = vec![RemoveNamedBudget { budget }.into()];
    let position = carry_out(&app, manager.actor, commands).await.map_err(refused)?;
    Ok(changed(position, Value::Object(row::row(&app, current))))
}

/// What a request says about a named budget, but for its name.
struct Asked {
    budget: BudgetRequest,
    rates: LimitsPatch,
}

impl Asked {
    fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        refuse(fields, &UNSUPPORTED)?;
        let rates = LimitsPatch {
            requests_per_minute: fields.count("rpm_limit")?,
            tokens_per_minute: fields.count("tpm_limit")?,
            parallel_requests: fields.count("max_parallel_requests")?,
        };
        Ok(Self { budget: BudgetRequest::read(fields)?, rates })
    }
}

async fn answer(app: &App, by: Manager, command: Command, budget: &BudgetId) -> Result<Response, ApiError> {
    let position = carry_out(app, by.actor, vec![command]).await.map_err(refused)?;
    let snapshot = app.pipeline.views.control.snapshot();
    let row = registered(&snapshot.control, budget).map_err(|_| not_found(budget.as_str(), NAME))?;
    Ok(changed(position, Value::Object(row::row(app, row))))
}
