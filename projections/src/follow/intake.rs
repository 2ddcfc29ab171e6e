//! Gathering entries from a log's tail.

use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use tallygate_core::port::BoxStream;
use tallygate_core::port::event_log::{Entry, LogError};
use tokio::time::Instant;

/// How long a page of the log may take to be read, once lingering is over.
const PAGE_READ: Duration = Duration::from_millis(2);

/// About so many lines make a group while they come fast: folding one takes a millisecond or two, and on one core
/// requests wait for that.
const GROUP_LINES: usize = 256;
/// Waiting for less would fold the same rows again and again.
const LINGER_LEAST: Duration = Duration::from_millis(5);

/// The entries of one tail, as they come.
pub(crate) struct Intake {
    tail: BoxStream<'static, Result<Entry, LogError>>,
    /// How long the first entry waits for more, at most.
    linger: Duration,
    /// How long it waits now: less while many come.
    pause: Duration,
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
        Self { tail, linger, pause: linger, lines_max, gathered: Gathered::default(), lines: 0, until: Instant::now() }
    }

    /// Waits for an entry, and takes with it all that are there already or come while it lingers, about up to so many
    /// lines.
    ///
    /// Nothing is lost when this is dropped: the next call goes on from there.
    pub(crate) async fn next(&mut self) -> Gathered {
        if self.is_empty() {
            let first = self.tail.next().await;
            self.take(first);
            self.until = Instant::now() + self.pause;
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
        self.pause = pause_after(self.pause, self.lines, self.linger);
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

/// How long to wait next, after so many lines have come in a pause.
fn pause_after(pause: Duration, lines: usize, longest: Duration) -> Duration {
    let lines = u32::try_from(lines.max(1)).unwrap_or(u32::MAX);
    let fitting = pause.saturating_mul(u32::try_from(GROUP_LINES).unwrap_or(u32::MAX)) / lines;
    // At most twice as long, so that a single quiet moment does not let a large group gather.
    fitting.min(pause.saturating_mul(2)).max(LINGER_LEAST).min(longest)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::{FutureExt as _, StreamExt as _, stream};
    use tallygate_core::port::event_log::{Entry, LogError};
    use tallygate_core::stream::Offset;

    use super::{GROUP_LINES, Gathered, Intake, LINGER_LEAST, pause_after};

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

    #[test]
    fn the_pause_follows_the_rate_so_that_groups_stay_small() {
        let longest = Duration::from_millis(100);
        let lines_in = |pause: Duration, per_ms: usize| pause.as_micros() as usize * per_ms / 1_000;
        let settled = |per_ms| (0..20).fold(longest, |pause, _| pause_after(pause, lines_in(pause, per_ms), longest));
        assert_eq!(settled(0), longest);
        assert_eq!(settled(2), longest, "200 lines in all of it");
        assert!(lines_in(settled(10), 10).abs_diff(GROUP_LINES) <= 1, "{:?}", settled(10));
        assert_eq!(settled(1_000), LINGER_LEAST);
        assert_eq!(pause_after(LINGER_LEAST, 0, longest), 2 * LINGER_LEAST, "it grows again when it is quiet");
        assert_eq!(pause_after(Duration::ZERO, 500, Duration::ZERO), Duration::ZERO, "no linger stays none");
    }
}
