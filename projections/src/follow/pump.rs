//! Carrying a log's entries into a fold, group by group, across failures of the log, until it is told to stop.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use tallygate_core::port::BoxStream;
use tallygate_core::port::event_log::{Entry, EventLog, LogError};
use tallygate_core::stream::{Log, Offset};
use tokio::sync::watch;

use super::{FollowError, Health};
use crate::metrics::LogMetrics;

/// How long to wait before a log that was away is tried again: at first, and at most.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// What entries are carried into. Its calls block.
pub(crate) trait Fold: Send + 'static {
    /// The log it folds.
    fn log(&self) -> Log;

    /// The entry after which it goes on.
    fn offset(&self) -> Offset;

    /// Forgets entries that it took and did not fold: they come again.
    fn rewind(&mut self);

    /// Takes entries, and folds all that is whole.
    ///
    /// # Errors
    /// [`FollowError`]: it must not be given any more.
    fn accept(&mut self, entries: &[Entry]) -> Result<(), FollowError>;
}

/// A follower that was not started yet.
#[derive(Debug)]
pub(crate) struct Pump<F> {
    pub(crate) source: Arc<dyn EventLog>,
    pub(crate) fold: F,
    /// The most lines that are folded at once, if there are so many.
    pub(crate) group_lines: usize,
    /// How long the first line of a group may wait for more, so that rows that many lines touch are written once.
    pub(crate) linger: Duration,
    pub(crate) health: Arc<watch::Sender<Health>>,
    pub(crate) metrics: LogMetrics,
}

/// Why a run over one tail ended.
enum Ended {
    Shutdown,
    Away(LogError),
}

impl<F: Fold> Pump<F> {
    /// Follows the log until `shutdown` is done. A group that is being folded is finished first.
    ///
    /// # Errors
    /// [`FollowError`], which the health tells too.
    pub(crate) async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), Arc<FollowError>> {
        let (health, metrics) = (Arc::clone(&self.health), self.metrics.clone());
        let result = self.follow(shutdown).await.map_err(Arc::new);
        metrics.following.set(0);
        match &result {
            Ok(()) => health.send_replace(Health::Closed),
            Err(error) => {
                tracing::error!(error = error.as_ref() as &dyn std::error::Error, "the views are followed no more");
                health.send_replace(Health::Stopped(Arc::clone(error)))
            }
        };
        result
    }

    async fn follow(mut self, shutdown: impl Future<Output = ()> + Send) -> Result<(), FollowError> {
        let mut shutdown = pin!(shutdown.fuse());
        let mut retry_after = RETRY_FIRST;
        loop {
            let before = self.fold.offset();
            let (returned, ended) = self.follow_tail(&mut shutdown).await?;
            self = returned;
            let error = match ended {
                Ended::Shutdown => return Ok(()),
                Ended::Away(error) => error,
            };
            retry_after = if self.fold.offset() > before { RETRY_FIRST } else { (retry_after * 2).min(RETRY_MAX) };
            tracing::warn!(log = %self.fold.log(), error = &error as &dyn std::error::Error, "the log is away");
            self.metrics.following.set(0);
            self.health.send_replace(Health::Waiting(Arc::new(error)));
            self.fold.rewind();
            tokio::select! {
                () = &mut shutdown => return Ok(()),
                () = tokio::time::sleep(retry_after) => {}
            }
        }
    }

    async fn follow_tail(
        mut self,
        shutdown: &mut (impl Future<Output = ()> + Unpin),
    ) -> Result<(Self, Ended), FollowError> {
        let mut tail = self.source.tail(self.fold.offset());
        loop {
            let (entries, error) = tokio::select! {
                biased;
                () = &mut *shutdown => return Ok((self, Ended::Shutdown)),
                group = next_group(&mut tail, self.group_lines, self.linger) => group,
            };
            let log = self.fold.log();
            if !entries.is_empty() {
                self = self.accept(entries).await?;
                self.health.send_if_modified(|health| {
                    let changed = !matches!(health, Health::Following);
                    *health = Health::Following;
                    changed
                });
                self.metrics.following.set(1);
            }
            match error {
                None => {}
                Some(error @ LogError::Unavailable(_)) => return Ok((self, Ended::Away(error))),
                Some(source) => return Err(FollowError::Log { log, source }),
            }
        }
    }

    /// Folds on a thread that may block.
    async fn accept(self, entries: Vec<Entry>) -> Result<Self, FollowError> {
        let log = self.fold.log();
        let Self { source, mut fold, group_lines, linger, health, metrics } = self;
        let folded = tokio::task::spawn_blocking(move || fold.accept(&entries).map(|()| fold)).await;
        let fold = folded.map_err(|_| FollowError::Panicked { log })??;
        metrics.offset.set(i64::try_from(fold.offset().get()).unwrap_or(i64::MAX));
        Ok(Self { source, fold, group_lines, linger, health, metrics })
    }
}

/// How long a page of the log may take to be read, once lingering is over.
const PAGE_READ: Duration = Duration::from_millis(2);

/// Waits for an entry, and takes with it all that are there already or come while it lingers, up to so many lines. An
/// error comes after the entries before it.
async fn next_group(
    tail: &mut BoxStream<'static, Result<Entry, LogError>>,
    lines_max: usize,
    linger: Duration,
) -> (Vec<Entry>, Option<LogError>) {
    let (mut entries, mut lines) = (Vec::new(), 0);
    let mut next = tail.next().await;
    if next.as_ref().is_some_and(Result::is_ok) && !linger.is_zero() {
        // The log is not asked meanwhile: each time would read a few lines from the disk.
        tokio::time::sleep(linger).await;
    }
    loop {
        match next {
            Some(Ok(entry)) => {
                lines += entry.lines.len();
                entries.push(entry);
            }
            Some(Err(error)) => return (entries, Some(error)),
            None => return (entries, Some(LogError::Unavailable("the log's tail has ended".into()))),
        }
        if lines >= lines_max {
            return (entries, None);
        }
        match following(tail, linger).await {
            Some(item) => next = item,
            None => return (entries, None),
        }
    }
}

/// What follows at once; none if nothing does.
async fn following(
    tail: &mut BoxStream<'static, Result<Entry, LogError>>,
    linger: Duration,
) -> Option<Option<Result<Entry, LogError>>> {
    if linger.is_zero() { tail.next().now_or_never() } else { tokio::time::timeout(PAGE_READ, tail.next()).await.ok() }
}
