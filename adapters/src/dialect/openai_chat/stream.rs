//! A stream on its way to the client: bytes pass through, and what matters is noted.
//!
//! The tap is a pure state machine. The pipeline feeds it the upstream's pieces and forwards what it hands out. Whole
//! events only are handed out, so that the client never sees half of an event that turns out to be an error, or the usage
//! that it did not ask for; an event that arrived whole is handed out without a copy.

use std::borrow::Cow;

use bytes::{Buf as _, Bytes, BytesMut};
use serde::de::IgnoredAny;
use tallygate_core::conversation::Problem;
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Kind;

use super::chunk::{Chunk, Search};
use super::error;
use super::request::Request;
use super::translate;
use super::usage::Told;
use crate::dialect::json;
use crate::dialect::metering::{self, Metered};
use crate::dialect::passage::{PING, Passage};
use crate::dialect::run::Run;
use crate::provider::sse::{Event, Scanner};

pub use crate::dialect::passage::Step;

/// The longest JSON body that is kept where a stream was expected, in bytes: an error, most likely.
const BODY_MAX_BYTES: usize = 1024 * 1024;

/// Follows one stream. See the module.
pub struct Tap {
    scanner: Scanner,
    search: Search,
    form: Form,
    asks_for_usage: bool,
    public_model: Option<String>,
    prompt_estimate: u64,
    told: Option<Told>,
    text_bytes: u64,
    events: u64,
    /// The last piece of the answer, to see whether it was finished if the stream ends without its marker.
    last: Bytes,
    saw_usage_only: bool,
    ended: bool,
}

/// What the bytes turn out to be.
enum Form {
    /// Not known: nothing but white space has come.
    Unknown,
    /// Events.
    Events,
    /// A JSON body where events were expected.
    Body(BytesMut),
}

impl std::fmt::Debug for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tap({} events, {} bytes of text)", self.events, self.text_bytes)
    }
}

impl Tap {
    /// A tap for the answer to a request. `public_model` replaces the upstream's name of the model in every event; none
    /// leaves it, as LiteLLM does, and costs nothing.
    #[must_use]
    pub fn new(request: &Request, public_model: Option<&str>) -> Self {
        Self {
            scanner: Scanner::default(),
            search: Search::new(),
            form: Form::Unknown,
            asks_for_usage: request.asks_for_usage(),
            public_model: public_model.map(str::to_owned),
            prompt_estimate: request.input().estimate(),
            told: None,
            text_bytes: 0,
            events: 0,
            last: Bytes::new(),
            saw_usage_only: false,
            ended: false,
        }
    }

    /// How many pieces of the answer were handed out. From the first one on the answer has begun: no other deployment
    /// can be tried.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// What the call has used so far: as the upstream told, or else by an estimate from what passed through. To be asked
    /// at the end, and when the client goes away.
    #[must_use]
    pub fn metered(&self) -> Metered {
        let output = metering::estimate(self.text_bytes);
        self.told.unwrap_or_default().metered(self.prompt_estimate, output)
    }

    /// Takes the next piece of the stream.
    pub fn push(&mut self, mut piece: Bytes) -> Step {
        if self.ended {
            // Whatever follows the end is none of the client's business.
            return Step { forward: Bytes::new(), end: None };
        }
        if matches!(self.form, Form::Unknown) {
            piece.advance(piece.len() - piece.trim_ascii_start().len());
            self.form = form(&piece);
        }
        if let Form::Body(body) = &mut self.form {
            body.extend_from_slice(&piece);
            let is_too_long = body.len() > BODY_MAX_BYTES;
            let end = is_too_long.then(|| Err(Failure::new(Kind::TooLarge)));
            return self.step(Run::default(), end);
        }
        let mut run = Run::of(&piece);
        self.scanner.push(piece);
        let end = loop {
            match self.scanner.next_event() {
                Ok(Some(event)) => {
                    if let Some(end) = self.take(&event, &mut run) {
                        break Some(end);
                    }
                }
                Ok(None) => break None,
                Err(too_long) => break Some(Err(Failure::new(Kind::TooLarge).caused_by(too_long))),
            }
        };
        self.step(run, end)
    }

