//! Gathering entries from a log's tail.

use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use tallygate_core::port::BoxStream;
use tallygate_core::port::event_log::{Entry, LogError};
use tokio::time::Instant;

/// How long a page of the log may take to be read, once lingering is over.
const PAGE_READ: Duration = Duration::from_millis(2);

/// The entries of one tail, as they come.
pub(crate) struct Intake {
    tail: BoxStream<'static, Result<Entry, LogError>>,
    /// How long the first entry waits for more.
    linger: Duration,
    lines_max: usize,
    gathered: Gathered,
    lines: usize,
    /// When the first entry has waited long enough.
    until: Instant,
}

/// Entries that are to be read, and the error behind them, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) entries: Vec<Entry>,
    pub(crate) error: Option<LogError>,
}

impl Intake {
    pub(crate) fn new(tail: BoxStream<'static, Result<Entry, LogError>>, linger: Duration, lines_max: usize) -> Self {
        Self { tail, linger, lines_max, gathered: Gathered::default(), lines: 0, until: Instant::now() }
    }

    /// Waits for an entry, and takes with it all that are there already or come while it lingers, about up to so many
    /// lines.
    ///
    /// Nothing is lost when this is dropped: the next call goes on from there.
    pub(crate) async fn next(&mut self) -> Gathered {
        if self.is_empty() {
            let first = self.tail.next().await;
            self.take(first);
            self.until = Instant::now() + self.linger;
        }
        if !self.linger.is_zero() && self.gathered.error.is_none() {
            // The log is not asked meanwhile: each time would read a few lines from the disk.
            tokio::time::sleep_until(self.until).await;
        }
        while self.lines < self.lines_max && self.gathered.error.is_none() {
            match self.following().await {
                Some(next) => self.take(next),
                None => break,
            }
        }
        self.lines = 0;
        std::mem::take(&mut self.gathered)
    }

    fn is_empty(&self) -> bool {
        self.gathered.entries.is_empty() && self.gathered.error.is_none()
    }

    fn take(&mut self, next: Option<Result<Entry, LogError>>) {
        match next {
            Some(Ok(entry)) => {
                self.lines += entry.lines.len();
                self.gathered.entries.push(entry);
            }
            Some(Err(error)) => self.gathered.error = Some(error),
            None => self.gathered.error = Some(LogError::Unavailable("the log's tail has ended".into())),
        }
    }

    /// What follows at once; none if nothing does.
    async fn following(&mut self) -> Option<Option<Result<Entry, LogError>>> {
        if self.linger.is_zero() {
            self.tail.next().now_or_never()
        } else {
            tokio::time::timeout(PAGE_READ, self.tail.next()).await.ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::{FutureExt as _, StreamExt as _, stream};
    use tallygate_core::port::event_log::{Entry, LogError};
    use tallygate_core::stream::Offset;

    use super::{Gathered, Intake};

    fn entries(count: u64) -> impl Iterator<Item = Result<Entry, LogError>> {
        (1..=count).map(|offset| Ok(Entry { offset: Offset::new(offset), lines: Vec::new() }))
    }

    fn intake(items: impl Iterator<Item = Result<Entry, LogError>>, linger: Duration) -> Intake {
        let tail = stream::iter(items.collect::<Vec<_>>()).chain(stream::pending());
        Intake::new(Box::pin(tail), linger, 1_000)
    }

    #[tokio::test]
    async fn what_is_there_comes_at_once_and_an_error_after_it() {
        let away = || LogError::Unavailable("gone".into());
        let Gathered { entries: gathered, error } =
            intake(entries(3).chain([Err(away())]), Duration::ZERO).next().await;
        assert_eq!((gathered.len(), error.is_some()), (3, true));
    }

    #[tokio::test]
    async fn an_entry_that_lingers_is_not_lost_when_the_waiting_is_given_up() {
        let mut intake = intake(entries(3), Duration::from_millis(5));
        assert!(intake.next().now_or_never().is_none(), "it waits for more");
        assert!(intake.next().now_or_never().is_none());
        assert_eq!(intake.next().await.entries.len(), 3);
        assert!(intake.next().now_or_never().is_none(), "each comes once");
    }
}
