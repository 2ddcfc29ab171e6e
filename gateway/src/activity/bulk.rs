//! Many records at once, which somebody tells and no request made.

use std::sync::Arc;
use std::time::Duration;

use tallygate_core::stream::Position;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{ActivityWriter, Happened};

/// How long the one before, and then the log, are waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whose turn it is to record many at once: one at a time, and the next one when the log has them. So while the log is away
/// they do not take the room that requests need.
#[derive(Debug, Clone)]
pub(super) struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// A turn to record many at once.
#[derive(Debug)]
pub(crate) struct Turn {
    writer: ActivityWriter,
    permit: OwnedSemaphorePermit,
}

/// The log did not take records in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogAway;

impl ActivityWriter {
    /// Waits for a turn.
    ///
    /// # Errors
    /// [`LogAway`] while what was recorded in the turn before is not in the log, or when there is no room.
    ///
    /// # Cancellation
    /// May be dropped at any time.
    pub(crate) async fn turn(&self) -> Result<Turn, LogAway> {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns.0).acquire_owned()).await;
        let permit = turn.ok().and_then(Result::ok).filter(|_| self.has_room()).ok_or(LogAway)?;
        Ok(Turn { writer: self.clone(), permit })
    }
}

impl Turn {
    /// Takes in what happened, and waits until the log has it. Tells the position of the last record.
    ///
    /// # Errors
    /// [`LogAway`] if that takes too long. It is recorded all the same, once the log is back.
    ///
    /// # Cancellation
    /// What was taken in is recorded, and the turn ends when the log has it.
    pub(crate) async fn record(self, all: Vec<Happened>) -> Result<Position, LogAway> {
        let Self { writer, permit } = self;
        for happened in all {
            writer.outbox.note(happened);
        }
        writer.outbox.write_down();
        let last = writer.promised();
        let written = tokio::spawn(async move {
            writer.until_written(last).await;
            drop(permit);
        });
        match tokio::time::timeout(PATIENCE, written).await {
            Ok(_) => Ok(last),
            Err(_) => Err(LogAway),
        }
    }
}
