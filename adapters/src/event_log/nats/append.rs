//! Appending: attempts until it is known what became of the lines.
//!
//! Every attempt carries the same lines and the sequence they must follow, so at most one attempt is let in, also of
//! those that were not answered and arrive late. Whenever the server says that the chain has moved, the line at the
//! place in question is read back: if it is ours, an earlier attempt was let in. A line holds the hash of the line
//! before it, so when our last line stands at its place, so do the others.

use std::time::Duration;

use tallygate_core::port::event_log::{AppendError, Batch, BoxError};
use tallygate_core::stream::Head;
use tokio::time::{Instant, sleep};

use super::NatsLog;
use super::chain::ChainEnd;
use super::plan::Plan;
use super::publish::Outcome;

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What one attempt came to.
enum Attempt {
    /// It is known what became of the lines.
    Settled(Result<Head, AppendError>),
    /// This attempt stored nothing and will store nothing.
    Failed(BoxError),
    /// This attempt may have stored the lines, or may still.
    Doubtful(BoxError),
}

/// See [`tallygate_core::port::event_log::EventLog::append`].
pub(super) async fn append(log: &NatsLog, batch: Batch) -> Result<Head, AppendError> {
    let plan = Plan::new(log.layout(), &batch, log.connection().max_payload())?;
    let options = log.connection().options();
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut is_doubtful = false;
    loop {
        let patience = if is_doubtful { options.resolve_timeout } else { options.reconnect_wait };
        let error = match attempt(log, &batch, &plan, patience.saturating_sub(started.elapsed())).await {
            Attempt::Settled(result) => return result,
            Attempt::Failed(error) => error,
            Attempt::Doubtful(error) => {
                tracing::warn!(stream = log.stream_name(), %error, "an append was not answered; asking again");
                is_doubtful = true;
                error
            }
        };
        // Doubt stays: an attempt that surely failed says nothing about an earlier one.
        let (patience, given_up): (_, fn(BoxError) -> AppendError) = if is_doubtful {
            (options.resolve_timeout, AppendError::Ambiguous)
        } else {
            (options.reconnect_wait, AppendError::Unavailable)
        };
        if started.elapsed() >= patience {
            return Err(given_up(error));
        }
        sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

async fn attempt(log: &NatsLog, batch: &Batch, plan: &Plan, wait: Duration) -> Attempt {
    if let Err(error) = log.connection().ready(wait).await {
        return Attempt::Failed(error);
    }
    let expected = match log.sequence_at(&batch.chain, batch.after).await {
        Ok(Some(sequence)) => sequence,
        Ok(None) => return compare(log, batch, plan).await,
        Err(error) => return Attempt::Failed(error.into()),
    };
    match log.publish(plan, expected).await {
        Outcome::Stored { last } => {
            log.shared.ends.learn(&batch.chain, ChainEnd { head: plan.head, sequence: last });
            Attempt::Settled(Ok(plan.head))
        }
        Outcome::Stale => compare(log, batch, plan).await,
        Outcome::Failed(error) => Attempt::Failed(error),
        Outcome::Unknown(error) => Attempt::Doubtful(error),
    }
}

/// The server knows the ids of these events, but they do not stand where they should.
#[derive(Debug, thiserror::Error)]
#[error("the chain ends where it should and the server refuses the lines all the same: it may know their event ids")]
struct Contradiction;

/// Finds out whether the lines stand at their place, after the chain turned out not to end before it.
async fn compare(log: &NatsLog, batch: &Batch, plan: &Plan) -> Attempt {
    let from = log.known_before(&batch.chain, plan.head.position);
    log.distrust_end(&batch.chain);
    let end = match log.chain_end(&batch.chain).await {
        Ok(end) => end,
        Err(error) => return Attempt::Failed(error.into()),
    };
    let actual = end.head.position;
    let conflict = || Attempt::Settled(Err(AppendError::Conflict { expected: batch.after, actual }));
    if end.head == plan.head {
        return Attempt::Settled(Ok(plan.head));
    }
    if actual == batch.after {
        return Attempt::Failed(Contradiction.into());
    }
    if actual <= plan.head.position {
        return conflict();
    }
    match log.line_at(&batch.chain, plan.head.position, (from, end)).await {
        Ok(line) if line.hash() == plan.head.hash => Attempt::Settled(Ok(plan.head)),
        Ok(_) => conflict(),
        Err(error) => Attempt::Failed(error.into()),
    }
}
