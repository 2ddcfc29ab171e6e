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

#[cfg(test)]
mod tests {
    use super::Timed;
    use bytes::Bytes;
    use futures_util::{StreamExt as _, stream};
    use std::time::Duration;
    use tallygate_core::port::provider::failure::Kind;
    use tokio::time::{Instant, advance};

    const IDLE: Duration = Duration::from_secs(10);

    /// Pieces that come after these waits, and then silence. How many came, how it ended, and when.
    async fn run(waits: &[u64], total: Option<u64>) -> (usize, Kind, Duration) {
        let start = Instant::now();
        let pieces = stream::iter(waits.to_vec()).then(|wait| async move {
            tokio::time::sleep(Duration::from_secs(wait)).await;
            Ok(Bytes::from_static(b"x"))
        });
        let body = Box::pin(pieces.chain(stream::pending()));
        let deadline = total.map(|total| start + Duration::from_secs(total));
        let mut timed = Timed::new(body, IDLE, deadline);
        let mut count = 0;
        loop {
            match timed.next().await {
                Some(Ok(_)) => count += 1,
                Some(Err(failure)) => {
                    assert!(timed.next().await.is_none());
                    return (count, failure.kind, start.elapsed());
                }
                None => panic!("it never ends by itself"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_idle_limit_counts_from_the_last_piece() {
        assert_eq!(run(&[], None).await, (0, Kind::IdleTimeout, Duration::from_secs(10)));
        assert_eq!(run(&[9], None).await, (1, Kind::IdleTimeout, Duration::from_secs(19)));
        assert_eq!(run(&[9, 9, 1, 9, 0], None).await, (5, Kind::IdleTimeout, Duration::from_secs(38)));
        assert_eq!(run(&[9, 11], None).await, (1, Kind::IdleTimeout, Duration::from_secs(19)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_total_limit_counts_from_the_call() {
        assert_eq!(run(&[9, 9, 9], Some(25)).await, (2, Kind::TotalTimeout, Duration::from_secs(25)));
        assert_eq!(run(&[], Some(5)).await, (0, Kind::TotalTimeout, Duration::from_secs(5)));
        assert_eq!(run(&[1], Some(60)).await, (1, Kind::IdleTimeout, Duration::from_secs(11)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_is_always_ready_is_stopped_too() {
        let flood = Box::pin(stream::repeat_with(|| Ok(Bytes::from_static(b"x"))));
        let mut timed = Timed::new(flood, IDLE, Some(Instant::now() + IDLE));
        assert!(timed.next().await.unwrap().is_ok());
        advance(IDLE).await;
        assert_eq!(timed.next().await.unwrap().unwrap_err().kind, Kind::TotalTimeout);
    }
}
