//! An event log in memory, for tests and simulations. It keeps the whole contract but durability: what it holds lives
//! as long as the last handle.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

use crate::envelope::Line;
use crate::port::event_log::{AppendError, Batch, BoxError, Entry, EventLog, LogError};
use crate::port::{BoxFuture, BoxStream};
use crate::stream::{ChainId, Head, Log, Offset, Position};

/// A log in memory. Clones are handles of the same log.
///
/// In activity each append is one entry, as on a broker; in control and lease each line is one.
#[derive(Debug, Clone)]
pub struct MemoryLog {
    log: Log,
    state: Arc<Mutex<State>>,
}

/// What goes wrong with appends, until it is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendFault {
    /// Nothing is stored; the answer is [`AppendError::Unavailable`].
    Refuse,
    /// The lines are stored, but the answer is lost: [`AppendError::Ambiguous`].
    LoseAnswer,
    /// Nothing is stored, and nobody can tell: [`AppendError::Ambiguous`].
    LoseRequest,
}

#[derive(Debug, Default)]
struct State {
    entries: Vec<Entry>,
    chains: HashMap<ChainId, Chain>,
    /// Tails that wait for an entry.
    waiting: Vec<Waker>,
    fault: Option<AppendFault>,
}

#[derive(Debug, Default)]
struct Chain {
    lines: Vec<Line>,
    head: Option<Head>,
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new(log: Log) -> Self {
        Self { log, state: Arc::default() }
    }

    /// Lets appends fail from now on, or work again.
    pub fn set_fault(&self, fault: Option<AppendFault>) {
        self.state().fault = fault;
    }

    /// Every line that is stored, in the order of the log.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.state().entries.iter().flat_map(|entry| entry.lines.clone()).collect()
    }

    /// Nothing panics while the lock is held, so a poisoned state is still whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn append(&mut self, log: Log, batch: Batch) -> Result<Head, AppendError> {
        let end = batch.check(log)?;
        match self.fault {
            Some(AppendFault::Refuse) => return Err(AppendError::Unavailable(fault("appends are refused"))),
            Some(AppendFault::LoseRequest) => return Err(AppendError::Ambiguous(fault("the request was lost"))),
            Some(AppendFault::LoseAnswer) | None => {}
        }
        let Batch { chain: id, after, lines } = batch;
        // A log holds bytes: whoever reads it must not find what only the sealer knew.
        let lines: Vec<Line> = lines.iter().map(|line| Line::from_bytes(line.bytes().clone())).collect();
        let chain = self.chains.entry(id).or_default();
        let head = chain.head.unwrap_or(Head::EMPTY);
        if head.position != after {
            return match chain.holds(after, &lines) {
                true => Ok(end),
                false => Err(AppendError::Conflict { expected: after, actual: head.position }),
            };
        }
        if lines.first().and_then(Line::prev) != Some(head.hash) {
            return Err(AppendError::Invalid("the first line's `prev` is not the chain's last line".to_owned()));
        }
        chain.lines.extend_from_slice(&lines);
        chain.head = Some(end);
        self.store(log, lines);
        match self.fault {
            Some(AppendFault::LoseAnswer) => Err(AppendError::Ambiguous(fault("the answer was lost"))),
            _ => Ok(end),
        }
    }

    fn store(&mut self, log: Log, lines: Vec<Line>) {
        let mut push = |lines| {
            let offset = self.end().plus(1);
            self.entries.push(Entry { offset, lines });
        };
        match log {
            Log::Activity => push(lines),
            Log::Control | Log::Lease => lines.into_iter().for_each(|line| push(vec![line])),
        }
        self.waiting.drain(..).for_each(Waker::wake);
    }

    fn end(&self) -> Offset {
        self.entries.last().map_or(Offset::START, |entry| entry.offset)
    }

    /// The entries after an offset. An offset is the ordinal of its entry.
    fn after(&self, after: Offset) -> Result<&[Entry], LogError> {
        let skipped = usize::try_from(after.get()).unwrap_or(usize::MAX);
        self.entries.get(skipped..).ok_or_else(|| LogError::Damaged {
            place: format!("offset {after}"),
            what: format!("the reader is ahead of the log, which ends at {}", self.end()),
        })
    }
}

