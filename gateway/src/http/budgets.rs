//! `GET /api/budgets`: what every window of every budget came to. `GET /api/suspense`: money whose end nobody knows.
//! `POST /api/suspense/close`: an operator says what became of it, on their own word or by a provider's report of usage.

use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};
use tallygate_core::id::WriterId;
use tallygate_core::lease::book::Slice;
use tallygate_core::lease::event::{Closer, Why};
use tallygate_core::lease::slices::Judged;
use tallygate_core::lease::{AccountId, Epoch, Rejection};
use tallygate_core::money::NanoUsd;
use tallygate_core::scope::Scope;

use super::App;
use super::body;
use super::error::ApiError;
use super::error_code::ErrorCode;
use super::operator;
use crate::leases::NotWritten;
use crate::outbox::{Seen, Verdict};

/// The most windows, or amounts in suspense, of one answer.
const ROWS_MAX: usize = 1_000;

/// Which budgets are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    scope: Option<Scope>,
}

/// On whose word an amount is closed.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    /// The operator's own.
    #[default]
    Operator,
    /// The provider's, by its report of usage, which the operator has.
    Provider,
}

/// An operator's word on an amount in suspense.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Closing {
    gateway: WriterId,
    epoch: Epoch,
    why: Why,
    account: AccountId,
    spent_nano_usd: NanoUsd,
    /// The amount that was judged. None: whatever is there.
    amount_nano_usd: Option<NanoUsd>,
    #[serde(default)]
    by: Word,
}

/// The windows of all budgets, or of a scope's: posted, out, in suspense, and by how much a soft one may be overshot.
pub(super) async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/api/budgets").await?;
    let Query(asked) = asked.map_err(|error| ApiError::new(ErrorCode::ParameterInvalid, error.body_text()))?;
    let budgets = app.pipeline.activity.outbox().accounts(ROWS_MAX, |seen| {
        let is_asked = asked.scope.as_ref().is_none_or(|scope| *scope == seen.account.scope);
        is_asked.then(|| budget(&seen)).into_iter().collect()
    });
    Ok(Json(json!({ "budgets": budgets })))
}

/// What is in suspense, with all that `POST /api/suspense/close` asks for.
pub(super) async fn suspense(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    operator::authorize_to_read(&app, &headers, "/api/suspense").await?;
    let rest_ms = app.leases.upkeep.rest_ms;
    let amounts = app.pipeline.activity.outbox().accounts(ROWS_MAX, |seen| in_suspense(&seen, rest_ms));
    Ok(Json(json!({ "suspense": amounts })))
}

/// Closes an amount in suspense: so much of it was spent, the rest is free again.
pub(super) async fn close(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Json<Value>, ApiError> {
    operator::authorize(&app, &headers, "/api/suspense/close").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let closing: Closing = serde_json::from_slice(&bytes)
        .map_err(|error| ApiError::new(ErrorCode::BodyInvalid, format!("Invalid JSON payload: {error}")))?;
    let Closing { gateway, epoch, why, account, spent_nano_usd: spent, amount_nano_usd: amount, by } = closing;
    if spent < NanoUsd::ZERO {
        let message = "`spent_nano_usd` is at least 0";
        return Err(ApiError::new(ErrorCode::ParameterInvalid, message).param("spent_nano_usd"));
    }
    let by = match by {
        Word::Operator => Closer::Operator,
        Word::Provider => Closer::Provider,
    };
    let verdict = Verdict { gateway, epoch, why, account, judged: Judged { amount, spent, by } };
    let (root, position) = app.leases.judge(&verdict).await.map_err(not_written)?;
    Ok(Json(json!({ "ok": true, "chain": root.chain(), "position": position })))
}

fn budget(seen: &Seen<'_>) -> Value {
    let slice = |slice: &Slice| {
        json!({
            "gateway": slice.gateway,
            "epoch": slice.epoch,
            "out_nano_usd": slice.out,
            "spent_nano_usd": slice.spent,
        })
    };
    json!({
        "account": seen.account,
        "open": seen.is_current,
        "ends_at": seen.row.ends_at,
        "limit_nano_usd": seen.row.limit,
        "posted_nano_usd": seen.row.posted,
        "out_nano_usd": seen.row.out(),
        "suspense_nano_usd": seen.row.suspense(),
        "exposed_nano_usd": seen.row.exposed,
        "slices": seen.row.slices().iter().map(slice).collect::<Vec<_>>(),
    })
}

fn in_suspense(seen: &Seen<'_>, rest_ms: u64) -> Vec<Value> {
    let of = |slice: &Slice, why: Why| {
        let amount = slice.suspense(why);
        (amount > NanoUsd::ZERO).then(|| {
            json!({
                "gateway": slice.gateway,
                "epoch": slice.epoch,
                "why": why,
                "account": seen.account,
                "amount_nano_usd": amount,
                "since": slice.suspended_at,
                "rests_for_seconds": rest_ms.saturating_sub(seen.rested_ms(slice)).div_ceil(1_000),
            })
        })
    };
    let slices = seen.row.slices().iter();
    slices.flat_map(|slice| [Why::OutcomeUnknown, Why::GatewayGone].map(|why| of(slice, why))).flatten().collect()
}

fn not_written(error: NotWritten) -> ApiError {
    match error {
        NotWritten::Rejected(rejection @ Rejection::TooEarly(_)) => {
            ApiError::new(ErrorCode::SuspenseTooEarly, rejection.to_string())
        }
        NotWritten::Rejected(rejection @ Rejection::OtherAmount { .. }) => {
            ApiError::new(ErrorCode::SuspenseChanged, rejection.to_string()).param("amount_nano_usd")
        }
        NotWritten::Rejected(rejection) => ApiError::new(ErrorCode::SuspenseNotFound, rejection.to_string()),
        NotWritten::Unavailable(why) => {
            ApiError::new(ErrorCode::LogUnavailable, format!("the lease log does not take it now: {why}"))
                .retry_after(std::time::Duration::from_secs(1))
        }
    }
}
