//! The event log: where the facts are.
//!
//! # Contract
//!
//! - **Durable.** [`EventLog::append`] answers `Ok` only when the lines survive the loss of every process, and of power
//!   as far as the implementation says in its own documentation. A line that was never acknowledged may be there or not.
//! - **Ordered.** A chain grows only at its end. An append names the position that the chain must end at; if the chain
//!   has moved, nothing is stored and the answer is [`AppendError::Conflict`].
//! - **All or none.** The lines of one append are stored together: a reader finds all of them or none, and so does a
//!   conflict. Only of an append that was cut off by a crash, never acknowledged, and held several commands may a reader
//!   find the first few commands, each whole. The same append again then stores the rest.
//! - **Idempotent.** An append whose lines are already stored at just that place (same bytes) answers `Ok`, however far
//!   the chain has grown since. So a caller that did not hear the answer may ask again. An implementation that cannot
//!   tell what became of an append answers [`AppendError::Ambiguous`]: the caller asks again with the same lines.
//! - **Gap-free.** [`EventLog::tail`] yields every entry after the given offset, in order, each once, and goes on with
//!   entries as they are appended, across reconnects and restarts of a server. What it cannot guarantee it reports as an
//!   error and ends; it never skips. A reader that is ahead of the log has seen what the log lost: it gets
//!   [`LogError::Damaged`], from `read` as from `tail`.
//! - **Fail-stop.** After an error of the medium (a failed fsync, a full disk) nothing is acknowledged until it is known
//!   again what the medium holds.
//! - **Cancellation.** Dropping the future of an append may or may not store its lines; all or none holds all the same.
//!
//! An implementation stores lines and keeps their order; it does not know what they mean. The caller seals lines
//! (`envelope::seal`) and checks what it reads.

use crate::envelope::{LINE_MAX_BYTES, Line, PARTS_MAX};
use crate::port::{BoxFuture, BoxStream};
use crate::stream::{ChainId, Head, Log, Offset, Position};

/// Lines that are to be appended to one chain, together.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The chain to append to. In the control log it is [`ChainId::control`].
    pub chain: ChainId,
    /// The position that the chain must end at: the lines were sealed to follow it.
    pub after: Position,
    /// At least one line and at most [`crate::envelope::PARTS_MAX`], sealed in this order. Commands are whole: a batch
    /// may hold several, but not a part of one.
    pub lines: Vec<Line>,
}

impl Batch {
    /// Checks all that can be checked without the log, and tells where the chain ends with these lines. Every
    /// implementation calls it before it stores anything. MACs are the caller's business.
    ///
    /// # Errors
    /// [`AppendError::Invalid`] when the batch is empty or longer than [`PARTS_MAX`], when a line is longer than
    /// [`LINE_MAX_BYTES`], holds a line feed, cannot be read, is of another log or chain or does not follow the one
    /// before it, or when the last command is not whole.
    pub fn check(&self, log: Log) -> Result<Head, AppendError> {
        let Some(first) = self.lines.first() else {
            return Err(AppendError::Invalid("it has no lines".to_owned()));
        };
        if self.lines.len() > PARTS_MAX {
            return Err(AppendError::Invalid(format!("it has {} lines, {PARTS_MAX} at most", self.lines.len())));
        }
        let no_line = || AppendError::Invalid("its first line does not end with `prev` and `mac`".to_owned());
        let mut head = Head { position: self.after, hash: first.prev().ok_or_else(no_line)? };
        let mut part = (1, 1);
        for (index, line) in self.lines.iter().enumerate() {
            if let Some(known) = line.known_at(log, &self.chain, &head, None) {
                // Sealed here, so it is short enough, one line, and at its place.
                (part, head) = (known.recorded().part, known.end());
                continue;
            }
            let bytes = line.bytes();
            if bytes.len() > LINE_MAX_BYTES {
                let what = format!("line {index} has {} bytes, {LINE_MAX_BYTES} at most", bytes.len());
                return Err(AppendError::Invalid(what));
            }
            if bytes.contains(&b'\n') {
                return Err(AppendError::Invalid(format!("line {index} holds a line feed")));
            }
            let (envelope, end) = line
                .check(log, &self.chain, &head, None)
                .map_err(|fault| AppendError::Invalid(format!("line {index}: {fault}")))?;
            (part, head) = (envelope.part, end);
        }
        if part.0 == part.1 {
            return Ok(head);
        }
        Err(AppendError::Invalid(format!("it ends with part {} of {} of a command", part.0, part.1)))
    }
}

/// What a reader gets at one offset: lines that were stored together, in order.
///
/// In control and lease an entry is one line. In activity it may be many lines of one writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The entry's place in the log. Reading after it yields what follows.
    pub offset: Offset,
    /// The lines.
    pub lines: Vec<Line>,
}

/// Why an append was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The chain does not end where the caller decided. Nothing was stored. Catch up and decide again.
    #[error("the chain ends at {actual}, not at {expected}")]
    Conflict {
        /// Where the caller thought it ends.
        expected: Position,
        /// Where it ends.
        actual: Position,
    },
    /// Nobody knows whether the lines were stored. Ask again with the same lines.
    #[error("it is not known whether the lines were stored")]
    Ambiguous(#[source] BoxError),
    /// The log cannot be reached or written now. Nothing of these lines will be stored.
    #[error("the log is unavailable")]
    Unavailable(#[source] BoxError),
    /// The batch breaks a rule: it is empty, too long, or not of this log; see [`Batch::check`]. Asking again will not
    /// help.
    #[error("the batch is not valid: {0}")]
    Invalid(String),
}

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The log cannot be reached now. Ask again later.
    #[error("the log is unavailable")]
    Unavailable(#[source] BoxError),
    /// The log is not what it was: a chain that does not match, a missing piece. Nothing may be served from it.
    #[error("the log is damaged at {place}: {what}")]
    Damaged {
        /// Where, as an operator can find it: file and position, or stream and sequence.
        place: String,
        /// What is wrong there.
        what: String,
    },
    /// The log is set up in a way that breaks the contract, such as an old server or a retention limit.
    #[error("the log is not set up as it must be: {0}")]
    Misconfigured(String),
}

/// The cause of a port error, for the chain of causes that is printed at the edge.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// One of the three logs. See the module for the contract.
pub trait EventLog: Send + Sync + std::fmt::Debug {
    /// Which log this is.
    fn log(&self) -> Log;

    /// Where a chain ends; [`Head::EMPTY`] for a chain without lines.
    fn head<'a>(&'a self, chain: &'a ChainId) -> BoxFuture<'a, Result<Head, LogError>>;

    /// The offset of the last entry; [`Offset::START`] for an empty log.
    fn end(&self) -> BoxFuture<'_, Result<Offset, LogError>>;

    /// Appends lines to a chain, and answers with where the chain ended with them.
    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<Head, AppendError>>;

    /// Up to `limit` entries (at least one is tried for) after an offset, without waiting for new ones. Fewer than
    /// `limit` does not mean the end; none does.
    fn read(&self, after: Offset, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, LogError>>;

    /// Every entry after an offset: first what is there, then what comes. Ends only after an error.
    fn tail(&self, after: Offset) -> BoxStream<'static, Result<Entry, LogError>>;

    /// A reader who checked every line says that it has read all up to an offset, and that a chain ended so there. A log
    /// that would have to read to find that out need not; one that knows ignores it. Returns at once.
    fn note_end(&self, _chain: &ChainId, _end: Head, _read_to: Offset) {}
}
