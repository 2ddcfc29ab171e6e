//! What the provider is told to do with one request. The default is what a real model would.

use std::time::Duration;

use bytes::Bytes;

use crate::upstream::Gate;

use super::gzip;
use super::scenario::Tokens;

/// How one request is answered.
#[derive(Debug, Clone)]
pub struct Reply {
    pub(super) act: Act,
    pub(super) tokens: Option<Tokens>,
    pub(super) text: Option<String>,
    pub(super) end: End,
    pub(super) frames: Option<usize>,
    pub(super) gate: Option<Gate>,
    pub(super) pace: Option<Duration>,
    pub(super) content_type: Option<String>,
    pub(super) is_compressed: bool,
    pub(super) headers: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
pub(super) enum Act {
    Answer,
    Refuse(u16),
    Raw { status: u16, content_type: String, body: Bytes },
    HangBeforeHead,
    HangAfterHead,
    ResetBeforeHead,
    GarbageHead,
}

/// How a stream ends. All but [`End::Done`] and [`End::DoneTwice`] happen after the frames that
/// [`Reply::after`] says, half of all unless it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As the vendor ends it.
    Done,
    /// The last frame comes twice: two `[DONE]`, two `message_stop`.
    DoneTwice,
    /// Nothing more comes, and the connection stays open.
    Hang,
    /// The connection is reset (RST).
    Reset,
    /// The connection closes without the end of the body.
    CutOff,
    /// The body ends in good order, in the middle of what was said.
    Silence,
    /// An error in the vendor's form, with this status where the form has one.
    Error(u16),
    /// A frame that is no JSON, then the rest.
    Garbage,
    /// A frame whose line never ends.
    EndlessLine,
    /// So many frames of a letter each, then the rest.
    Flood(usize),
}

impl Default for Reply {
    fn default() -> Self {
        Self::answer()
    }
}

impl Reply {
    /// What a real model would say, if the request is one that the vendor takes.
    #[must_use]
    pub const fn answer() -> Self {
        Self::of(Act::Answer)
    }

    /// An error in the vendor's form, whatever the request.
    #[must_use]
    pub const fn refuse(status: u16) -> Self {
        Self::of(Act::Refuse(status))
    }

    /// A status and a body of the test's own.
    #[must_use]
    pub fn raw(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::of(Act::Raw { status, content_type: content_type.to_owned(), body: body.into() })
    }

    /// A redirect to another address.
    #[must_use]
    pub fn redirect(to: &str) -> Self {
        Self::raw(307, "text/plain", "").header("location", to)
    }

    /// A compressed body of at least so many bytes, in a fraction of them.
    #[must_use]
    pub fn gzip_bomb(length: usize) -> Self {
        Self::raw(200, "application/json", gzip::bomb(length)).header("content-encoding", "gzip")
    }

    /// Takes the request and never answers. The connection stays open.
    #[must_use]
    pub const fn hang() -> Self {
        Self::of(Act::HangBeforeHead)
    }

    /// Answers with a head, and never with anything of the body.
    #[must_use]
    pub const fn hang_after_head() -> Self {
        Self::of(Act::HangAfterHead)
    }

    /// Takes the request and resets the connection (RST).
    #[must_use]
    pub const fn reset() -> Self {
        Self::of(Act::ResetBeforeHead)
    }

    /// Takes the request and answers with bytes that are no HTTP.
    #[must_use]
    pub const fn garbage() -> Self {
        Self::of(Act::GarbageHead)
    }

    /// The text, in place of the model's; only where it would have said a text.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.text = Some(text.to_owned());
        self
    }

    /// The usage that is reported, true or not.
    #[must_use]
    pub const fn tokens(mut self, tokens: Tokens) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Usage is never reported.
    #[must_use]
    pub const fn without_usage(mut self) -> Self {
        self.tokens = None;
        self
    }

    /// A stream ends so.
    #[must_use]
    pub const fn then(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    /// What ends a stream happens after so many frames.
    #[must_use]
    pub const fn after(mut self, frames: usize) -> Self {
        self.frames = Some(frames);
        self
    }

    /// Each frame of a stream, and the head of an answer in one piece, wait at the gate. The head of a stream does not.
    #[must_use]
    pub fn behind(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// Each frame of a stream, and an answer in one piece, comes so much later.
    #[must_use]
    pub const fn every(mut self, pace: Duration) -> Self {
        self.pace = Some(pace);
        self
    }

    /// The answer says that it is of this type, whatever it is.
    #[must_use]
    pub fn content_type(mut self, content_type: &str) -> Self {
        self.content_type = Some(content_type.to_owned());
        self
    }

    /// An answer in one piece is compressed, though nobody may have asked for it.
    #[must_use]
    pub const fn compressed(mut self) -> Self {
        self.is_compressed = true;
        self
    }

    /// One more header on the answer, such as `retry-after` or `set-cookie`.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
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
        Self {
            act,
            tokens: Some(Tokens { fresh: 31, cached: 17, written: 5, text: 13, reasoning: 7 }),
            text: None,
            end: End::Done,
            frames: None,
            gate: None,
            pace: None,
            content_type: None,
            is_compressed: false,
            headers: Vec::new(),
        }
    }
}
