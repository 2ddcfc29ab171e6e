//! A message whose answer streams: a task that works, its artifact piece by piece, and how it ended.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::body::{Body, BodyDataStream};
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::{Value, json};
use tallygate_adapters::provider::sse::Scanner;

use super::asking::{self, Asked};
use super::{Turn, event, events};
use crate::a2a::conversations::{BYTES_MAX, Place};
use crate::a2a::rpc::{self, Fault};
use crate::a2a::{message, message::Said};
use crate::http::App;

/// The longest event of an answer, in bytes.
const EVENT_MAX_BYTES: usize = 1024 * 1024;

/// Asks, and hands the answer on as it comes.
///
/// # Errors
/// The answer for the caller, where nothing was sent yet. Later failures end the task.
///
/// Cancellation: when the caller leaves, what the pipeline does then is done.
pub(super) async fn stream(turn: Turn<'_>) -> Result<Response, Fault> {
    let Asked { response, metadata } = asking::run(&turn, true).await?;
    let ids = &turn.app.pipeline.ids;
    let task = Task {
        place: turn.place(),
        app: turn.app.clone(),
        call: turn.id,
        task: ids.uuid().to_string(),
        artifact: ids.uuid().to_string(),
        said: turn.said,
        metadata,
        answer: String::new(),
        has_begun: false,
        has_finished: false,
    };
    let first = task.begun();
    let passage = Passage {
        task,
        upstream: response.into_body().into_data_stream(),
        scanner: Scanner::new(EVENT_MAX_BYTES),
        out: VecDeque::from([first]),
        has_ended: false,
    };
    let told = stream::unfold(passage, |mut passage| async move {
        let next = passage.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(next)), passage))
    });
    Ok(events(Body::from_stream(told)))
}

struct Passage {
    task: Task,
    upstream: BodyDataStream,
    scanner: Scanner,
    /// Events that are not sent yet.
    out: VecDeque<String>,
    has_ended: bool,
}

impl Passage {
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(next) = self.out.pop_front() {
                return Some(next);
            }
            if self.has_ended {
                return None;
            }
            match self.upstream.next().await {
                Some(Ok(piece)) => self.take(piece),
                Some(Err(_)) => self.end(Some("the answer broke off: ask again")),
                None => {
                    let left = self.scanner.finish();
                    let left = left.and_then(|left| left.data().map(|data| data.into_owned()));
                    left.into_iter().for_each(|data| self.heard(&data));
                    self.end(self.task.missed());
                }
            }
        }
    }

    fn take(&mut self, piece: Bytes) {
        self.scanner.push(piece);
        loop {
            match self.scanner.next_event() {
                Ok(Some(event)) => {
                    if let Some(data) = event.data() {
                        self.heard(&data);
                    }
                }
                Ok(None) => return,
                Err(_) => return self.end(Some("an event of the answer is too long")),
            }
        }
    }

    fn heard(&mut self, data: &[u8]) {
        if self.has_ended {
            return;
        }
        if data.trim_ascii() == b"[DONE]" {
            self.task.has_finished = true;
            return;
        }
        let Ok(chunk) = serde_json::from_slice::<Value>(data) else { return };
        if let Some(error) = chunk.get("error") {
            let why = error.get("message").and_then(Value::as_str).unwrap_or("the model failed");
            return self.end(Some(why));
        }
        if chunk.pointer("/choices/0/finish_reason").is_some_and(|reason| !reason.is_null()) {
            self.task.has_finished = true;
        }
        let text = chunk.pointer("/choices/0/delta/content").and_then(Value::as_str).filter(|text| !text.is_empty());
        if let Some(text) = text {
            self.out.push_back(self.task.piece(text));
        }
    }

    fn end(&mut self, why: Option<&str>) {
        if !self.has_ended {
            self.has_ended = true;
            self.out.push_back(self.task.ended(why));
        }
    }
}

/// The task that the caller is told of.
struct Task {
    app: App,
    place: Place,
    call: Value,
    task: String,
    artifact: String,
    said: Said,
    metadata: Value,
    answer: String,
    has_begun: bool,
    /// Whether the model said that its answer is whole.
    has_finished: bool,
}

impl Task {
    fn tell(&self, mut result: Value) -> String {
        result["contextId"] = json!(self.place.conversation.context);
        event(&rpc::answer(&self.call, &result))
    }

    fn status(&self, state: &str) -> Value {
        json!({ "state": state, "timestamp": self.app.pipeline.clock.now() })
    }

    fn begun(&self) -> String {
        let mut asked = self.said.message.clone();
        asked["kind"] = json!("message");
        asked["contextId"] = json!(self.place.conversation.context);
        asked["taskId"] = json!(self.task);
        self.tell(json!({ "kind": "task", "id": self.task, "status": self.status("working"), "history": [asked],
            "metadata": self.metadata }))
    }

    fn piece(&mut self, text: &str) -> String {
        // A longer answer would not be remembered.
        if self.answer.len() <= BYTES_MAX {
            self.answer.push_str(text);
        }
        let append = std::mem::replace(&mut self.has_begun, true);
        let artifact = json!({ "artifactId": self.artifact, "name": "answer", "parts": [message::part(text)] });
        self.tell(json!({ "kind": "artifact-update", "taskId": self.task, "artifact": artifact, "append": append,
            "lastChunk": false }))
    }

    /// Why an answer that has come to its end is none.
    const fn missed(&self) -> Option<&'static str> {
        if !self.has_finished {
            Some("the answer broke off: ask again")
        } else if self.answer.is_empty() {
            Some(asking::NO_TEXT)
        } else {
            None
        }
    }

    /// The end: an answer that is whole is remembered, and no other.
    fn ended(&self, why: Option<&str>) -> String {
        let mut status = self.status(if why.is_none() { "completed" } else { "failed" });
        match why {
            None => self.app.agents.conversations().note(&self.place, &self.said.text, &self.answer),
            Some(why) => {
                let id = self.app.pipeline.ids.uuid().to_string();
                status["message"] = message::answer(&id, &self.place.conversation.context, why, None);
            }
        }
        self.tell(json!({ "kind": "status-update", "taskId": self.task, "status": status, "final": true }))
    }
}
