//! A stream on its way to a client of the same dialect: whole frames pass through as they came, and a reader of the
//! dialect notes what matters of each.
//!
//! What the reader does not understand is not refused for that: upstreams learn new events, and it is the client that has
//! to know them. Only before the answer has begun is it a failure, since another upstream can be tried then.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::memmem;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use tallygate_core::conversation::{Delta, Problem};
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Kind;

use super::places::{Places, Retold};
use crate::dialect::answer_ids::Sealer;
use crate::dialect::frames::{Frame, Frames, Framing};
use crate::dialect::meter::Meter;
use crate::dialect::metering::Metered;
use crate::dialect::passage::{PING, Passage, Step};
use crate::dialect::run::Run;
use crate::dialect::wire::{Asked, Dialect, ReadStream, WriteStream};
use crate::provider::sse::{EVENT_MAX_BYTES, Event};

/// The most that is held back of comments and pings before the answer begins, in bytes. What comes beyond it is passed on.
pub const HELD_BYTES_MAX: usize = 64 * 1024;

/// Follows one stream. See the module.
#[derive(Debug)]
pub struct Tap {
    frames: Frames,
    reading: Reading,
}

/// All but the cutting into frames.
#[derive(Debug)]
struct Reading {
    reader: Box<dyn ReadStream>,
    /// Writes nothing but an end that went wrong, and what keeps a connection open.
    writer: Box<dyn WriteStream>,
    meter: Meter,
    framing: Framing,
    places: &'static Places,
    public_model: Option<String>,
    sealer: Option<Sealer>,
    input_estimate_tokens: u64,
    events: u64,
    has_ended: bool,
    /// What came before the first event: nothing that would make an answer out of an error.
    held: Vec<u8>,
    /// Kept for its memory.
    between: Vec<Delta>,
}

impl Tap {
    /// A tap for one answer. `asked` says what the client asked for; a public model in it replaces the upstream's name of
    /// the model in every event.
    #[must_use]
    pub fn new(dialect: &dyn Dialect, asked: &Asked) -> Self {
        Self::with_limit(dialect, asked, EVENT_MAX_BYTES)
    }

    /// With another limit for one frame, in bytes.
    #[must_use]
    pub fn with_limit(dialect: &dyn Dialect, asked: &Asked, limit_bytes: usize) -> Self {
        let reading = Reading {
            reader: dialect.stream_reader(&asked.id),
            writer: dialect.stream_writer(asked),
            meter: Meter::default(),
            framing: dialect.framing(),
            places: dialect.places(),
            public_model: asked.public_model.clone(),
            sealer: asked.sealer.clone(),
            input_estimate_tokens: asked.input_estimate_tokens,
            events: 0,
            has_ended: false,
            held: Vec::new(),
            between: Vec::new(),
        };
        Self { frames: Frames::with_limit(dialect.framing(), limit_bytes), reading }
    }
}

impl Passage for Tap {
    fn push(&mut self, piece: Bytes) -> Step {
        let Self { frames, reading } = self;
        if reading.has_ended {
            return Step::nothing();
        }
        let mut run = Run::of(&piece);
        let result = frames.push_raw(piece, |frame| reading.take(frame, &mut run));
        reading.step(run, result)
    }

    fn finish(&mut self) -> Step {
        let Self { frames, reading } = self;
        if reading.has_ended {
            return Step::nothing();
        }
        let mut run = Run::default();
        let mut result = frames.finish_raw(|frame| {
            let raw = [frame.raw, missing_end(&frame, reading.framing)].concat();
            let at = frame.data.and_then(|data| Some((place_within(frame.raw, data)?, data.len())));
            let data = at.map_or(frame.data, |(at, length)| raw.get(at..at + length));
            reading.take(Frame { raw: &raw, data, ..frame }, &mut run)
        });
        if result.is_ok() && !reading.has_ended {
            result = reading.reader.finish(&mut reading.between);
            reading.note();
        }
        reading.step(run, result)
    }

    fn events(&self) -> u64 {
        self.reading.events
    }

    fn metered(&self) -> Metered {
        self.reading.meter.metered(self.reading.input_estimate_tokens)
    }

    fn failed(&mut self, problem: &Problem) -> Option<Bytes> {
        let mut out = Vec::new();
        self.reading.writer.fail(problem, &mut out);
        Some(out.into())
    }

    fn keep_alive(&self) -> Option<Bytes> {
        // The writer has begun nothing, so it may have nothing to keep open; a comment is safe behind any event.
        let has_comments = self.reading.framing == Framing::Events && self.reading.events > 0;
        self.reading.writer.keep_alive().or_else(|| has_comments.then(|| Bytes::from_static(PING)))
    }
}

