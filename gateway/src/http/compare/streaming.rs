//! A comparison as it happens: events of all models in the order in which they come, and a summary at the end.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream, SelectAll};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde_json::{Map, Value, json};

use super::entry::{About, Entry, Happens};
use super::told::{Ended, News, Summary, figures, head};
use crate::http::App;

/// The answer. Nothing is read of a model faster than the client takes it.
///
/// Cancellation: dropped, each request ends as one whose client leaves.
pub(super) fn answer(app: &App, entries: Vec<Entry>) -> Response {
    let abouts: Vec<About> = entries.iter().map(|entry| entry.about.clone()).collect();
    let happenings = entries.into_iter().enumerate().map(|(index, entry)| {
        let of_model = entry.happenings(app);
        of_model.map(move |happens| (index, happens)).boxed()
    });
    let comparison = Comparison {
        out: abouts.iter().map(|about| event("start", head(about))).collect(),
        happenings: stream::select_all(happenings),
        abouts,
        summary: Some(Summary::begin()),
    };
    let told = stream::unfold(comparison, async |mut comparison| {
        let next = comparison.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(next)), comparison))
    });
    ([(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")], Body::from_stream(told)).into_response()
}

struct Comparison {
    /// Events that are not sent yet.
    out: VecDeque<String>,
    happenings: SelectAll<BoxStream<'static, (usize, Happens)>>,
    abouts: Vec<About>,
    /// None once it is told.
    summary: Option<Summary>,
}

impl Comparison {
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(next) = self.out.pop_front() {
                return Some(next);
            }
            match self.happenings.next().await {
                Some((index, happens)) => self.tell(index, happens.into()),
                None => return self.summary.take().map(|summary| event("summary", summary.tell())),
            }
        }
    }

    fn tell(&mut self, index: usize, news: News) {
        let (Some(about), Some(summary)) = (self.abouts.get(index), self.summary.as_mut()) else { return };
        let told = match news {
            News::Text(text) => {
                event("delta", Map::from_iter([("index".to_owned(), json!(index)), ("text".to_owned(), text.into())]))
            }
            News::Ended(ended) => {
                let came_to = about.report.read();
                summary.count(index, &ended, came_to.as_ref());
                let mut told = head(about);
                told.extend(figures(came_to.as_ref()));
                match ended {
                    Ended::Whole(reason) => {
                        told.insert("finish_reason".to_owned(), json!(reason));
                        event("done", told)
                    }
                    Ended::Failed(error) => {
                        told.insert("error".to_owned(), error);
                        event("error", told)
                    }
                }
            }
        };
        self.out.push_back(told);
    }
}

/// One event. Its kind stands in its data too, for readers that look at nothing else.
fn event(kind: &str, mut data: Map<String, Value>) -> String {
    data.insert("type".to_owned(), json!(kind));
    format!("event: {kind}\ndata: {}\n\n", Value::Object(data))
}
