//! An answer on its way from an upstream of one dialect to a client of another. Pure: pieces in, pieces out.

use bytes::Bytes;
use tallygate_core::conversation::{Delta, Problem, Response, Used};
use tallygate_core::port::provider::Failure;

use super::back::BackStream;
use super::frames::Frames;
use super::meter::Meter;
use super::metering::Metered;
use super::passage::{Passage, Step};
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

    fn step(
        &mut self,
        feed: impl FnOnce(&mut Frames, &mut dyn FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure>,
        is_last: bool,
    ) -> Step {
        if self.has_ended {
            return Step::nothing();
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

impl Passage for Bridge {
    fn push(&mut self, piece: Bytes) -> Step {
        self.step(|frames, take| frames.push(piece, take), false)
    }

    fn finish(&mut self) -> Step {
        self.step(|frames, take| frames.finish(take), true)
    }

    fn events(&self) -> u64 {
        self.events
    }

    fn metered(&self) -> Metered {
        self.meter.metered(self.input_estimate)
    }

    fn failed(&mut self, problem: &Problem) -> Option<Bytes> {
        let mut out = Vec::new();
        self.writer.fail(problem, &mut out);
        Some(out.into())
    }

    fn keep_alive(&self) -> Option<Bytes> {
        self.writer.keep_alive()
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
