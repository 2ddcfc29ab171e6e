//! How long a connection may be without a whole head of a request.
//!
//! hyper has such a limit too, but makes a timer for each request and goes over the connection once more for it. Here a
//! connection has one timer, which is looked at when it fires.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;
use tokio::time::{Instant, Sleep, sleep};

use super::Front;

/// The limit of one connection, and its timer.
pub(super) struct HeadLimit {
    limit: Duration,
    heads: Arc<Heads>,
    /// How many heads were there when it was last looked at, and since when the next one is waited for.
    known: u64,
    since: Instant,
    timer: Pin<Box<Sleep>>,
    is_set: bool,
}

/// How many heads of a connection came, and how many answers to them have ended.
#[derive(Default)]
struct Heads {
    came: AtomicU64,
    answered: AtomicU64,
}

/// What answers the requests of a connection, and notes when.
#[derive(Clone)]
pub(super) struct Noted<F> {
    front: F,
    heads: Arc<Heads>,
}

/// An answer that has not ended. Dropped, it has.
struct Unended(Arc<Heads>);

/// An answer that is made.
pub(super) struct Answering<A> {
    answer: A,
    unended: Option<Unended>,
}

/// The body of an answer, which ends with it.
pub(super) struct NotedBody<B> {
    body: B,
    _unended: Option<Unended>,
}

impl HeadLimit {
    /// The limit of a connection that begins now, and what answers its requests.
    pub(super) fn of<F>(front: F, limit: Duration) -> (Self, Noted<F>) {
        let heads = Arc::<Heads>::default();
        let timer = Box::pin(sleep(limit));
        let own = Self { limit, heads: Arc::clone(&heads), known: 0, since: Instant::now(), timer, is_set: false };
        (own, Noted { front, heads })
    }

    /// Ready when a head was waited for too long. Polled by one task alone, after the connection.
    pub(super) fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let came = self.heads.came.load(Ordering::Acquire);
        if came != self.heads.answered.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        if came != self.known {
            (self.known, self.since) = (came, Instant::now());
        }
        while !self.is_set || self.timer.is_elapsed() {
            self.is_set = true;
            // It was set for the wait before this one: that may have begun earlier.
            ready!(self.timer.as_mut().poll(context));
            let by = self.since + self.limit;
            if Instant::now() >= by {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(by);
            self.is_set = false;
        }
        Poll::Pending
    }
}

impl<F: Front> Service<Request<Incoming>> for Noted<F> {
    type Response = Response<NotedBody<axum::body::Body>>;
    type Error = F::Error;
    type Future = Answering<F::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.heads.came.fetch_add(1, Ordering::Release);
        let unended = Some(Unended(Arc::clone(&self.heads)));
        Answering { answer: self.front.call(request), unended }
    }
}

impl<A: Future<Output = Result<Response<B>, E>> + Unpin, B, E> Future for Answering<A> {
    type Output = Result<Response<NotedBody<B>>, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.answer).poll(context));
        let unended = self.unended.take();
        Poll::Ready(answer.map(|answer| answer.map(|body| NotedBody { body, _unended: unended })))
    }
}

impl Drop for Unended {
    fn drop(&mut self) {
        self.0.answered.fetch_add(1, Ordering::Release);
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for NotedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::task::Poll;
    use std::time::Duration;

    use tokio::time::{Instant, advance};

    use super::{HeadLimit, Unended};

    const LIMIT: Duration = Duration::from_secs(10);

    /// Whether it waits still. It is polled by this task alone, as a connection is.
    async fn waits(limit: &mut HeadLimit) -> bool {
        poll_fn(|context| Poll::Ready(limit.poll_over(context).is_pending())).await
    }

    async fn over(limit: &mut HeadLimit) -> Duration {
        let start = Instant::now();
        poll_fn(|context| limit.poll_over(context)).await;
        start.elapsed()
    }

    fn begin(limit: &HeadLimit) -> Unended {
        limit.heads.came.fetch_add(1, Ordering::Release);
        Unended(Arc::clone(&limit.heads))
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_is_waited_for_from_the_accept_and_from_the_end_of_the_answer_before() {
        let (mut limit, _noted) = HeadLimit::of((), LIMIT);
        assert_eq!(over(&mut limit).await.as_secs(), 10);
        let (mut limit, _noted) = HeadLimit::of((), LIMIT);
        for answered_in in [0, 1, 9, 30] {
            assert!(waits(&mut limit).await);
            advance(Duration::from_secs(9)).await;
            assert!(waits(&mut limit).await);
            let unended = begin(&limit);
            advance(Duration::from_secs(answered_in)).await;
            assert!(waits(&mut limit).await, "an answer may take any time");
            drop(unended);
        }
        assert_eq!(over(&mut limit).await.as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_between_two_looks_count() {
        let (mut limit, _noted) = HeadLimit::of((), LIMIT);
        assert!(waits(&mut limit).await);
        advance(Duration::from_secs(8)).await;
        drop(begin(&limit));
        assert_eq!(over(&mut limit).await.as_secs(), 10);
    }
}
