//! The lease log in use: one task follows it, one listens whether it is there, one writes what the ledger proposes.
//!
//! A request waits for none of them but for a window's first slice, or a refill that it needs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tallygate_core::budget::Budget;
use tallygate_core::envelope::{Line, MacKey};
use tallygate_core::lease::slices::Upkeep;
use tallygate_core::lease::{AccountId, Rejection, Root};
use tallygate_core::port::clock::Clock;
use tallygate_core::port::event_log::{AppendError, Batch, Entry, EventLog, LogError};
use tallygate_core::scope::Scope;
use tallygate_core::stream::{Offset, Position};
use tallygate_projections::{ControlView, Kept, LeaseBooks, OpenError, SkippedLines};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::outbox::{Drawn, NotApplied, Outbox, Taken, Verdict};

/// How often chains are looked at that cannot wait, and how often all of them.
const TICK: Duration = Duration::from_millis(250);
const TICKS_OF_ALL: u32 = 4;
/// How often the log is asked whether it is there.
const LISTEN: Duration = Duration::from_secs(1);
/// How long to wait before a log that was away is read again.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// How often a verdict is decided again when the chain has moved.
const JUDGING_MAX: usize = 8;
/// So many chains are written to at once, at most.
const APPENDS_MAX: usize = 32;

/// What the tasks work with.
#[derive(Debug, Clone)]
pub(crate) struct Leases {
    pub(crate) outbox: Outbox,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) mac: MacKey,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) upkeep: Upkeep,
    /// Which budgets are soft.
    pub(crate) control: ControlView,
    /// Lines that no gateway wrote where they stand.
    pub(crate) skipped: SkippedLines,
    /// How far the log was read before this start, and the books were kept.
    pub(crate) kept_to: Offset,
}

/// Begins with the books that were kept in a folder, and tells how far of the log they are.
///
/// # Errors
/// [`OpenError`].
pub(crate) async fn resume(folder: PathBuf, log: &dyn EventLog, outbox: &Outbox) -> Result<Offset, OpenError> {
    let (books, Kept { chains, offset }) = LeaseBooks::open(folder, log).await?;
    chains.iter().for_each(|kept| log.note_end(&kept.root.chain(), kept.mark.tip.head(), offset));
    outbox.resume(chains, books);
    Ok(offset)
}

/// Why an operator's word was not written.
#[derive(Debug)]
pub(crate) enum NotWritten {
    /// It is not so, or too early.
    Rejected(Rejection),
    /// The log does not take it now; it may be said again.
    Unavailable(String),
}