    /// Takes the end of the upstream's stream. An answer that was finished but lacks the marker of the end gets one; one
    /// that was not finished is [`Kind::Reset`].
    pub fn finish(&mut self) -> Step {
        if self.ended {
            return Step { forward: Bytes::new(), end: None };
        }
        if let Form::Body(body) = &mut self.form {
            let body = std::mem::take(body);
            return self.step(Run::default(), Some(Err(no_stream(&body))));
        }
        let mut run = Run::default();
        if let Some(event) = self.scanner.finish() {
            let whole = Event { raw: [&event.raw, b"\n\n".as_slice()].concat().into() };
            // An event that is cut off is no garbage: the rest of it is missing.
            let is_whole = |data: &[u8]| data == b"[DONE]" || serde_json::from_slice::<IgnoredAny>(data).is_ok();
            let is_cut = event.data().is_some_and(|data| !is_whole(data.trim_ascii()));
            if !is_cut && let Some(end) = self.take(&whole, &mut run) {
                return self.step(run, Some(end));
            }
        }
        if self.saw_usage_only || self.search.finishes(&self.last) {
            run.add(error::DONE.as_bytes());
            return self.step(run, Some(Ok(())));
        }
        self.step(run, Some(Err(Failure::new(Kind::Reset))))
    }

    fn step(&mut self, run: Run, end: Option<Result<(), Failure>>) -> Step {
        self.ended = end.is_some();
        Step { forward: run.into_bytes(), end }
    }

    /// Notes one event and adds it to what is forwarded. Tells the end, if this is it.
    fn take(&mut self, event: &Event, run: &mut Run) -> Option<Result<(), Failure>> {
        let Some(data) = event.data() else {
            // Comments keep the connection alive on the client's side too. Fields without data mean nothing.
            if event.is_comment() {
                run.add(event.without_mark());
            }
            return None;
        };
        match self.search.read(&data) {
            Chunk::Piece { text_bytes, usage } => {
                self.text_bytes = self.text_bytes.saturating_add(text_bytes);
                self.told = usage.or(self.told);
                self.events += 1;
                run.add(&self.for_client(event, &data));
                self.last = event.raw.clone();
                None
            }
            Chunk::UsageOnly(usage) => {
                self.told = if usage.is_empty() { self.told } else { Some(usage) };
                self.saw_usage_only = true;
                if self.asks_for_usage {
                    run.add(&self.for_client(event, &data));
                }
                None
            }
            Chunk::Done => {
                run.add(error::DONE.as_bytes());
                Some(Ok(()))
            }
            Chunk::Error => Some(Err(error::within_answer(&data, 200))),
            Chunk::Garbage => Some(Err(Failure::new(Kind::Protocol))),
        }
    }

    /// The event as the client gets it: mostly its own bytes. A field `id` is taken out, since clients that have seen one
    /// take the next comment for an empty event.
    fn for_client<'e>(&self, event: &'e Event, data: &[u8]) -> Cow<'e, [u8]> {
        let renamed = self.public_model.as_deref().and_then(|model| renamed(data, model));
        if renamed.is_none() && event.field("id").is_none() && !data.contains(&b'\n') {
            return Cow::Borrowed(event.without_mark());
        }
        let data = renamed.map_or(Cow::Borrowed(data), Cow::Owned);
        // JSON takes a blank for a line feed, and one line is safe with every client.
        let line: Vec<u8> = data.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }).collect();
        Cow::Owned([b"data: ".as_slice(), &line, b"\n\n"].concat())
    }
}

impl Passage for Tap {
    fn push(&mut self, piece: Bytes) -> Step {
        Self::push(self, piece)
    }

    fn finish(&mut self) -> Step {
        Self::finish(self)
    }

    fn events(&self) -> u64 {
        Self::events(self)
    }

    fn metered(&self) -> Metered {
        Self::metered(self)
    }

    fn failed(&mut self, problem: &Problem) -> Option<Bytes> {
        let body = translate::write_problem(problem).body;
        Some([b"data: ".as_slice(), &body, b"\n\n", error::DONE.as_bytes()].concat().into())
    }

    fn keep_alive(&self) -> Option<Bytes> {
        Some(Bytes::from_static(PING))
    }
}

/// By the first byte that is not white space.
fn form(piece: &[u8]) -> Form {
    match piece.first() {
        None => Form::Unknown,
        Some(b'{' | b'[') => Form::Body(BytesMut::new()),
        Some(_) => Form::Events,
    }
}

/// What a body means that came instead of a stream.
fn no_stream(body: &[u8]) -> Failure {
    let has_error = serde_json::from_slice::<serde_json::Value>(body)
        .is_ok_and(|body| body.get(0).unwrap_or(&body).get("error").is_some_and(|error| !error.is_null()));
    if has_error { error::within_answer(body, 200) } else { Failure::new(Kind::Protocol) }
}

fn renamed(data: &[u8], model: &str) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(data).ok()?;
    let object = json::object(text, &mut json::Ignore).ok()?;
    let place = object.members.iter().find(|member| member.name(text) == "model")?.value.clone();
    let quoted = serde_json::Value::from(model).to_string();
    Some([data.get(..place.start)?, quoted.as_bytes(), data.get(place.end..)?].concat())
}

#[cfg(test)]
mod tests;
