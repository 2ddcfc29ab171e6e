//! Comparing a checkpoint with the log it claims to be of.

use tallygate_core::digest::Digest;
use tallygate_core::port::event_log::{EventLog, LogError};
use tallygate_core::stream::{Log, Offset};

/// Why the views cannot follow a log. Neither is healed by rebuilding: either means that the log lost events, or that
/// the views were given another installation's log.
#[derive(Debug, thiserror::Error)]
pub enum Mismatch {
    /// The views have seen events that the log does not hold.
    #[error(
        "the views have followed the {log} log to offset {checkpoint}, but the log ends at {end}: it has lost events, or \
         it is another log. Restore the log; or, if it is right, delete the views and start again"
    )]
    CheckpointAheadOfLog {
        /// Which log.
        log: Log,
        /// Where the views are.
        checkpoint: Offset,
        /// Where the log ends.
        end: Offset,
    },
    /// The log holds another line where the views are.
    #[error(
        "the views have followed the {log} log to offset {offset}, where they saw the line {seen}, but the log holds \
         {} there: it is another log, or it was changed. Restore the log; or, if it is right, delete the views and \
         start again",
        shown(found.as_ref())
    )]
    OtherLog {
        /// Which log.
        log: Log,
        /// Where the views are.
        offset: Offset,
        /// SHA-256 of the line that the views saw there.
        seen: Digest,
        /// SHA-256 of the line that the log holds there, if it holds one.
        found: Option<Digest>,
    },
    /// The log cannot be read now.
    #[error("the {log} log cannot be compared with the views")]
    Log {
        /// Which log.
        log: Log,
        /// Why.
        #[source]
        source: LogError,
    },
}

fn shown(found: Option<&Digest>) -> String {
    found.map_or_else(|| "no line".to_owned(), Digest::to_string)
}

/// Checks that the log holds the line that a checkpoint ends with, where it ends.
///
/// # Errors
/// [`Mismatch`].
pub(crate) async fn compare(log: &dyn EventLog, offset: Offset, seen: Digest) -> Result<(), Mismatch> {
    if offset == Offset::START {
        return Ok(());
    }
    let name = log.log();
    let unreadable = |source| Mismatch::Log { log: name, source };
    let end = log.end().await.map_err(unreadable)?;
    if end < offset {
        return Err(Mismatch::CheckpointAheadOfLog { log: name, checkpoint: offset, end });
    }
    let before = Offset::new(offset.get() - 1);
    let entries = log.read(before, 1).await.map_err(unreadable)?;
    let entry = entries.into_iter().next().filter(|entry| entry.offset == offset);
    let found = entry.and_then(|entry| entry.lines.last().map(tallygate_core::envelope::Line::hash));
    if found == Some(seen) { Ok(()) } else { Err(Mismatch::OtherLog { log: name, offset, seen, found }) }
}