impl Leases {
    /// Follows the log, listens to it and writes to it, until `stop` says so; then everything is reported and returned, as
    /// far as the log is there.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let (read, offset) = watch::channel(self.kept_to);
        let follow = async {
            self.follow(read).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = follow => {}
            () = self.listen(offset) => {}
            () = self.write(&mut stop) => {}
        }
    }

    /// Applies every line of the log. After damage it reads no more: the ledger hears nothing then, and refuses.
    async fn follow(&self, read: watch::Sender<Offset>) {
        loop {
            let after = *read.borrow();
            let mut tail = self.log.tail(after);
            while let Some(entry) = tail.next().await {
                let taken = match entry {
                    Ok(entry) => self.take(&entry).map(|()| read.send_replace(entry.offset)),
                    Err(LogError::Unavailable(error)) => {
                        tracing::warn!(%error, "the lease log is away");
                        break;
                    }
                    Err(error) => return lost(&error),
                };
                if let Err(error) = taken {
                    return lost(&error);
                }
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }

    /// Applies what was read at one offset. What no gateway wrote there is counted, and moves nothing.
    fn take(&self, entry: &Entry) -> Result<(), NotApplied> {
        for line in &entry.lines {
            match self.outbox.read(line, &self.mac)? {
                Taken::Line(root, head) => self.log.note_end(&root.chain(), head, entry.offset),
                Taken::Forged => self.skipped.forged.inc(),
                Taken::Repeated => self.skipped.repeated.inc(),
            }
        }
        if let Some(last) = entry.lines.last() {
            self.outbox.read_to(entry.offset, last.hash());
        }
        Ok(())
    }

    /// Notes when the log was heard of: at a moment when it was asked for its end, once all up to there is read.
    async fn listen(&self, mut read: watch::Receiver<Offset>) {
        let mut was_heard = false;
        loop {
            let asked_ms = self.clock.steady_ms();
            if let Ok(end) = self.log.end().await
                && read.wait_for(|read| *read >= end).await.is_ok()
            {
                self.outbox.heard(asked_ms);
                if !std::mem::replace(&mut was_heard, true) {
                    tracing::info!(after = %self.kept_to, to = %end, "the lease log is read, and followed from here");
                }
            }
            tokio::time::sleep(LISTEN).await;
        }
    }

    /// Writes what the ledger proposes, until it is to stop.
    async fn write(&self, stop: &mut watch::Receiver<bool>) {
        let mut in_flight = BTreeMap::new();
        let mut ticks = 0_u32;
        // Of its own, so that no hurry keeps it from coming.
        let mut ticking = tokio::time::interval(TICK);
        ticking.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*stop.borrow() {
            let is_tick = tokio::select! {
                () = self.outbox.urgent() => false,
                _ = ticking.tick() => true,
                _ = stop.changed() => false,
            };
            ticks = ticks.wrapping_add(u32::from(is_tick));
            let all = is_tick && ticks.is_multiple_of(TICKS_OF_ALL);
            in_flight = self.turn(self.outbox.roots(all), in_flight).await;
            if all {
                self.keep_up().await;
            }
            self.outbox.mend();
        }
        self.outbox.retire();
        // Twice: what was on its way first, and then the rest.
        for _ in 0..2 {
            in_flight = self.turn(self.outbox.roots(true), in_flight).await;
        }
    }

    /// Writes one line to each of some chains, those first whose fate is not known yet. Gives back what is not known now.
    async fn turn(&self, roots: Vec<Root>, mut in_flight: BTreeMap<Root, Line>) -> BTreeMap<Root, Line> {
        let mut turns: Vec<(Root, Option<Line>)> = Vec::with_capacity(roots.len());
        for root in roots {
            let line = in_flight.remove(&root);
            turns.push((root, line));
        }
        turns.extend(in_flight.into_iter().map(|(root, line)| (root, Some(line))));
        let turns = stream::iter(turns).map(|(root, line)| self.append_to(root, line));
        turns.buffer_unordered(APPENDS_MAX).filter_map(std::future::ready).collect().await
    }

    /// Writes what is due about money that is not this gateway's own.
    async fn keep_up(&self) {
        let grace_ms = |account: &AccountId| self.grace_ms(&account.scope);
        for root in self.outbox.roots(true) {
            let Some(line) = self.outbox.due(&root, &self.upkeep, grace_ms, &self.mac) else { continue };
            if let Err(error) = self.append_once(&root, line).await {
                tracing::debug!(%error, %root, "what is due is written later");
            }
        }
    }

    /// After how long the slices of a gateway that is gone come back to a soft budget; none for a strict one.
    fn grace_ms(&self, scope: &Scope) -> Option<u64> {
        let of = |budget: &Budget| budget.reclaim_after_seconds.map(|seconds| seconds.saturating_mul(1_000));
        match scope {
            Scope::Key(key) => of(self.control.key_by_id(*key).ok()??.budget.as_deref()?),
            Scope::Gateway
            | Scope::Realm(_)
            | Scope::User(_)
            | Scope::Model(..)
            | Scope::EndUser(_)
            | Scope::Tag(_)
            | Scope::Agent(_)
            | Scope::Context(_) => of(self.control.snapshot().control.budget(scope)?),
        }
    }

    /// Closes suspense by an operator's word, and tells where that stands in which chain.
    ///
    /// Cancellation: it may be written or not.
    pub(crate) async fn judge(&self, verdict: &Verdict) -> Result<(Root, Position), NotWritten> {
        let mut why = String::new();
        for _ in 0..JUDGING_MAX {
            let changed = self.outbox.changed();
            let Drawn { root, line } =
                self.outbox.judge(verdict, &self.upkeep, &self.mac).map_err(NotWritten::Rejected)?;
            match self.append_once(&root, line).await {
                Ok(position) => return Ok((root, position)),
                Err(error @ AppendError::Conflict { .. }) => {
                    why = error.to_string();
                    // Somebody else was faster: it is decided again on what they left.
                    let _ = tokio::time::timeout(TICK, changed).await;
                }
                Err(error) => return Err(NotWritten::Unavailable(error.to_string())),
            }
        }
        Err(NotWritten::Unavailable(why))
    }

    /// Appends a line that is not the ledger's own, and applies it.
    async fn append_once(&self, root: &Root, line: Line) -> Result<Position, AppendError> {
        let after = line.known(&self.mac).map_or(Position::START, |known| known.before().position);
        let batch = Batch { chain: root.chain(), after, lines: vec![line.clone()] };
        let head = match self.log.append(batch.clone()).await {
            // Once more: the same line at the same place.
            Err(AppendError::Ambiguous(_)) => self.log.append(batch).await?,
            appended => appended?,
        };
        if let Err(error) = self.outbox.appended(&line, &self.mac) {
            tracing::debug!(%error, "an own line waits for others");
        }
        Ok(head.position)
    }

    /// Writes to a chain as long as there is something to say. Gives back a line whose fate is not known.
    async fn append_to(&self, root: Root, mut known: Option<Line>) -> Option<(Root, Line)> {
        // Joining, winding up the last run, opening windows and a refill follow one another.
        for _ in 0..4 {
            let line = match known.take() {
                Some(line) => line,
                None => self.outbox.propose(&root, &self.mac)?,
            };
            let after = line.known(&self.mac).map_or(Position::START, |known| known.before().position);
            let batch = Batch { chain: root.chain(), after, lines: vec![line.clone()] };
            match self.log.append(batch).await {
                Ok(_) => {
                    if let Err(error) = self.outbox.appended(&line, &self.mac) {
                        // The follower brings what is missing before it.
                        tracing::debug!(%error, "an own line waits for others");
                        return None;
                    }
                }
                // The follower reads what stands there, and it is decided again.
                Err(AppendError::Conflict { actual, .. }) => {
                    self.outbox.pass_over_forged(&root, actual);
                    return None;
                }
                Err(AppendError::Ambiguous(error)) => {
                    tracing::warn!(%error, %root, "asking again what became of a line of the lease log");
                    return Some((root, line));
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, %root, "the lease log cannot be written");
                    self.outbox.give_up(&root);
                    return None;
                }
            }
        }
        None
    }
}

/// The lease log is not what it was. Requests with budgets are refused once that has been so for the age limit.
fn lost(error: &(dyn std::error::Error + 'static)) {
    tracing::error!(error, "the lease log is followed no more: requests with budgets will be refused");
}
