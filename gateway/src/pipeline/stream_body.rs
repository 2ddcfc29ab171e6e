//! The body of a streamed response: takes the upstream's pieces through the tap, and settles when it ends, however it
//! ends.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use tallygate_adapters::dialect::openai_chat::error::{DONE, ErrorObject};
use tallygate_adapters::dialect::openai_chat::stream::{Step, Tap};
use tallygate_core::activity::Outcome;
use tallygate_core::port::BoxStream;
use tallygate_core::port::provider::Failure;

use super::settled::{End, Settling};

/// The upstream's pieces.
pub(super) type Pieces = BoxStream<'static, Result<Bytes, Failure>>;

/// A streamed answer. Dropped before its end, the client has gone.
pub(super) struct StreamBody {
    pieces: Pieces,
    tap: Tap,
    settling: Option<Settling>,
    /// What was read before the response began.
    first: Option<(Bytes, Option<Result<(), Failure>>)>,
}

impl StreamBody {
    pub(super) fn new(
        pieces: Pieces,
        tap: Tap,
        settling: Settling,
        first: Bytes,
        end: Option<Result<(), Failure>>,
    ) -> Self {
        Self { pieces, tap, settling: Some(settling), first: Some((first, end)) }
    }

    /// Hands out what the tap lets through; at the end settles, and words an error in the stream if there is one.
    fn hand_out(&mut self, forward: Bytes, end: Option<Result<(), Failure>>) -> Option<Bytes> {
        let Some(end) = end else { return (!forward.is_empty()).then_some(forward) };
        let last = match &end {
            Ok(()) => forward,
            Err(failure) => [forward, self.last_words(failure)].concat().into(),
        };
        self.settle(match end {
            Ok(()) => Outcome::Succeeded,
            Err(_) => Outcome::Failed,
        });
        Some(last)
    }

    /// An error event in the client's dialect, and the end marker.
    fn last_words(&self, failure: &Failure) -> Bytes {
        let Some(settling) = &self.settling else { return Bytes::from_static(DONE.as_bytes()) };
        let error = settling.answer_to(failure);
        let status = error.status.to_string();
        ErrorObject { message: &error.message, kind: error.kind, param: None, code: Some(&status) }.last_events()
    }

    fn settle(&mut self, outcome: Outcome) {
        if let Some(settling) = self.settling.take() {
            settling.settle_now(End::streamed(outcome, self.tap.metered()));
        }
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some((first, end)) = self.first.take()
            && let Some(bytes) = self.hand_out(first, end)
        {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        while self.settling.is_some() {
            let step = match self.pieces.as_mut().poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(piece))) => self.tap.push(piece),
                Poll::Ready(Some(Err(failure))) => Step { forward: Bytes::new(), end: Some(Err(failure)) },
                Poll::Ready(None) => self.tap.finish(),
            };
            if let Some(bytes) = self.hand_out(step.forward, step.end) {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.settling.is_none() && self.first.is_none()
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        self.settle(Outcome::Disconnected);
    }
}
