//! Streams of sound, images and transcripts on their way to the client: bytes pass as they come, and usage is noted.

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;
use tallygate_core::conversation::Problem;
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Kind;

use super::usage::Told;
use super::{Asked, answer};
use crate::dialect::metering::Metered;
use crate::dialect::openai_chat::{error, translate};
use crate::dialect::passage::{PING, Passage, Step};
use crate::dialect::run::Run;
use crate::provider::sse::{Event, Scanner};

/// The longest JSON body that is kept where a stream was asked for, in bytes: some models answer whole.
const BODY_MAX_BYTES: usize = 4 * 1024 * 1024;
/// How the types of events end that end an answer.
const LAST_TYPES: [&str; 2] = [".done", ".completed"];

/// Follows one stream. See the module.
pub struct Tap {
    asked: Asked,
    form: Form,
    told: Option<Told>,
    metered: Option<Metered>,
    text_bytes: u64,
    events: u64,
    saw_last: bool,
    ended: bool,
}

/// What the stream is, by what its content type says.
enum Form {
    /// Bytes that nobody here understands: sound.
    Raw,
    /// Events.
    Events(Scanner),
    /// A whole answer in JSON.
    Body(BytesMut),
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(default, borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(default, borrow)]
    usage: Option<&'a RawValue>,
    #[serde(default, borrow)]
    error: Option<&'a RawValue>,
    #[serde(default, borrow)]
    delta: Option<&'a RawValue>,
}

impl std::fmt::Debug for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tap({} events of {:?})", self.events, self.asked.operation)
    }
}

impl Tap {
    /// A tap for the answer to a request, of the type that the upstream says it has.
    #[must_use]
    pub fn new(asked: Asked, content_type: Option<&str>) -> Self {
        let kind = content_type.unwrap_or_default().trim_start().to_ascii_lowercase();
        let form = match kind {
            kind if kind.starts_with("text/event-stream") => Form::Events(Scanner::default()),
            kind if kind.starts_with("application/json") => Form::Body(BytesMut::new()),
            _ => Form::Raw,
        };
        let (told, metered) = (None, None);
        Self { asked, form, told, metered, text_bytes: 0, events: 0, saw_last: false, ended: false }
    }

    fn step(&mut self, forward: Bytes, end: Option<Result<(), Failure>>) -> Step {
        self.ended = end.is_some();
        Step { forward, end }
    }

    /// Notes one event and adds it to what is forwarded. Tells a failure, if this is one.
    fn take(&mut self, event: &Event, run: &mut Run) -> Option<Failure> {
        let data = event.data();
        let Some(data) = data.as_deref().map(<[u8]>::trim_ascii).filter(|data| *data != b"[DONE]") else {
            self.saw_last |= data.is_some();
            run.add(&event.raw);
            return None;
        };
        let Ok(head) = serde_json::from_slice::<Head<'_>>(data) else { return Some(Failure::new(Kind::Protocol)) };
        let kind = head.kind.and_then(|kind| serde_json::from_str::<&str>(kind.get()).ok()).unwrap_or_default();
        if head.error.is_some_and(|error| error.get() != "null") || kind == "error" {
            return Some(error::within_answer(data, 200));
        }
        self.saw_last |= LAST_TYPES.iter().any(|last| kind.ends_with(last));
        self.text_bytes = self.text_bytes.saturating_add(head.delta.map_or(0, |delta| delta.get().len() as u64));
        if let Some(usage) = head.usage.and_then(Told::read) {
            // Each image that is finished tells its own.
            self.told = Some(self.told.map_or(usage, |told| told.and(usage)));
        }
        self.events += 1;
        run.add(&event.raw);
        None
    }

    fn push_events(&mut self, mut scanner: Scanner, piece: Bytes) -> Step {
        let mut run = Run::of(&piece);
        scanner.push(piece);
        let end = loop {
            match scanner.next_event() {
                Ok(Some(event)) => {
                    if let Some(failure) = self.take(&event, &mut run) {
                        break Some(Err(failure));
                    }
                }
                Ok(None) => break None,
                Err(too_long) => break Some(Err(Failure::new(Kind::TooLarge).caused_by(too_long))),
            }
        };
        self.form = Form::Events(scanner);
        self.step(run.into_bytes(), end)
    }

    fn finish_events(&mut self, mut scanner: Scanner) -> Step {
        let mut run = Run::default();
        if let Some(event) = scanner.finish()
            && let Some(failure) = self.take(&Event { raw: [&event.raw, b"\n\n".as_slice()].concat().into() }, &mut run)
        {
            return self.step(run.into_bytes(), Some(Err(failure)));
        }
        let end = if self.saw_last { Ok(()) } else { Err(Failure::new(Kind::Reset)) };
        self.step(run.into_bytes(), Some(end))
    }

    fn finish_body(&mut self, body: BytesMut) -> Step {
        let read = answer::read(&self.asked, 200, &body);
        self.metered = read.as_ref().ok().copied();
        match read {
            Ok(_) => self.step(body.freeze(), Some(Ok(()))),
            Err(failure) => self.step(Bytes::new(), Some(Err(failure))),
        }
    }
}

impl Passage for Tap {
    fn push(&mut self, piece: Bytes) -> Step {
        if self.ended {
            return Step::nothing();
        }
        match std::mem::replace(&mut self.form, Form::Raw) {
            Form::Raw => {
                self.events += u64::from(!piece.is_empty());
                self.step(piece, None)
            }
            Form::Events(scanner) => self.push_events(scanner, piece),
            Form::Body(mut body) => {
                body.extend_from_slice(&piece);
                let is_too_long = body.len() > BODY_MAX_BYTES;
                self.form = Form::Body(body);
                self.step(Bytes::new(), is_too_long.then(|| Err(Failure::new(Kind::TooLarge))))
            }
        }
    }

    fn finish(&mut self) -> Step {
        if self.ended {
            return Step::nothing();
        }
        match std::mem::replace(&mut self.form, Form::Raw) {
            // Silence is sound too, but nothing is not.
            Form::Raw if self.events == 0 => self.step(Bytes::new(), Some(Err(Failure::new(Kind::Protocol)))),
            Form::Raw => self.step(Bytes::new(), Some(Ok(()))),
            Form::Events(scanner) => {
                let step = self.finish_events(scanner);
                self.form = Form::Events(Scanner::default());
                step
            }
            Form::Body(body) => self.finish_body(body),
        }
    }

    fn events(&self) -> u64 {
        self.events
    }

    fn metered(&self) -> Metered {
        self.metered.unwrap_or_else(|| self.told.unwrap_or_default().metered(&self.asked, self.text_bytes))
    }

    fn failed(&mut self, problem: &Problem) -> Option<Bytes> {
        // Words in the midst of sound would be noise.
        matches!(self.form, Form::Events(_)).then(|| {
            let body = translate::write_problem(problem).body;
            [b"event: error\ndata: ".as_slice(), &body, b"\n\n"].concat().into()
        })
    }

    fn keep_alive(&self) -> Option<Bytes> {
        matches!(self.form, Form::Events(_)).then(|| Bytes::from_static(PING))
    }
}

#[cfg(test)]
mod tests;
