//! A message whose answer streams: a task that works, its artifact piece by piece, and how it ended.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};

use super::asking::{self, Asked};
use super::{Turn, event, events};
use crate::a2a::conversations::{BYTES_MAX, Place};
use crate::a2a::rpc::{self, Fault};
use crate::a2a::{message, message::Said};
use crate::http::App;
use crate::http::heard::{Broken, Heard, Hearing};

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
    };
    let first = task.begun();
    let passage = Passage { task, answer: Hearing::new(response.into_body()), first: Some(first) };
    let told = stream::unfold(passage, |mut passage| async move {
        let next = passage.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(next)), passage))
    });
    Ok(events(Body::from_stream(told)))
}

struct Passage {
    task: Task,
    answer: Hearing,
    /// The task itself, until it is told.
    first: Option<String>,
}

impl Passage {
    async fn next(&mut self) -> Option<String> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        Some(match self.answer.next().await? {
            Heard::Text(text) => self.task.piece(&text),
            Heard::Whole(_) => self.task.ended(self.task.missed()),
            Heard::Failed(Broken { message, .. }) => self.task.ended(Some(&message)),
        })
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

    /// Why an answer that is whole is none.
    fn missed(&self) -> Option<&'static str> {
        self.answer.is_empty().then_some(asking::NO_TEXT)
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
