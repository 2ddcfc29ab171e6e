//! What the upstream is told to do with a request.

use std::time::Duration;

use serde_json::{Value, json};

use super::chat::Usage;
use super::gate::Gate;

/// How one request is answered. The default is a plain answer, streamed in three chunks if a stream was asked for.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(super) act: Act,
    pub(super) gate: Option<Gate>,
    pub(super) pace: Option<Duration>,
    pub(super) billed: Option<u64>,
    pub(super) headers: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
pub(super) enum Act {
    Answer(Content),
    Refuse { status: u16, retry_after: Option<String>, body: String },
    HangBeforeHead,
    ResetBeforeHead,
    GarbageHead,
    Raw { content_type: String, body: Vec<u8> },
}

/// An answer's content. A stream sends it in so many chunks and then ends in one of several ways.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) chunks: usize,
    pub(super) usage: Option<Usage>,
    pub(super) end: StreamEnd,
}

/// How a stream ends after its last chunk. Only [`StreamEnd::Done`] is a whole stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// Usage, if it was asked for, and `[DONE]`.
    Done,
    /// Nothing more comes, and the connection stays open.
    Hang,
    /// The connection is reset (RST).
    Reset,
    /// The connection closes without the end of the body.
    CutOff,
    /// An event that is no JSON, then `[DONE]`.
    Garbage,
    /// An event whose line never ends.
    EndlessLine,
}

impl Default for Reply {
    fn default() -> Self {
        Self::answer()
    }
}

impl Reply {
    /// A plain answer.
    #[must_use]
    pub fn answer() -> Self {
        let content = Content { chunks: 3, usage: Some(Usage::default()), end: StreamEnd::Done };
        Self::of(Act::Answer(content))
    }

    /// An error in the dialect's form, such as 401, 429 or 500.
    #[must_use]
    pub fn refuse(status: u16) -> Self {
        let body = json!({"error": {"message": format!("refused with {status} as planned"),
            "type": "planned", "param": null, "code": status.to_string()}});
        Self::of(Act::Refuse { status, retry_after: None, body: body.to_string() })
    }

    /// An error with a body of the test's own, JSON or not.
    #[must_use]
    pub fn refuse_with(status: u16, body: &str) -> Self {
        Self::of(Act::Refuse { status, retry_after: None, body: body.to_owned() })
    }

    /// Takes the request and never answers. The connection stays open.
    #[must_use]
    pub fn hang() -> Self {
        Self::of(Act::HangBeforeHead)
    }

    /// Takes the request and resets the connection (RST).
    #[must_use]
    pub fn reset() -> Self {
        Self::of(Act::ResetBeforeHead)
    }

    /// Takes the request and answers with bytes that are no HTTP.
    #[must_use]
    pub fn garbage() -> Self {
        Self::of(Act::GarbageHead)
    }

    /// A status 200 with a body of the test's own.
    #[must_use]
    pub fn raw(content_type: &str, body: &[u8]) -> Self {
        Self::of(Act::Raw { content_type: content_type.to_owned(), body: body.to_vec() })
    }

    /// A `retry-after` header, in seconds or as a date.
    #[must_use]
    pub fn retry_after(mut self, value: &str) -> Self {
        if let Act::Refuse { retry_after, .. } = &mut self.act {
            *retry_after = Some(value.to_owned());
        }
        self
    }

    /// One more header on the answer, such as `location` or `set-cookie`.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A stream sends its text in so many chunks.
    #[must_use]
    pub fn chunks(self, chunks: usize) -> Self {
        self.with(|content| content.chunks = chunks)
    }

    /// The usage that is reported, in an answer and in a stream.
    #[must_use]
    pub fn usage(self, usage: Usage) -> Self {
        self.with(|content| content.usage = Some(usage))
    }

    /// Usage is never reported, though it was asked for.
    #[must_use]
    pub fn without_usage(self) -> Self {
        self.with(|content| content.usage = None)
    }

    /// A stream ends so after its last chunk.
    #[must_use]
    pub fn then(self, end: StreamEnd) -> Self {
        self.with(|content| content.end = end)
    }

    /// Each chunk of a stream, what ends it, and the head of an answer in one piece, wait at the gate. The head of a
    /// stream does not.
    #[must_use]
    pub fn behind(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// Each chunk of a stream, and an answer in one piece, takes so long to be generated.
    #[must_use]
    pub const fn every(mut self, pace: Duration) -> Self {
        self.pace = Some(pace);
        self
    }

    /// So many tokens of a stream, or of an answer whose connection is reset, are billed, whatever arrives of it.
    #[must_use]
    pub const fn billed(mut self, tokens: u64) -> Self {
        self.billed = Some(tokens);
        self
    }

    pub(super) async fn pass_gate(&self) {
        if let Some(pace) = self.pace {
            tokio::time::sleep(pace).await;
        }
        if let Some(gate) = &self.gate {
            gate.wait().await;
        }
    }

    const fn of(act: Act) -> Self {
        Self { act, gate: None, pace: None, billed: None, headers: Vec::new() }
    }

    fn with(mut self, change: impl FnOnce(&mut Content)) -> Self {
        if let Act::Answer(content) = &mut self.act {
            change(content);
        }
        self
    }
}

/// Whether a stream was asked for, and usage in it.
pub(super) fn asked(body: &Value) -> (bool, bool) {
    let is = |pointer: &str| body.pointer(pointer).and_then(Value::as_bool).unwrap_or(false);
    (is("/stream"), is("/stream_options/include_usage"))
}