impl Chain {
    fn holds(&self, after: Position, lines: &[Line]) -> bool {
        let start = usize::try_from(after.get()).unwrap_or(usize::MAX);
        self.lines.get(start..).is_some_and(|stored| stored.starts_with(lines))
    }
}

fn fault(what: &str) -> BoxError {
    format!("the test's fault: {what}").into()
}

// === impl EventLog for MemoryLog ===

impl EventLog for MemoryLog {
    fn log(&self) -> Log {
        self.log
    }

    fn head<'a>(&'a self, chain: &'a ChainId) -> BoxFuture<'a, Result<Head, LogError>> {
        Box::pin(async { Ok(self.state().chains.get(chain).and_then(|chain| chain.head).unwrap_or(Head::EMPTY)) })
    }

    fn end(&self) -> BoxFuture<'_, Result<Offset, LogError>> {
        Box::pin(async { Ok(self.state().end()) })
    }

    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<Head, AppendError>> {
        Box::pin(async { self.state().append(self.log, batch) })
    }

    fn read(&self, after: Offset, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, LogError>> {
        Box::pin(async move { Ok(self.state().after(after)?.iter().take(limit.max(1)).cloned().collect()) })
    }

    fn tail(&self, after: Offset) -> BoxStream<'static, Result<Entry, LogError>> {
        Box::pin(Tail { source: self.clone(), after, ended: false })
    }
}

struct Tail {
    source: MemoryLog,
    after: Offset,
    ended: bool,
}

impl Stream for Tail {
    type Item = Result<Entry, LogError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let source = self.source.clone();
        let mut state = source.state();
        match state.after(self.after).map(|entries| entries.first().cloned()) {
            Err(error) => {
                self.ended = true;
                Poll::Ready(Some(Err(error)))
            }
            Ok(Some(entry)) => {
                self.after = entry.offset;
                Poll::Ready(Some(Ok(entry)))
            }
            Ok(None) => {
                if !state.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                    state.waiting.push(context.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{AppendFault, MemoryLog};
    use crate::port::BoxFuture;
    use crate::port::event_log::{AppendError, EventLog};
    use crate::stream::{Head, Log};
    use crate::testing::chain_writer::ChainWriter;
    use crate::testing::drive::block_on;
    use crate::testing::event_log_contract::{Fixture, Stop};

    struct Memory;

    impl Fixture for Memory {
        fn open(&self, log: Log) -> BoxFuture<'_, Arc<dyn EventLog>> {
            Box::pin(async move { Arc::new(MemoryLog::new(log)) as Arc<dyn EventLog> })
        }

        /// The medium is the handle: there is nothing that could be opened again.
        fn reopen(&self, log: Arc<dyn EventLog>, _: Stop) -> BoxFuture<'_, Arc<dyn EventLog>> {
            Box::pin(async move { log })
        }

        fn tail_survives_reopen(&self) -> bool {
            true
        }
    }

    crate::event_log_contract!(block_on, Memory);

    #[test]
    fn a_refused_append_stores_nothing() {
        let (log, mut writer) = (MemoryLog::new(Log::Control), ChainWriter::new(Log::Control, "acme"));
        let batch = writer.batch(1);
        log.set_fault(Some(AppendFault::Refuse));
        assert!(matches!(block_on(log.append(batch.clone())), Err(AppendError::Unavailable(_))));
        log.set_fault(Some(AppendFault::LoseRequest));
        assert!(matches!(block_on(log.append(batch.clone())), Err(AppendError::Ambiguous(_))));
        assert_eq!(block_on(log.head(&batch.chain)).unwrap(), Head::EMPTY);
        log.set_fault(None);
        assert_eq!(block_on(log.append(batch)).unwrap(), writer.head());
    }

    #[test]
    fn a_lost_answer_is_found_by_asking_again() {
        let (log, mut writer) = (MemoryLog::new(Log::Control), ChainWriter::new(Log::Control, "acme"));
        let batch = writer.batch(2);
        log.set_fault(Some(AppendFault::LoseAnswer));
        assert!(matches!(block_on(log.append(batch.clone())), Err(AppendError::Ambiguous(_))));
        log.set_fault(None);
        assert_eq!(block_on(log.append(batch)).unwrap(), writer.head());
        assert_eq!(log.lines().len(), 2);
    }
}
