//! Carrying a log's entries through a reader into a fold, across failures of the log, until it is told to stop.
//!
//! Reading (authenticating, decoding) goes on while a group is being folded. What was read meanwhile is folded
//! together next: so groups are small while there is little to do, and large, and cheap for each line, while there is
//! much.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tallygate_core::port::event_log::{Entry, EventLog, LogError};
use tallygate_core::stream::{Log, Offset};
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};

use super::intake::{Gathered, Intake};
use super::{Damage, FollowError, Health};
use crate::metrics::LogMetrics;
use crate::store::StoreError;

/// How long to wait before a log that was away is tried again: at first, and at most.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Lines that are read at once, at most.
const READ_LINES: usize = 8_192;

/// What is read from entries.
pub(crate) trait Group: Send + 'static {
    /// Takes in the group that follows this one.
    fn append(&mut self, next: Self);

    /// How many events it has.
    fn len(&self) -> usize;
}

/// What checks and reads entries. Its calls block.
pub(crate) trait Reader: Send + 'static {
    type Group: Group;

    /// Reads entries, and gives all that may be folded. What comes before damage may be folded all the same.
    fn read(&mut self, entries: &[Entry]) -> (Option<Self::Group>, Option<Damage>);
}

/// What groups are folded into. Its calls block.
pub(crate) trait Fold: Send + 'static {
    type Group: Group;

    /// Folds a group, writes it and publishes it. After an error it must not be called any more.
    fn fold(&mut self, group: Self::Group) -> Result<(), StoreError>;
}

/// A follower that was not started yet.
#[derive(Debug)]
pub(crate) struct Pump<R, F> {
    pub(crate) source: Arc<dyn EventLog>,
    /// The last entry that the reader has read.
    pub(crate) offset: Offset,
    pub(crate) reader: R,
    pub(crate) fold: F,
    /// How many events may wait for the fold before no more are read.
    pub(crate) group_lines: usize,
    /// How long the first line of a group may wait for more, so that rows that many lines touch are written once.
    pub(crate) linger: Duration,
    pub(crate) health: Arc<watch::Sender<Health>>,
    pub(crate) metrics: LogMetrics,
}

/// Why following one tail ended.
enum Ended {
    Shutdown,
    Away(LogError),
}

impl<R: Reader, F: Fold<Group = R::Group>> Pump<R, F> {
    /// Follows the log until `shutdown` is done. What was read by then is folded first.
    ///
    /// # Errors
    /// [`FollowError`].
    pub(crate) async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), FollowError> {
        let mut shutdown = pin!(shutdown.fuse());
        let mut retry_after = RETRY_FIRST;
        let log = self.source.log();
        let Self { source, offset, reader, fold, group_lines, linger, health, metrics } = self;
        let mut reading = Reading { log, offset, reader: Some(reader), metrics: metrics.clone() };
        let mut folding = Folding { log, idle: Some(fold), busy: None, waiting: None };
        loop {
            let before = reading.offset;
            let error = match source.end().await {
                Err(error) => error,
                Ok(_) => {
                    health.send_replace(Health::Following);
                    metrics.following.set(1);
                    let lines_max = group_lines.clamp(1, READ_LINES);
                    let intake = Intake::new(source.tail(reading.offset), linger, lines_max);
                    match follow_tail(intake, &mut reading, &mut folding, group_lines, &mut shutdown).await? {
                        Ended::Shutdown => return folding.finish().await,
                        Ended::Away(error) => error,
                    }
                }
            };
            let LogError::Unavailable(_) = error else {
                folding.finish().await?;
                return Err(FollowError::Log { log, source: error });
            };
            retry_after = if reading.offset > before { RETRY_FIRST } else { (retry_after * 2).min(RETRY_MAX) };
            tracing::warn!(%log, error = &error as &dyn std::error::Error, "the log is away");
            metrics.following.set(0);
            health.send_replace(Health::Waiting(Arc::new(error)));
            tokio::select! {
                () = &mut shutdown => return folding.finish().await,
                () = tokio::time::sleep(retry_after) => {}
            }
        }
    }
}

