//! A comparison that is told once all models have ended.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use serde_json::{Map, Value, json};

use super::entry::{About, Entry};
use super::told::{Ended, News, Summary, figures, head};
use crate::http::App;
use crate::http::error_code::ErrorCode;

/// How much of one answer is kept, in bytes. Longer ones are cut, and say so.
const TEXT_MAX_BYTES: usize = 1024 * 1024;

/// The answers in the order of the models, and the summary.
///
/// Cancellation: each request ends as one whose client leaves.
pub(super) async fn answer(app: &App, entries: Vec<Entry>) -> Response {
    let mut summary = Summary::begin();
    let heard = join_all(entries.into_iter().map(|entry| hear(app, entry))).await;
    let answers = heard.into_iter().map(|heard| heard.tell(&mut summary)).collect::<Vec<_>>();
    Json(json!({ "answers": answers, "summary": summary.tell() })).into_response()
}

/// The answer of one model.
struct Heard {
    about: About,
    text: String,
    is_cut: bool,
    ended: Ended,
}

async fn hear(app: &App, entry: Entry) -> Heard {
    let about = entry.about.clone();
    // A defect would be a model that tells of no end.
    let ended = Ended::Failed(json!({ "code": ErrorCode::Internal.as_str(), "message": "the answer has no end" }));
    let mut heard = Heard { about, text: String::new(), is_cut: false, ended };
    let mut happenings = entry.happenings(app);
    while let Some(happens) = happenings.next().await {
        match happens.into() {
            News::Text(text) => heard.push(&text),
            News::Ended(ended) => heard.ended = ended,
        }
    }
    heard
}

impl Heard {
    fn push(&mut self, text: &str) {
        let room = TEXT_MAX_BYTES - self.text.len();
        let taken = if self.is_cut { "" } else { &text[..text.floor_char_boundary(room)] };
        self.text.push_str(taken);
        self.is_cut |= taken.len() < text.len();
    }

    fn tell(self, summary: &mut Summary) -> Map<String, Value> {
        let came_to = self.about.report.read();
        summary.count(self.about.index, &self.ended, came_to.as_ref());
        let (reason, error) = match self.ended {
            Ended::Whole(reason) => (json!(reason), Value::Null),
            Ended::Failed(error) => (Value::Null, error),
        };
        let mut told = head(&self.about);
        told.extend(figures(came_to.as_ref()));
        told.extend([
            ("text".to_owned(), json!(self.text)),
            ("truncated".to_owned(), json!(self.is_cut)),
            ("finish_reason".to_owned(), reason),
            ("error".to_owned(), error),
        ]);
        told
    }
}
