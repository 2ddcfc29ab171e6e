//! Load at a constant rate, whatever the server does. The latency of a request counts from the moment it was due, not
//! from when a connection was free to send it: a server that stalls is charged for every request it held up. That
//! is the correction for coordinated omission.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::{CreationError, Histogram};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::client::{Call, Connection, Failure};
use crate::pacer::Pacer;
use crate::tally::Tally;

/// The longest latency that is told from longer ones, in nanoseconds.
const LATENCY_MAX_NS: u64 = 60_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;
/// How long the requests that are due at the end may still take.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a load could not be put on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No connection.
    #[error("the connections cannot be opened")]
    Connection(#[source] Failure),
    /// No timer.
    #[error("the kernel's timer keeps no pace")]
    Pace(#[source] io::Error),
    /// No histogram.
    #[error("no histogram can be made")]
    Histogram(#[source] CreationError),
}

/// What load, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Requests in a second, more than 0.
    pub(crate) per_second: f64,
    /// The most requests at one time.
    pub(crate) connections: usize,
    /// The time before latencies are recorded.
    pub(crate) warm_up: Duration,
    /// The time that they are recorded.
    pub(crate) measured: Duration,
}

/// Puts the load on and returns the latencies in nanoseconds. What fails, and what is not answered soon after the end,
/// is counted as failed.
///
/// # Errors
/// [`Error`].
pub(crate) async fn run(call: &Call, plan: Plan, tally: &Arc<Tally>) -> Result<Histogram<u64>, Error> {
    let queue = Arc::new(Queue::new().map_err(Error::Histogram)?);
    let mut connections = JoinSet::new();
    for _ in 0..plan.connections {
        let connection = Connection::open(call.address()).await.map_err(Error::Connection)?;
        connections.spawn(answer(connection, call.clone(), Arc::clone(&queue), Arc::clone(tally)));
    }
    let step = Duration::from_secs_f64(1.0 / plan.per_second);
    let pacer = Pacer::start(step).map_err(Error::Pace)?;
    let mut schedule = Schedule { begin: Instant::now(), per_second: plan.per_second, given: 0 };
    let recorded_from = schedule.begin + plan.warm_up;
    let end = recorded_from + plan.measured;
    while Instant::now() < end {
        pacer.step().await.map_err(Error::Pace)?;
        queue.put(schedule.until(Instant::now().min(end)), recorded_from);
    }
    // What was due while this process itself did not run is owed all the same.
    queue.put(schedule.until(end), recorded_from);
    queue.close();
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_TIMEOUT, drained).await.is_err() {
        connections.abort_all();
    }
    let unanswered = queue.unanswered();
    if unanswered > 0 {
        tally.fail("unanswered", unanswered, "the server did not keep up with the offered rate");
    }
    Ok(queue.latencies())
}

async fn answer(mut connection: Connection, call: Call, queue: Arc<Queue>, tally: Arc<Tally>) {
    while let Some(due) = queue.next().await {
        let outcome = connection.exchange(&call).await;
        queue.answered(due, outcome.is_ok());
        tally.count(&outcome);
        if let Err(failure) = outcome
            && let Err(gone) = connection.mend(&call, &failure).await
        {
            return tally.count(&Err(gone));
        }
    }
}

/// The moments at which requests are due.
struct Schedule {
    begin: Instant,
    per_second: f64,
    given: u32,
}

impl Schedule {
    /// The moments up to now that were not given out yet.
    fn until(&mut self, now: Instant) -> Vec<Instant> {
        let mut due = Vec::new();
        loop {
            let moment = self.begin + Duration::from_secs_f64(f64::from(self.given) / self.per_second);
            if moment > now {
                return due;
            }
            self.given += 1;
            due.push(moment);
        }
    }
}

/// A request that is due.
#[derive(Debug, Clone, Copy)]
struct Due {
    moment: Instant,
    recorded: bool,
}

/// The requests that wait for a connection, and the latencies of those that are answered. It holds at most what is due
/// in the time of the run.
struct Queue {
    waiting: Semaphore,
    state: Mutex<State>,
}