async fn follow_tail<R: Reader, F: Fold<Group = R::Group>>(
    mut intake: Intake,
    reading: &mut Reading<R>,
    folding: &mut Folding<F>,
    group_lines: usize,
    shutdown: &mut (impl Future<Output = ()> + Unpin),
) -> Result<Ended, FollowError> {
    loop {
        let Gathered { entries, error } = tokio::select! {
            biased;
            () = &mut *shutdown => return Ok(Ended::Shutdown),
            folded = folding.folded() => {
                folded?;
                continue;
            }
            gathered = intake.next(), if folding.waiting() < group_lines => gathered,
        };
        if !entries.is_empty() {
            let (group, damage) = reading.read(entries).await?;
            folding.fold(group);
            if let Some(damage) = damage {
                folding.finish().await?;
                return Err(damage.into());
            }
        }
        if let Some(error) = error {
            return Ok(Ended::Away(error));
        }
    }
}

/// The reader, on a thread that may block.
struct Reading<R> {
    log: Log,
    offset: Offset,
    reader: Option<R>,
    metrics: LogMetrics,
}

impl<R: Reader> Reading<R> {
    async fn read(&mut self, entries: Vec<Entry>) -> Result<(Option<R::Group>, Option<Damage>), FollowError> {
        let panicked = FollowError::Panicked { log: self.log };
        let Some(mut reader) = self.reader.take() else { return Err(panicked) };
        let read = spawn_blocking(move || {
            let read = reader.read(&entries);
            (reader, read, entries)
        });
        // The entries come back: memory that another thread gives back than the one which took it costs both of them more.
        let Ok((reader, read, entries)) = read.await else { return Err(panicked) };
        self.reader = Some(reader);
        self.offset = entries.last().map_or(self.offset, |entry| entry.offset);
        self.metrics.read(self.offset);
        Ok(read)
    }
}

/// The fold, on a thread that may block, and what waits for it.
struct Folding<F: Fold> {
    log: Log,
    idle: Option<F>,
    busy: Option<JoinHandle<Result<F, StoreError>>>,
    waiting: Option<F::Group>,
}

impl<F: Fold> Folding<F> {
    /// Folds a group, now or as soon as what is being folded is done.
    fn fold(&mut self, group: Option<F::Group>) {
        match (&mut self.waiting, group) {
            (Some(waiting), Some(group)) => waiting.append(group),
            (waiting @ None, group) => *waiting = group,
            (Some(_), None) => {}
        }
        if let (None, Some(_), Some(_)) = (&self.busy, &self.idle, &self.waiting) {
            self.begin();
        }
    }

    fn begin(&mut self) {
        if let (Some(mut fold), Some(group)) = (self.idle.take(), self.waiting.take()) {
            self.busy = Some(spawn_blocking(move || fold.fold(group).map(|()| fold)));
        }
    }

    /// How many events wait.
    fn waiting(&self) -> usize {
        self.waiting.as_ref().map_or(0, Group::len)
    }

    /// Waits until what is being folded is done, for ever if nothing is, and begins with what waits.
    async fn folded(&mut self) -> Result<(), FollowError> {
        let Some(busy) = &mut self.busy else { return pending().await };
        let folded = busy.await;
        self.busy = None;
        let fold = folded.map_err(|_| FollowError::Panicked { log: self.log })?;
        self.idle = Some(fold.map_err(|source| FollowError::Store { log: self.log, source })?);
        if self.waiting.is_some() {
            self.begin();
        }
        Ok(())
    }

    /// Folds all that waits.
    async fn finish(&mut self) -> Result<(), FollowError> {
        while self.busy.is_some() {
            self.folded().await?;
        }
        Ok(())
    }
}
