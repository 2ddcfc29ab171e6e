//! A chat that the gateway itself asked for, as it is heard: the answer of the pipeline is a stream of the usual chat, and
//! this is its text, piece by piece, and how it ended.

use std::collections::VecDeque;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::Value;
use tallygate_adapters::provider::sse::Scanner;

use super::error_code::ErrorCode;

/// The longest event of an answer, in bytes.
const EVENT_MAX_BYTES: usize = 1024 * 1024;

/// What is heard of an answer. After its end nothing is.
#[derive(Debug)]
pub(super) enum Heard {
    /// More of its text.
    Text(String),
    /// It is whole, and why it ended, where the model says so.
    Whole(Option<String>),
    /// It broke off, or says that it failed.
    Failed(Broken),
}

/// Why an answer that had begun is none.
#[derive(Debug)]
pub(super) struct Broken {
    /// The stable code, as far as the answer tells it.
    pub(super) code: String,
    pub(super) message: String,
}

/// An answer that is listened to. Dropped before its end, it is an answer whose client has left.
pub(super) struct Hearing {
    /// None once it has ended.
    upstream: Option<BodyDataStream>,
    scanner: Scanner,
    /// Texts that were not handed out yet.
    texts: VecDeque<String>,
    /// Whether the model said that its answer is whole.
    has_finished: bool,
    finish_reason: Option<String>,
    failed: Option<Broken>,
    /// How it ended, until that is handed out.
    end: Option<Heard>,
}

impl Hearing {
    pub(super) fn new(answer: Body) -> Self {
        Self {
            upstream: Some(answer.into_data_stream()),
            scanner: Scanner::new(EVENT_MAX_BYTES),
            texts: VecDeque::new(),
            has_finished: false,
            finish_reason: None,
            failed: None,
            end: None,
        }
    }

    /// What is heard next; none after the end. An answer that ends by itself is settled when its end is heard: what follows
    /// a failure is read, and not told.
    ///
    /// Cancellation: what was read stays.
    pub(super) async fn next(&mut self) -> Option<Heard> {
        loop {
            if let Some(text) = self.texts.pop_front() {
                return Some(Heard::Text(text));
            }
            let Some(upstream) = &mut self.upstream else { return self.end.take() };
            match upstream.next().await {
                Some(Ok(piece)) => self.take(piece),
                Some(Err(_)) => self.end(Some(broken_off())),
                None => {
                    let left = self.scanner.finish();
                    let left = left.and_then(|left| left.data().map(|data| data.into_owned()));
                    left.into_iter().for_each(|data| self.read(&data));
                    self.end(None);
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
                        self.read(&data);
                    }
                }
                Ok(None) => return,
                Err(_) => return self.end(Some(upstream_failed("an event of the answer is too long"))),
            }
        }
    }

    fn read(&mut self, data: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        if data.trim_ascii() == b"[DONE]" {
            self.has_finished = true;
            return;
        }
        let Ok(chunk) = serde_json::from_slice::<Value>(data) else { return };
        if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
            let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
            let mut broken = upstream_failed("the model failed");
            broken.message = text("message").unwrap_or(broken.message);
            broken.code = text("code").unwrap_or(broken.code);
            self.failed = Some(broken);
            return;
        }
        if let Some(reason) = chunk.pointer("/choices/0/finish_reason").filter(|reason| !reason.is_null()) {
            self.has_finished = true;
            self.finish_reason = reason.as_str().map(str::to_owned);
        }
        let text = chunk.pointer("/choices/0/delta/content").and_then(Value::as_str).filter(|text| !text.is_empty());
        self.texts.extend(text.map(str::to_owned));
    }

    fn end(&mut self, why: Option<Broken>) {
        self.upstream = None;
        self.end = Some(match self.failed.take().or(why) {
            Some(broken) => Heard::Failed(broken),
            None if self.has_finished => Heard::Whole(self.finish_reason.take()),
            None => Heard::Failed(broken_off()),
        });
    }
}

fn broken_off() -> Broken {
    upstream_failed("the answer broke off: ask again")
}

fn upstream_failed(message: &str) -> Broken {
    Broken { code: ErrorCode::UpstreamFailed.as_str().to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::{Heard, Hearing};

    async fn heard(answer: &str) -> Vec<String> {
        let mut hearing = Hearing::new(Body::from(answer.to_owned()));
        let mut all = Vec::new();
        while let Some(heard) = hearing.next().await {
            all.push(match heard {
                Heard::Text(text) => text,
                Heard::Whole(reason) => format!("whole {}", reason.unwrap_or_default()),
                Heard::Failed(broken) => format!("failed {} {}", broken.code, broken.message),
            });
        }
        all
    }

    #[tokio::test]
    async fn an_answer_is_whole_when_it_says_so_and_broken_off_when_not() {
        let piece = "data: {\"choices\":[{\"delta\":{\"content\":\"One.\"},\"finish_reason\":null}]}\n\n";
        let stop = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
        assert_eq!(heard(&format!("{piece}{stop}data: [DONE]\n\n")).await, ["One.", "whole stop"]);
        assert_eq!(heard(&format!("{piece}data: [DONE]")).await, ["One.", "whole "], "the last line needs no end");
        assert_eq!(heard(piece).await, ["One.", "failed upstream_failed the answer broke off: ask again"]);
        assert_eq!(heard("").await, ["failed upstream_failed the answer broke off: ask again"]);
    }

    #[tokio::test]
    async fn a_failure_that_an_answer_tells_of_is_its_end_whatever_follows() {
        let failed = "data: {\"error\":{\"message\":\"Too slow.\",\"code\":\"upstream_timeout\"}}\n\n";
        let more = "data: {\"choices\":[{\"delta\":{\"content\":\"More.\"},\"finish_reason\":\"stop\"}]}\n\n";
        assert_eq!(heard(&format!("{failed}{more}data: [DONE]\n\n")).await, ["failed upstream_timeout Too slow."]);
        assert_eq!(heard("data: {\"error\":{\"code\":500}}\n\n").await, ["failed upstream_failed the model failed"]);
        let endless = format!("data: {}", "x".repeat(2 * super::EVENT_MAX_BYTES));
        assert_eq!(heard(&endless).await, ["failed upstream_failed an event of the answer is too long"]);
    }
}
