//! A log that holds whatever a test puts into it, and goes away when the test says so.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::stream;
use tallygate_core::envelope::Line;
use tallygate_core::port::event_log::{AppendError, Batch, Entry, EventLog, LogError};
use tallygate_core::port::{BoxFuture, BoxStream};
use tallygate_core::stream::{ChainId, Head, Log, Offset};
use tokio::sync::watch;

#[derive(Debug, Clone)]
pub struct RawLog {
    log: Log,
    lines: Arc<watch::Sender<Vec<Line>>>,
    /// What the next tail ends with, at which entry.
    failure: Arc<Mutex<Option<(u64, LogError)>>>,
    /// How many entries a tail has given out.
    tailed: Arc<AtomicUsize>,
}

impl RawLog {
    pub fn new(log: Log) -> Self {
        Self { log, lines: Arc::new(watch::Sender::new(Vec::new())), failure: Arc::default(), tailed: Arc::default() }
    }

    /// Each line is an entry. Nothing is checked.
    pub fn push(&self, lines: impl IntoIterator<Item = Line>) {
        self.lines.send_modify(|stored| stored.extend(lines));
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.lines.borrow().len()
    }

    /// How many entries a tail has come to.
    pub fn tailed(&self) -> usize {
        self.tailed.load(Ordering::SeqCst)
    }

    /// The next tail fails once, after so many entries.
    pub fn fail_after(&self, entries: u64, error: LogError) {
        *self.failure.lock().unwrap() = Some((entries, error));
    }

    fn take_failure(&self, after: Offset) -> Option<LogError> {
        let mut failure = self.failure.lock().unwrap();
        failure.take_if(|(entries, _)| *entries == after.get()).map(|(_, error)| error)
    }
}

fn entry(lines: &[Line], after: Offset) -> Option<Entry> {
    let line = lines.get(usize::try_from(after.get()).unwrap())?.clone();
    Some(Entry { offset: after.plus(1), lines: vec![line] })
}

impl EventLog for RawLog {
    fn log(&self) -> Log {
        self.log
    }

    fn head<'a>(&'a self, _: &'a ChainId) -> BoxFuture<'a, Result<Head, LogError>> {
        Box::pin(async { Ok(Head::EMPTY) })
    }

    fn end(&self) -> BoxFuture<'_, Result<Offset, LogError>> {
        Box::pin(async { Ok(Offset::new(self.lines.borrow().len() as u64)) })
    }

    fn append(&self, _: Batch) -> BoxFuture<'_, Result<Head, AppendError>> {
        Box::pin(async { Err(AppendError::Invalid("this log is written raw".to_owned())) })
    }

    fn read(&self, after: Offset, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, LogError>> {
        Box::pin(async move {
            let lines = self.lines.borrow();
            Ok((after.get()..).map_while(|after| entry(&lines, Offset::new(after))).take(limit).collect())
        })
    }

    fn tail(&self, after: Offset) -> BoxStream<'static, Result<Entry, LogError>> {
        let state = (self.clone(), self.lines.subscribe(), after);
        Box::pin(stream::unfold(Some(state), |state| async {
            let (log, mut lines, after) = state?;
            if let Some(error) = log.take_failure(after) {
                return Some((Err(error), None));
            }
            let index = usize::try_from(after.get()).unwrap();
            let next = entry(&lines.wait_for(|lines| lines.len() > index).await.unwrap(), after)?;
            let after = next.offset;
            log.tailed.fetch_max(index + 1, Ordering::SeqCst);
            Some((Ok(next), Some((log, lines, after))))
        }))
    }
}
