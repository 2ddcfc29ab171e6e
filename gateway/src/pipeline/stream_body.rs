//! The body of a streamed response: takes the upstream's pieces through the passage, and settles when it ends, however it
//! ends.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};
use tallygate_adapters::dialect::passage::{Passage, Step};
use tallygate_core::activity::Outcome;
use tallygate_core::port::BoxStream;
use tallygate_core::port::provider::Failure;
use tokio::runtime::Handle;

use super::ended::End;
use super::settled::Settling;

/// The upstream's pieces.
pub(super) type Pieces = BoxStream<'static, Result<Bytes, Failure>>;

/// A streamed answer. Dropped before its end, the client has gone: it is read on without it, or cut.
pub(super) struct StreamBody {
    /// None once it is settled.
    open: Option<Open>,
    /// What was read before the response began.
    first: Option<(Bytes, Option<Result<(), Failure>>)>,
    /// Whether it went wrong in a way that it has no words for: then it must not look whole.
    is_broken: bool,
}

/// A stream has no words for what went wrong, so its connection is closed before its end.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off")]
pub(super) struct BrokenOff;

/// A stream that has not ended.
struct Open {
    pieces: Pieces,
    passage: Box<dyn Passage>,
    settling: Box<Settling>,
}

impl StreamBody {
    pub(super) fn new(
        pieces: Pieces,
        passage: Box<dyn Passage>,
        settling: Box<Settling>,
        first: Bytes,
        end: Option<Result<(), Failure>>,
    ) -> Self {
        Self { open: Some(Open { pieces, passage, settling }), first: Some((first, end)), is_broken: false }
    }

    /// Hands out what the passage lets through; at the end settles, and words an error in the stream if there is one.
    fn hand_out(&mut self, forward: Bytes, end: Option<Result<(), Failure>>) -> Option<Bytes> {
        let Some(end) = end else { return (!forward.is_empty()).then_some(forward) };
        let mut open = self.open.take()?;
        let (last, outcome) = match &end {
            Ok(()) => (forward, Outcome::Succeeded),
            Err(failure) => {
                open.settling.note_failed(failure);
                let problem = open.settling.answer_to(failure).problem();
                let words = open.passage.failed(&problem);
                self.is_broken = words.is_none();
                ([forward, words.unwrap_or_default()].concat().into(), Outcome::Failed)
            }
        };
        open.settle(outcome);
        Some(last)
    }
}

impl Open {
    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        Poll::Ready(match ready!(self.pieces.as_mut().poll_next(context)) {
            Some(Ok(piece)) => self.passage.push(piece),
            Some(Err(failure)) => Step { forward: Bytes::new(), end: Some(Err(failure)) },
            None => self.passage.finish(),
        })
    }

    fn settle(self, outcome: Outcome) {
        self.settling.settle_now(End::streamed(outcome, self.passage.metered()));
    }

    /// The client has left. Where budgets pay, the rest of the stream is read if there is a place for it: at its end the
    /// provider says what it cost.
    fn leave(self, has_ended: bool) {
        let runtime = Handle::try_current().ok().filter(|_| !has_ended && self.settling.is_read_on());
        match runtime {
            Some(runtime) => drop(runtime.spawn(self.read_on())),
            None => self.settle(Outcome::Disconnected),
        }
    }

    async fn read_on(mut self) {
        let clientless = self.settling.clientless();
        let place = clientless.enter_stream();
        while place.is_some() && poll_fn(|context| self.poll_step(context)).await.end.is_none() {}
        self.settle(Outcome::Disconnected);
        drop(place);
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some((first, end)) = self.first.take()
            && let Some(bytes) = self.hand_out(first, end)
        {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        while let Some(open) = &mut self.open {
            let step = ready!(open.poll_step(context));
            if let Some(bytes) = self.hand_out(step.forward, step.end) {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
        Poll::Ready(std::mem::take(&mut self.is_broken).then_some(Err(BrokenOff)))
    }

    fn is_end_stream(&self) -> bool {
        self.open.is_none() && self.first.is_none() && !self.is_broken
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            open.leave(self.first.as_ref().is_some_and(|(_, end)| end.is_some()));
        }
    }
}
