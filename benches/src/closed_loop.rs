//! Load that keeps a server busy: each connection sends its next request as soon as the last answer has ended. It shows
//! how much a server can take, and says nothing about latency.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::task::JoinSet;

use crate::client::{Call, Connection, Failure};
use crate::tally::Tally;

/// A load that is on.
#[derive(Debug)]
pub(crate) struct ClosedLoop {
    connections: JoinSet<()>,
    stop: Arc<Stop>,
}

#[derive(Debug)]
struct Stop {
    now: AtomicBool,
    /// Requests that may still be begun.
    left: AtomicU64,
}

impl ClosedLoop {
    /// Opens so many connections and begins. It ends when it is told to, or after `requests`, if that is given.
    ///
    /// # Errors
    /// When a connection cannot be opened.
    pub(crate) async fn start(
        call: &Call,
        connections: usize,
        requests: Option<u64>,
        tally: &Arc<Tally>,
    ) -> Result<Self, Failure> {
        let stop = Arc::new(Stop { now: AtomicBool::new(false), left: AtomicU64::new(requests.unwrap_or(u64::MAX)) });
        let mut open = Vec::with_capacity(connections);
        for _ in 0..connections {
            open.push(Connection::open(call.address()).await?);
        }
        let mut tasks = JoinSet::new();
        for connection in open {
            tasks.spawn(repeat(connection, call.clone(), Arc::clone(&stop), Arc::clone(tally)));
        }
        Ok(Self { connections: tasks, stop })
    }

    /// Lets every connection end the exchange it is in. That takes no longer than the timeout of one.
    pub(crate) async fn stop(self) {
        self.stop.now.store(true, Ordering::Relaxed);
        self.finished().await;
    }

    /// Waits until all requests are answered. Without a limit of requests it waits for ever.
    pub(crate) async fn finished(mut self) {
        while self.connections.join_next().await.is_some() {}
    }
}

async fn repeat(mut connection: Connection, call: Call, stop: Arc<Stop>, tally: Arc<Tally>) {
    while stop.may_begin() {
        let outcome = connection.exchange(&call).await;
        tally.count(&outcome);
        if let Err(failure) = outcome
            && let Err(gone) = connection.mend(&call, &failure).await
        {
            return tally.count(&Err(gone));
        }
    }
}

impl Stop {
    fn may_begin(&self) -> bool {
        let take_one = |left: u64| left.checked_sub(1);
        !self.now.load(Ordering::Relaxed)
            && self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take_one).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::ClosedLoop;
    use crate::chat::Ask;
    use crate::client::{Call, Failure};
    use crate::tally::Tally;
    use crate::{serve, upstream};

    async fn served() -> Call {
        let listener = serve::listen().await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(upstream::serve(listener));
        Call::new(address, "sk-none", Ask::Whole).unwrap()
    }

    #[tokio::test]
    async fn a_load_with_a_limit_ends_after_exactly_so_many_requests() {
        let tally = Arc::new(Tally::default());
        let load = ClosedLoop::start(&served().await, 7, Some(100), &tally).await.unwrap();
        load.finished().await;
        assert_eq!((tally.completed(), tally.failed().len()), (100, 0));
    }

    #[tokio::test]
    async fn a_load_without_a_limit_goes_on_until_it_is_stopped_and_breaks_nothing_off() {
        let tally = Arc::new(Tally::default());
        let load = ClosedLoop::start(&served().await, 3, None, &tally).await.unwrap();
        while tally.completed() < 50 {
            tokio::task::yield_now().await;
        }
        load.stop().await;
        let completed = tally.completed();
        tokio::task::yield_now().await;
        assert_eq!((tally.completed(), tally.failed().len()), (completed, 0));
    }

    #[tokio::test]
    async fn refusals_are_counted_and_do_not_end_the_load() {
        let tally = Arc::new(Tally::default());
        let (upstream, proxy) = (served().await.address(), serve::listen().await.unwrap());
        let call = Call::new(proxy.local_addr().unwrap(), "sk-none", Ask::Whole).unwrap();
        tokio::spawn(crate::bare_proxy::serve(proxy, upstream));
        let load = ClosedLoop::start(&call.with_body(r#"{"model":"another"}"#), 2, Some(10), &tally).await.unwrap();
        load.finished().await;
        assert_eq!((tally.completed(), tally.failed()["refused"].count), (0, 10));
    }

    #[tokio::test]
    async fn a_load_on_nothing_does_not_start() {
        let address = serve::listen().await.unwrap().local_addr().unwrap();
        let call = Call::new(address, "sk-none", Ask::Whole).unwrap();
        let failure = ClosedLoop::start(&call, 1, None, &Arc::default()).await.unwrap_err();
        assert!(matches!(failure, Failure::Connect { .. }), "{failure}");
    }
}
