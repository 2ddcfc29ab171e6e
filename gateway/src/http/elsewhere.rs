//! `POST /api/spend/elsewhere`: an operator tells what was spent elsewhere, by day. It is in the sums then, and in no budget.

mod asked;
mod rows;

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::HeaderMap;
use serde_json::{Value, json};
use tallygate_core::activity::{DaySpent, Event, SPENT_ELSEWHERE_ROWS_MAX, SpentElsewhere};
use tallygate_core::actor::Actor;
use tallygate_core::id::{RealmId, SourceName};
use tallygate_core::stream::Position;

use super::App;
use super::body;
use super::error::ApiError;
use super::error_code::ErrorCode;
use super::operator;
use crate::activity::{Happened, LogAway};
use asked::Asked;

/// How long an answer waits for the views. What is told is counted all the same.
const CATCH_UP: Duration = Duration::from_secs(1);

/// What is news, by the realms of its keys.
type News = BTreeMap<RealmId, Vec<DaySpent>>;

/// Everything is checked before anything is recorded; what says no more than was told before is not recorded again. It is
/// answered when the log has it.
pub(super) async fn tell(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Json<Value>, ApiError> {
    let actor = operator::authorize(&app, &headers, "/api/spend/elsewhere").await?;
    let bytes = body::read(&app.pipeline.settings, &headers, body).await?;
    let asked = Asked::read(&bytes, app.pipeline.clock.now())?;
    let (source, count) = (asked.source.clone(), asked.rows.len());
    let turn = app.pipeline.activity.turn().await.map_err(away)?;
    // What was told before the log was away is no news once it is back.
    catch_up(&app, app.pipeline.activity.promised()).await;
    let of_keys = app.clone();
    // Keys and what was told of them are on disk.
    let news = tokio::task::spawn_blocking(move || rows::news(&of_keys, asked));
    let news = news.await.map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))??;
    let told = news.values().map(Vec::len).sum::<usize>();
    if told > 0 {
        let last = turn.record(events(&actor, &source, news)).await.map_err(away)?;
        catch_up(&app, last).await;
    }
    Ok(Json(json!({ "ok": true, "rows": count, "news": told })))
}

/// One event for some rows of a realm, so that none is too long for a log.
fn events(actor: &Actor, source: &SourceName, news: News) -> Vec<Happened> {
    let mut events = Vec::new();
    for (realm, rows) in news {
        for rows in rows.chunks(SPENT_ELSEWHERE_ROWS_MAX) {
            let told = SpentElsewhere { source: source.clone(), rows: rows.to_vec() };
            events.push(Happened {
                realm: Some(realm.clone()),
                actor: actor.clone(),
                cause: Vec::new(),
                event: Event::SpentElsewhere(told),
            });
        }
    }
    events
}

/// Waits until the sums have what this gateway recorded, so that whoever asks next sees it, and what is told again is no news.
async fn catch_up(app: &App, recorded: Position) {
    let counted = app.pipeline.views.activity.wait_for(app.pipeline.activity.chain(), recorded);
    let _ = tokio::time::timeout(CATCH_UP, counted).await;
}

fn away(_: LogAway) -> ApiError {
    let message = "the activity log is away: tell it again, what was recorded already counts once";
    ApiError::new(ErrorCode::LogUnavailable, message).retry_after(Duration::from_secs(1))
}