impl Reading {
    /// Notes one frame and adds it to what is forwarded.
    fn take(&mut self, frame: Frame<'_>, run: &mut Run) -> Result<(), Failure> {
        if self.has_ended {
            return Ok(());
        }
        if let Some(data) = frame.data {
            self.read(data)?;
        }
        let bytes = self.for_client(&frame);
        if self.events == 0 && self.held.len() + bytes.len() <= HELD_BYTES_MAX {
            self.held.extend_from_slice(&bytes);
            return Ok(());
        }
        if !self.held.is_empty() {
            run.add(&std::mem::take(&mut self.held));
        }
        run.add(&bytes);
        Ok(())
    }

    fn read(&mut self, data: &[u8]) -> Result<(), Failure> {
        match self.reader.frame(data, &mut self.between) {
            Err(failure) if self.events == 0 || !is_unknown(&failure, data) => {
                // It may have told something all the same; that is metered, and begins no answer.
                self.between.drain(..).for_each(|event| self.meter.event(&event));
                Err(failure)
            }
            _ => {
                self.note();
                Ok(())
            }
        }
    }

    /// Notes what the reader has told.
    fn note(&mut self) {
        self.events += self.between.len() as u64;
        for event in self.between.drain(..) {
            self.meter.event(&event);
            self.has_ended |= event == Delta::End;
            if matches!(event, Delta::Start { .. }) {
                // What is written here, the client has from the upstream.
                self.writer.event(event, &mut Vec::new());
            }
        }
    }

    fn step(&mut self, run: Run, result: Result<(), Failure>) -> Step {
        // What follows the end is no failure of an answer that is complete.
        let end = if self.has_ended { Some(Ok(())) } else { result.err().map(Err) };
        self.has_ended = end.is_some();
        Step { forward: run.into_bytes(), end }
    }

    /// What a frame tells otherwise. Ids are told with whole responses, in few frames of many.
    fn retold(&self, data: &[u8]) -> Option<Vec<u8>> {
        let sealer = self.sealer.as_ref().filter(|_| frame_tells_ids(data));
        let told = Retold { model: self.public_model.as_deref(), sealer };
        if told.model.is_none() && told.sealer.is_none() { None } else { self.places.retold(data, &told) }
    }

    /// The frame as the client gets it: mostly its own bytes.
    fn for_client<'f>(&self, frame: &Frame<'f>) -> Cow<'f, [u8]> {
        let Some(data) = frame.data else { return Cow::Borrowed(frame.raw) };
        let renamed = self.retold(data);
        if frame.is_body {
            return Cow::Owned(as_events(None, renamed.as_deref().unwrap_or(data)));
        }
        let Some(renamed) = renamed else { return Cow::Borrowed(frame.raw) };
        let Some(at) = place_within(frame.raw, data) else {
            // Its data took several lines.
            let event = Event { raw: Bytes::copy_from_slice(frame.raw) };
            return Cow::Owned(as_events(event.field("event"), &renamed));
        };
        let (before, after) = (frame.raw.get(..at), frame.raw.get(at + data.len()..));
        Cow::Owned([before.unwrap_or_default(), &renamed, after.unwrap_or_default()].concat())
    }
}

fn frame_tells_ids(data: &[u8]) -> bool {
    memmem::find(data, b"\"response\"").is_some()
}

/// Whether a frame is one that the reader cannot read, and no error that the upstream told.
fn is_unknown(failure: &Failure, data: &[u8]) -> bool {
    failure.kind == Kind::Protocol
        && failure.said.is_none()
        && data.starts_with(b"{")
        && serde_json::from_slice::<IgnoredAny>(data).is_ok()
}

/// Where a frame's data lies within its bytes, told by the address.
fn place_within(raw: &[u8], data: &[u8]) -> Option<usize> {
    let at = (data.as_ptr() as usize).wrapping_sub(raw.as_ptr() as usize);
    (at < raw.len()).then_some(at)
}

/// What a frame lacks whose stream ended without it.
fn missing_end(frame: &Frame<'_>, framing: Framing) -> &'static [u8] {
    match framing {
        _ if frame.is_body => b"",
        Framing::Lines => b"\n",
        Framing::Events if frame.raw.ends_with(b"\n") => b"\n",
        Framing::Events => b"\n\n",
    }
}

/// A body, or a list of them, as the events that a client of a stream expects. JSON takes a blank for a line end.
fn as_events(name: Option<&[u8]>, body: &[u8]) -> Vec<u8> {
    let list: Option<Vec<&RawValue>> = serde_json::from_slice(body).ok();
    let items = list.map_or_else(|| vec![body], |list| list.into_iter().map(|item| item.get().as_bytes()).collect());
    let mut out = Vec::with_capacity(body.len() + 8 * items.len());
    for item in items {
        if let Some(name) = name {
            out.extend_from_slice(&[b"event: ", name, b"\n"].concat());
        }
        out.extend_from_slice(b"data: ");
        out.extend(item.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
        out.extend_from_slice(b"\n\n");
    }
    out
}

#[cfg(test)]
mod tests;
