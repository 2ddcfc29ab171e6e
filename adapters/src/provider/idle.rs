//! A body with limits of time: between one piece and the next, and in all.
//!
//! A timer that is reset for each piece costs more than the piece. So the time of the last piece is noted, and the timer
//! is looked at only when nothing has come; when it fires too early, it is set again for the rest.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Kind;
use tokio::time::{Instant, Sleep, sleep_until};

use super::transport;

/// The pieces of a body, in time. After an error there is nothing more.
pub(super) struct Timed<S> {
    /// None after the end, so that the connection is given back or closed at once.
    body: Option<S>,
    idle: Duration,
    last_piece: Instant,
    deadline: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl<S> Timed<S> {
    /// Begins to wait now. `deadline` is when everything must have come.
    pub(super) fn new(body: S, idle: Duration, deadline: Option<Instant>) -> Self {
        let last_piece = Instant::now();
        let first = limit(last_piece, idle, deadline);
        Self { body: Some(body), idle, last_piece, deadline, timer: Box::pin(sleep_until(first)) }
    }

    fn fail<T>(&mut self, failure: Failure) -> Poll<Option<Result<T, Failure>>> {
        self.body = None;
        Poll::Ready(Some(Err(failure)))
    }
}

fn limit(last_piece: Instant, idle: Duration, deadline: Option<Instant>) -> Instant {
    let idle = last_piece + idle;
    deadline.map_or(idle, |deadline| deadline.min(idle))
}

impl<S: Stream<Item = reqwest::Result<Bytes>> + Unpin> Stream for Timed<S> {
    type Item = Result<Bytes, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(body) = this.body.as_mut() else { return Poll::Ready(None) };
        match Pin::new(body).poll_next(context) {
            Poll::Ready(Some(Ok(piece))) => {
                this.last_piece = Instant::now();
                // An upstream that always has something ready would never come to the timer.
                if this.deadline.is_some_and(|deadline| this.last_piece >= deadline) {
                    return this.fail(Failure::new(Kind::TotalTimeout));
                }
                Poll::Ready(Some(Ok(piece)))
            }
            Poll::Ready(Some(Err(error))) => this.fail(transport::within_body(error)),
            Poll::Ready(None) => {
                this.body = None;
                Poll::Ready(None)
            }
            Poll::Pending => loop {
                ready!(this.timer.as_mut().poll(context));
                let limit = limit(this.last_piece, this.idle, this.deadline);
                if Instant::now() < limit {
                    this.timer.as_mut().reset(limit);
                    continue;
                }
                let is_total = this.deadline.is_some_and(|deadline| limit == deadline);
                let kind = if is_total { Kind::TotalTimeout } else { Kind::IdleTimeout };
                return this.fail(Failure::new(kind));
            },
        }
    }
}
