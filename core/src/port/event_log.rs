//! The event log: where the facts are.
//!
//! # Contract
//!
//! - **Durable.** [`EventLog::append`] answers `Ok` only when the lines survive the loss of every process, and of power
//!   as far as the implementation says in its own documentation. A line that was never acknowledged may be there or not.
//! - **Ordered.** A chain grows only at its end. An append names the position that the chain must end at; if the chain
//!   has moved, nothing is stored and the answer is [`AppendError::Conflict`].
//! - **All or none.** The lines of one append are stored together. After a crash a reader finds all of them or none.
//! - **Idempotent.** An append whose lines are already stored at just that place (same bytes) answers `Ok`. So a caller
//!   that did not hear the answer may ask again. An implementation that cannot tell what became of an append answers
//!   [`AppendError::Ambiguous`]: the caller asks again with the same lines.
//! - **Gap-free.** [`EventLog::tail`] yields every entry after the given offset, in order, each once, and goes on with
//!   entries as they are appended, across reconnects and restarts of a server. What it cannot guarantee it reports as an
//!   error and ends; it never skips.
//! - **Fail-stop.** After an error of the medium (a failed fsync, a full disk) nothing is acknowledged until it is known
//!   again what the medium holds.
//! - **Cancellation.** Dropping the future of an append may or may not store its lines; all or none holds all the same.
//!
//! An implementation stores lines and keeps their order; it does not know what they mean. The caller seals lines
//! (`envelope::seal`) and checks what it reads.

use crate::envelope::Line;
use crate::port::{BoxFuture, BoxStream};
use crate::stream::{ChainId, Head, Log, Offset, Position};

/// Lines that are to be appended to one chain, together.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The chain to append to. In the control log it is [`ChainId::control`].
    pub chain: ChainId,
    /// The position that the chain must end at: the lines were sealed to follow it.
    pub after: Position,
    /// At least one line and at most [`crate::envelope::PARTS_MAX`], sealed in this order.
    pub lines: Vec<Line>,
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
    /// The batch breaks a rule: it is empty, too long, or not of this log. Asking again will not help.
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

    /// Appends lines to a chain, and answers with where the chain then ends.
    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<Head, AppendError>>;

    /// Up to `limit` entries (at least one is tried for) after an offset, without waiting for new ones. Fewer than
    /// `limit` does not mean the end; none does.
    fn read(&self, after: Offset, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, LogError>>;

    /// Every entry after an offset: first what is there, then what comes. Ends only after an error.
    fn tail(&self, after: Offset) -> BoxStream<'static, Result<Entry, LogError>>;
}
