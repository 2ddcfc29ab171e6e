//! The limits of time of a call: to the head of its answer, from one piece of the body to the next, and in all.
//!
//! A timer that is set for each wait costs more than a piece of the body. So a call has one, set for the shortest of its
//! limits and looked at only when nothing has come; when it fires too early, it is set again for the rest.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use hyper::body::Body;
use tallygate_core::port::provider::failure::Kind;
use tallygate_core::port::provider::{Failure, Timeouts};
use tokio::time::{Instant, Sleep, sleep_until};

use super::transport;

/// The limits of one call, and its timer.
pub(super) struct TimeLimits {
    head_by: Instant,
    idle: Duration,
    deadline: Option<Instant>,
    /// Never set for later than any wait that may come can end: no limit begins before it is waited for.
    timer: Pin<Box<Sleep>>,
}

impl TimeLimits {
    /// The limits of a call that begins now.
    pub(super) fn start(timeouts: &Timeouts) -> Self {
        let now = Instant::now();
        let deadline = timeouts.total.map(|total| now + total);
        let shortest = deadline.unwrap_or(now + timeouts.idle).min(now + timeouts.idle.min(timeouts.first_byte));
        Self {
            head_by: now + timeouts.first_byte,
            idle: timeouts.idle,
            deadline,
            timer: Box::pin(sleep_until(shortest)),
        }
    }

    /// Waits for the head of the answer.
    ///
    /// # Errors
    /// [`Kind::FirstByteTimeout`] and [`Kind::TotalTimeout`].
    pub(super) async fn head<F: Future>(&mut self, mut head: Pin<&mut F>) -> Result<F::Output, Failure> {
        poll_fn(|context| {
            if let Poll::Ready(head) = head.as_mut().poll(context) {
                return Poll::Ready(Ok(head));
            }
            self.poll_past(self.head_by, Kind::FirstByteTimeout, context).map(Err)
        })
        .await
    }

    /// Everything must have come by then, or by the deadline that there is.
    fn shorten(&mut self, by: Instant) {
        self.deadline = Some(self.deadline.map_or(by, |deadline| deadline.min(by)));
        let set_for = self.timer.deadline();
        self.timer.as_mut().reset(by.min(set_for));
    }

    fn is_past_deadline(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Ready when a wait took too long.
    fn poll_past(&mut self, by: Instant, kind: Kind, context: &mut Context<'_>) -> Poll<Failure> {
        let (by, kind) = match self.deadline {
            Some(deadline) if deadline <= by => (deadline, Kind::TotalTimeout),
            _ => (by, kind),
        };
        loop {
            ready!(self.timer.as_mut().poll(context));
            let now = Instant::now();
            if now >= by {
                return Poll::Ready(Failure::new(kind));
            }
            self.timer.as_mut().reset(by.min(now + self.idle));
        }
    }
}

/// The pieces of a body, in time. After an error there is nothing more.
pub(super) struct Timed<B> {
    /// None after the end, so that the connection is given back or closed at once.
    body: Option<B>,
    /// Since when the next piece is waited for; none while nobody had to wait.
    waits_since: Option<Instant>,
    limits: TimeLimits,
}

impl<B> Timed<B> {
    /// The pieces of a body whose head has come.
    pub(super) const fn new(body: B, limits: TimeLimits) -> Self {
        Self { body: Some(body), waits_since: None, limits }
    }

    /// The same, but it ends within a time from now whatever the other limits are.
    pub(super) fn within(mut self, limit: Duration) -> Self {
        self.limits.shorten(Instant::now() + limit);
        self
    }

