//! `GET /models/history`: what was chosen for a slot, by whom and when, newest first.

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use tallygate_core::id::SlotName;
use tallygate_core::selection::Choice;
use tallygate_core::stream::Position;
use tallygate_projections::CHOICES_MAX;

use super::asked;
use super::chooser::Chooser;
use super::parameters;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::http::litellm::caller::Caller;
use crate::pipeline::refusal;

/// How many choices are told when nobody says how many.
const ROWS: usize = 20;

/// Which part of which history is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default = "SlotName::current")]
    slot: SlotName,
    /// None for the caller's own.
    scope: Option<String>,
    /// Only what was chosen before this position: the `next` of the page before.
    before: Option<u64>,
    limit: Option<usize>,
}

/// The choices that the scope itself made, in pages. What wider scopes chose stands in their own histories.
pub(super) async fn history(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Json<Value>, ApiError> {
    let caller = Caller::of_any_kind(&app, &headers).await?;
    let Asked { slot, scope, before, limit } = asked::query(&uri)?;
    let chooser = Chooser::new(&app, &caller, scope.as_deref())?;
    let rows = limit.unwrap_or(ROWS);
    if !(1..=CHOICES_MAX).contains(&rows) {
        let message = format!("`limit` is a whole number from 1 to {CHOICES_MAX}");
        return Err(ApiError::new(ErrorCode::ParameterInvalid, message).param("limit"));
    }
    let control = &app.pipeline.views.control;
    let position = control.position();
    let before = before.map_or(Position::new(u64::MAX), Position::new);
    let choices = control
        .choices(chooser.owner().as_ref(), &chooser.scope, &slot, before, rows)
        .map_err(|error| refusal::views(&error))?;
    let next = choices.last().filter(|_| choices.len() == rows).map(|choice| choice.mark.position);
    Ok(Json(json!({
        "slot": slot,
        "scope": chooser.scope,
        "history": choices.iter().map(told).collect::<Vec<_>>(),
        "next": next,
        "position": position,
    })))
}

fn told(choice: &Choice) -> Value {
    json!({
        "position": choice.mark.position,
        "at": choice.mark.at,
        "by": choice.mark.by,
        "from": choice.from,
        "to": choice.to,
        "preset": choice.preset,
        "parameters": choice.to.as_ref().map(|_| parameters::told(&choice.parameters)),
        "undo": choice.undo,
    })
}
