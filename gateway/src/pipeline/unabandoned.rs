//! Work that must come to its end: it runs where it is awaited, and if nobody awaits it any more it goes on in a task
//! of its own. A task from the start would cost every request what only those need whose client goes away.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::CatchUnwind;
use tokio::runtime::Handle;

/// See [`run`].
struct Unabandoned<F: Future + Send + 'static>(Option<Pin<Box<CatchUnwind<AssertUnwindSafe<F>>>>>)
where
    F::Output: Send;

/// The work panicked: a defect.
#[derive(Debug, thiserror::Error)]
#[error("the request met a defect of the gateway")]
pub(super) struct Panicked;

/// Runs `work` to its end.
///
/// Cancellation: dropped before its end, the work goes on in a task of its own.
///
/// # Errors
/// [`Panicked`]. What the work held was dropped.
pub(super) fn run<F>(work: F) -> impl Future<Output = Result<F::Output, Panicked>>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    Unabandoned(Some(Box::pin(AssertUnwindSafe(work).catch_unwind())))
}

impl<F> Future for Unabandoned<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.0 else { return Poll::Pending };
        let ended = std::task::ready!(work.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(ended.map_err(|_| Panicked))
    }
}

impl<F> Drop for Unabandoned<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn drop(&mut self) {
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;

    use super::run;

    #[tokio::test]
    async fn work_that_is_awaited_hands_out_its_result() {
        assert_eq!(run(async { 7 }).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn work_that_nobody_awaits_any_more_goes_on() {
        let (go_on, wait) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();
        let mut work = Box::pin(run(async move {
            wait.await.unwrap();
            done.send("done").unwrap();
        }));
        assert!(work.as_mut().now_or_never().is_none());
        drop(work);
        go_on.send(()).unwrap();
        assert_eq!(is_done.await.unwrap(), "done");
    }

    #[tokio::test]
    async fn a_panic_ends_the_work_and_nothing_else() {
        let (held, is_dropped) = oneshot::channel::<()>();
        let result = run(async move {
            let _held = held;
            panic!("a defect")
        });
        let result: Result<(), _> = result.await;
        assert!(result.is_err());
        assert!(is_dropped.await.is_err(), "what it held was dropped");
    }
}