    fn fail<T>(&mut self, failure: Failure) -> Poll<Option<Result<T, Failure>>> {
        self.body = None;
        Poll::Ready(Some(Err(failure)))
    }
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> Stream for Timed<B> {
    type Item = Result<Bytes, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let Some(body) = this.body.as_mut() else { return Poll::Ready(None) };
            let frame = match Pin::new(&mut *body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(Some(Err(error))) => return this.fail(transport::within_body(error)),
                Poll::Ready(None) => {
                    this.body = None;
                    return Poll::Ready(None);
                }
                Poll::Pending => {
                    let by = *this.waits_since.get_or_insert_with(Instant::now) + this.limits.idle;
                    let failure = ready!(this.limits.poll_past(by, Kind::IdleTimeout, context));
                    return this.fail(failure);
                }
            };
            this.waits_since = None;
            if body.is_end_stream() {
                this.body = None;
            } else if this.limits.is_past_deadline() {
                // An upstream that always has something ready would never come to the timer.
                return this.fail(Failure::new(Kind::TotalTimeout));
            }
            // What is no data is a trailer, which means nothing here.
            if let Ok(piece) = frame.into_data() {
                return Poll::Ready(Some(Ok(piece)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{TimeLimits, Timed};
    use bytes::Bytes;
    use futures_util::{StreamExt as _, stream};
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use std::pin::pin;
    use std::time::Duration;
    use tallygate_core::port::provider::Timeouts;
    use tallygate_core::port::provider::failure::Kind;
    use tokio::time::{Instant, advance, sleep};

    const IDLE: Duration = Duration::from_secs(10);

    fn limits(first_byte: Duration, total: Option<Duration>) -> TimeLimits {
        TimeLimits::start(&Timeouts { connect: IDLE, first_byte, idle: IDLE, total })
    }

    fn piece() -> Result<Frame<Bytes>, hyper::Error> {
        Ok(Frame::data(Bytes::from_static(b"x")))
    }

    /// Pieces that come after these waits, and then silence. How many came, how it ended, and when.
    async fn run(waits: &[u64], limits: TimeLimits) -> (usize, Kind, Duration) {
        let start = Instant::now();
        let pieces = stream::iter(waits.to_vec()).then(|wait| async move {
            sleep(Duration::from_secs(wait)).await;
            piece()
        });
        let body = StreamBody::new(Box::pin(pieces.chain(stream::pending())));
        let mut timed = Timed::new(body, limits);
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

    async fn run_within(waits: &[u64], total: Option<u64>) -> (usize, Kind, Duration) {
        run(waits, limits(IDLE, total.map(Duration::from_secs))).await
    }

    #[tokio::test(start_paused = true)]
    async fn the_idle_limit_counts_from_the_last_piece() {
        assert_eq!(run_within(&[], None).await, (0, Kind::IdleTimeout, Duration::from_secs(10)));
        assert_eq!(run_within(&[9], None).await, (1, Kind::IdleTimeout, Duration::from_secs(19)));
        assert_eq!(run_within(&[9, 9, 1, 9, 0], None).await, (5, Kind::IdleTimeout, Duration::from_secs(38)));
        assert_eq!(run_within(&[9, 11], None).await, (1, Kind::IdleTimeout, Duration::from_secs(19)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_total_limit_counts_from_the_call() {
        assert_eq!(run_within(&[9, 9, 9], Some(25)).await, (2, Kind::TotalTimeout, Duration::from_secs(25)));
        assert_eq!(run_within(&[], Some(5)).await, (0, Kind::TotalTimeout, Duration::from_secs(5)));
        assert_eq!(run_within(&[1], Some(60)).await, (1, Kind::IdleTimeout, Duration::from_secs(11)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_is_always_ready_is_stopped_too() {
        let flood = StreamBody::new(Box::pin(stream::repeat_with(piece)));
        let mut timed = Timed::new(flood, limits(IDLE, Some(IDLE)));
        assert!(timed.next().await.unwrap().is_ok());
        advance(IDLE).await;
        assert_eq!(timed.next().await.unwrap().unwrap_err().kind, Kind::TotalTimeout);
    }

    #[tokio::test(start_paused = true)]
    async fn the_head_has_a_limit_of_its_own_shorter_or_longer_than_the_others() {
        for (first_byte, total, expected) in [
            (4, None, (Kind::FirstByteTimeout, 4)),
            (35, None, (Kind::FirstByteTimeout, 35)),
            (35, Some(60), (Kind::FirstByteTimeout, 35)),
            (35, Some(25), (Kind::TotalTimeout, 25)),
            (35, Some(5), (Kind::TotalTimeout, 5)),
            (35, Some(35), (Kind::TotalTimeout, 35)),
        ] {
            let start = Instant::now();
            let mut limits = limits(Duration::from_secs(first_byte), total.map(Duration::from_secs));
            let failure = limits.head(pin!(std::future::pending::<()>())).await.unwrap_err();
            assert_eq!((failure.kind, start.elapsed().as_secs()), expected, "{first_byte} {total:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_came_late_leaves_the_body_no_more_than_its_own_limits() {
        for head_after in [0, 1, 9, 10, 11, 25, 34] {
            let mut limits = limits(Duration::from_secs(35), None);
            limits.head(pin!(sleep(Duration::from_secs(head_after)))).await.unwrap();
            let (count, kind, elapsed) = run(&[9], limits).await;
            assert_eq!((count, kind, elapsed.as_secs()), (1, Kind::IdleTimeout, 19), "{head_after}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_is_shortened_later_holds() {
        let start = Instant::now();
        let mut limits = limits(Duration::from_secs(35), Some(Duration::from_secs(60)));
        limits.head(pin!(sleep(Duration::from_secs(20)))).await.unwrap();
        let silent = StreamBody::new(Box::pin(stream::pending::<Result<Frame<Bytes>, hyper::Error>>()));
        let mut timed = Timed::new(silent, limits).within(Duration::from_secs(2));
        assert!(timed.next().await.unwrap().is_err());
        assert_eq!(start.elapsed(), Duration::from_secs(22));
    }
}