struct State {
    due: VecDeque<Due>,
    begun: u64,
    latencies: Histogram<u64>,
}

impl Queue {
    fn new() -> Result<Self, CreationError> {
        let latencies = Histogram::new_with_max(LATENCY_MAX_NS, SIGNIFICANT_DIGITS)?;
        let state = State { due: VecDeque::new(), begun: 0, latencies };
        Ok(Self { waiting: Semaphore::new(0), state: Mutex::new(state) })
    }

    fn put(&self, moments: Vec<Instant>, recorded_from: Instant) {
        let count = moments.len();
        self.state().due.extend(moments.into_iter().map(|moment| Due { moment, recorded: moment >= recorded_from }));
        self.waiting.add_permits(count);
    }

    /// Nothing more will be due.
    fn close(&self) {
        self.waiting.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    /// Waits for a request that is due; none when all were taken and no more will come.
    async fn next(&self) -> Option<Due> {
        self.waiting.acquire().await.ok()?.forget();
        let mut state = self.state();
        let due = state.due.pop_front()?;
        state.begun += 1;
        Some(due)
    }

    fn answered(&self, due: Due, well: bool) {
        let latency_ns = u64::try_from(due.moment.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let mut state = self.state();
        state.begun -= 1;
        if due.recorded && well {
            state.latencies.saturating_record(latency_ns);
        }
    }

    fn unanswered(&self) -> u64 {
        let state = self.state();
        state.begun + state.due.len() as u64
    }

    fn latencies(&self) -> Histogram<u64> {
        self.state().latencies.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::{Duration, Instant};

    use bytes::Bytes;
    use http_body_util::Full;
    use hyper::Response;
    use hyper::service::service_fn;

    use super::{Plan, Schedule, run};
    use crate::chat::Ask;
    use crate::client::Call;
    use crate::serve;

    const STALL: Duration = Duration::from_millis(250);

    /// A server that holds up its tenth request, and answers all others at once.
    async fn stalls_once() -> Call {
        let listener = serve::listen().await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicU32::new(0));
        let service = service_fn(move |_| {
            let stall = asked.fetch_add(1, Ordering::Relaxed) == 10;
            async move {
                if stall {
                    tokio::time::sleep(STALL).await;
                }
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"{}"))))
            }
        });
        tokio::spawn(serve::accept(listener, service));
        Call::new(address, "sk-none", Ask::Whole).unwrap()
    }

    #[tokio::test]
    async fn a_stall_is_charged_to_every_request_that_was_due_meanwhile() {
        let tally = Arc::default();
        let plan =
            Plan { per_second: 200.0, connections: 1, warm_up: Duration::ZERO, measured: Duration::from_millis(500) };
        let latencies = run(&stalls_once().await, plan, &tally).await.unwrap();
        assert_eq!((tally.completed(), tally.failed().len()), (latencies.len(), 0));
        // Half of the requests were due during the stall, and waited half of it in the middle. Counted from when they
        // were sent, one in a hundred was slow.
        let slow = Duration::from_nanos(latencies.value_at_quantile(0.8));
        assert!(slow > STALL / 4, "the 80th percentile is {slow:?}");
    }

    #[tokio::test]
    async fn requests_of_the_warm_up_are_sent_but_not_recorded() {
        let tally = Arc::default();
        let plan = Plan {
            per_second: 500.0,
            connections: 4,
            warm_up: Duration::from_millis(100),
            measured: Duration::from_millis(100),
        };
        let latencies = run(&stalls_once().await, plan, &tally).await.unwrap();
        assert!((99..=101).contains(&tally.completed()), "{} sent", tally.completed());
        assert!((49..=51).contains(&latencies.len()), "{} recorded", latencies.len());
    }

    #[test]
    fn the_schedule_gives_every_moment_once_and_none_early() {
        let begin = Instant::now();
        let mut schedule = Schedule { begin, per_second: 100.0, given: 0 };
        let after = |ms: u64| begin + Duration::from_millis(ms);
        assert_eq!(schedule.until(begin), [begin]);
        assert_eq!(schedule.until(after(9)), []);
        assert_eq!(schedule.until(after(35)), [after(10), after(20), after(30)]);
    }
}
