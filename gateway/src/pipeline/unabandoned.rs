//! Work that must come to its end: it runs where it is awaited, and if nobody awaits it any more it goes on in a task
//! of its own. A task from the start would cost every request what only those need whose client goes away.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::CatchUnwind;
use tokio::runtime::Handle;

use super::clientless::{Clientless, HasLeft};

/// See [`run`].
struct Unabandoned<F: Future + Send + 'static>
where
    F::Output: Send,
{
    work: Option<Pin<Box<CatchUnwind<AssertUnwindSafe<F>>>>>,
    all: Arc<Clientless>,
    has_left: HasLeft,
}

/// The work panicked: a defect.
#[derive(Debug, thiserror::Error)]
#[error("the request met a defect of the gateway")]
pub(super) struct Panicked;

/// Runs `work` to its end. `has_left` says from then on that nobody awaits it any more.
///
/// Cancellation: dropped before its end, the work goes on in a task of its own, and is counted among the clientless.
///
/// # Errors
/// [`Panicked`]. What the work held was dropped.
pub(super) fn run<F>(
    all: &Arc<Clientless>,
    has_left: HasLeft,
    work: F,
) -> impl Future<Output = Result<F::Output, Panicked>> + use<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    Unabandoned { work: Some(Box::pin(AssertUnwindSafe(work).catch_unwind())), all: Arc::clone(all), has_left }
}

impl<F> Future for Unabandoned<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.work else { return Poll::Pending };
        let ended = std::task::ready!(work.as_mut().poll(context));
        self.work = None;
        Poll::Ready(ended.map_err(|_| Panicked))
    }
}

impl<F> Drop for Unabandoned<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn drop(&mut self) {
        let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) else { return };
        self.has_left.note();
        let all = Arc::clone(&self.all);
        runtime.spawn(async move {
            let _place = all.enter();
            let _ = work.await;
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;

    use super::run;
    use crate::pipeline::clientless::{Clientless, HasLeft};

    fn all() -> Arc<Clientless> {
        Arc::new(Clientless::new(0))
    }

    #[tokio::test]
    async fn work_that_is_awaited_hands_out_its_result() {
        let all = all();
        assert_eq!(run(&all, HasLeft::default(), async { 7 }).await.unwrap(), 7);
        assert_eq!(all.count(), 0);
    }

    #[tokio::test]
    async fn work_that_nobody_awaits_any_more_goes_on_and_is_counted() {
        let all = all();
        let (go_on, wait) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();
        let (has_left, told) = (HasLeft::default(), HasLeft::default());
        let seen = has_left.clone();
        let mut work = Box::pin(run(&all, has_left, async move {
            wait.await.unwrap();
            assert!(seen.is_so(), "the work is told");
            done.send("done").unwrap();
        }));
        assert!(work.as_mut().now_or_never().is_none());
        assert!(!told.is_so(), "another request's client is still there");
        drop(work);
        go_on.send(()).unwrap();
        assert_eq!(is_done.await.unwrap(), "done");
        all.until_none().await;
    }

    #[tokio::test]
    async fn a_panic_ends_the_work_and_nothing_else() {
        let (held, is_dropped) = oneshot::channel::<()>();
        let result = run(&all(), HasLeft::default(), async move {
            let _held = held;
            panic!("a defect")
        });
        let result: Result<(), _> = result.await;
        assert!(result.is_err());
        assert!(is_dropped.await.is_err(), "what it held was dropped");
    }
}
