//! An answer on its way from an upstream of one dialect to a client of another. Pure: pieces in, pieces out.

use bytes::Bytes;
use tallygate_core::conversation::{Delta, Response, Used};
use tallygate_core::port::provider::Failure;

use super::back::BackStream;
use super::frames::Frames;
use super::meter::Meter;
use super::metering::Metered;
use super::problems;
use super::wire::{Asked, Dialect, ReadStream, WriteStream, Written};

/// Translates one stream.
#[derive(Debug)]
pub struct Bridge {
    frames: Frames,
    reader: Box<dyn ReadStream>,
    back: BackStream,
    writer: Box<dyn WriteStream>,
    meter: Meter,
    events: u64,
    has_ended: bool,
    input_estimate: u64,
    /// Kept for its memory.
    between: Vec<Delta>,
}

/// What one piece of the upstream's stream becomes.
#[derive(Debug)]
pub struct Step {
    /// For the client. May be empty.
    pub forward: Bytes,
    /// Whether the stream is at its end: `Ok` after its proper end, or what went wrong. Nothing may be pushed then.
    pub end: Option<Result<(), Failure>>,
}

impl Bridge {
    /// From an upstream to a client. `written` is the request that the upstream was sent.
    #[must_use]
    pub fn new(upstream: &dyn Dialect, client: &dyn Dialect, written: &Written, asked: &Asked) -> Self {
        Self {
            frames: Frames::new(upstream.framing()),
            reader: upstream.stream_reader(&asked.id),
            back: BackStream::new(written.back.clone()),
            writer: client.stream_writer(asked),
            meter: Meter::default(),
            events: 0,
            has_ended: false,
            input_estimate: asked.input_estimate_tokens,
            between: Vec::new(),
        }
    }

    /// How many events the upstream told. From the first one on the answer has begun.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// What the call has used so far.
    #[must_use]
    pub fn metered(&self, prompt_estimate: u64) -> Metered {
        self.meter.metered(prompt_estimate)
    }

    /// Takes the next piece of the stream.
    pub fn push(&mut self, piece: Bytes) -> Step {
        self.step(|frames, take| frames.push(piece, take), false)
    }

    /// Takes the end of the upstream's stream.
    pub fn finish(&mut self) -> Step {
        self.step(|frames, take| frames.finish(take), true)
    }

    /// The end of a stream that went wrong, for a client to which it has begun.
    #[must_use]
    pub fn failed(&mut self, failure: &Failure) -> Bytes {
        let mut out = Vec::new();
        self.writer.fail(&problems::of_failure(failure), &mut out);
        out.into()
    }

    /// What keeps an idle connection to the client open.
    #[must_use]
    pub fn keep_alive(&self) -> Option<Bytes> {
        self.writer.keep_alive()
    }

    fn step(
        &mut self,
        feed: impl FnOnce(&mut Frames, &mut dyn FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure>,
        is_last: bool,
    ) -> Step {
        if self.has_ended {
            // Whatever follows the end is none of the client's business.
            return Step { forward: Bytes::new(), end: None };
        }
        let Self { frames, reader, back, writer, meter, events, between, has_ended, input_estimate } = self;
        let mut out = Vec::new();
        let mut tell = |between: &mut Vec<Delta>, has_ended: &mut bool| {
            between.iter().for_each(|event| meter.event(event));
            *events += between.len() as u64;
            // A client is told what was used even where the upstream did not tell.
            if between.last() == Some(&Delta::End) && !meter.is_final() {
                let Metered { usage, .. } = meter.metered(*input_estimate);
                between.insert(between.len() - 1, Delta::Usage(Used { usage, is_final: false }));
            }
            back.change(between);
            for event in between.drain(..) {
                *has_ended |= event == Delta::End;
                writer.event(event, &mut out);
            }
        };
        let mut take = |frame: &[u8]| {
            let result = reader.frame(frame, between);
            tell(between, has_ended);
            result
        };
        let mut result = feed(frames, &mut take);
        if is_last && result.is_ok() && !*has_ended {
            result = reader.finish(between);
            tell(between, has_ended);
        }
        // What follows the end is no failure of an answer that is complete.
        let end = if *has_ended { Some(Ok(())) } else { result.err().map(Err) };
        *has_ended = end.is_some();
        Step { forward: out.into(), end }
    }
}

/// Translates a whole answer.
///
/// # Errors
/// [`Failure`] where the upstream's answer is an error after all, or no answer.
pub fn whole(
    upstream: &dyn Dialect,
    client: &dyn Dialect,
    written: &Written,
    asked: &Asked,
    body: &[u8],
) -> Result<(Vec<u8>, Meter, Response), Failure> {
    let response = upstream.read_answer(body, &asked.id)?;
    let mut meter = Meter::default();
    meter.response(&response);
    let mut response = written.back.response(response);
    if !meter.is_final() {
        let usage = meter.metered(asked.input_estimate_tokens).usage;
        response.used = Some(Used { usage, is_final: false });
    }
    Ok((client.write_answer(&response, asked), meter, response))
}
