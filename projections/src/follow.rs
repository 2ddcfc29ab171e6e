//! Following a log: entries in, checked and grouped, rows out, until it is stopped.
//!
//! *Poison*, a whole event that this version cannot read, is quarantined; a forged line, and a true one that somebody
//! published again, is skipped; all are counted. *Damage*, a line that is true and stands in the place of another one, stops
//! the follower: the views stay what they were, and say so.

pub(crate) mod activity_reader;
pub(crate) mod chain;
pub(crate) mod checkpoint;
pub(crate) mod control_reader;
pub(crate) mod intake;
pub(crate) mod item;
pub(crate) mod pump;
pub(crate) mod recent_heads;
pub(crate) mod recent_lines;

use std::sync::Arc;

use tallygate_core::envelope::Fault;
use tallygate_core::port::event_log::LogError;
use tallygate_core::stream::{Log, Offset};

use crate::store::StoreError;

/// A log that is not what it was, or never was what it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {log} log is damaged at offset {offset}: {what}")]
pub struct Damage {
    /// Which log.
    pub log: Log,
    /// The entry with the line.
    pub offset: Offset,
    /// What is wrong.
    pub what: Misplaced,
}

/// What is wrong with a line in its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misplaced {
    /// The line does not belong there.
    #[error(transparent)]
    Line(Fault),
    /// A command is not whole.
    #[error("it is part {part} of {of} of a command, after which part {expected} of {expected_of} must come")]
    Part {
        /// Which part it is.
        part: u16,
        /// Of how many.
        of: u16,
        /// Which part must come.
        expected: u16,
        /// Of how many.
        expected_of: u16,
    },
}

/// Why a follower has stopped. The views stay what they were.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The log is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The log cannot be read, and will not be by trying again.
    #[error("the {log} log cannot be followed")]
    Log {
        /// Which log.
        log: Log,
        /// Why.
        #[source]
        source: LogError,
    },
    /// The rows cannot be kept.
    #[error("what the {log} log says cannot be kept")]
    Store {
        /// Which log.
        log: Log,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// A defect of this program.
    #[error("the fold of the {log} log has panicked")]
    Panicked {
        /// Which log.
        log: Log,
    },
}

/// How a follower fares.
#[derive(Debug, Clone)]
pub enum Health {
    /// It has not begun.
    Idle,
    /// It follows the log.
    Following,
    /// The log is away. The follower tries again and again; the views grow older meanwhile.
    Waiting(Arc<LogError>),
    /// The store has failed. It is waited for, or made again; the views grow older meanwhile.
    Recovering(Arc<str>),
    /// It has stopped for good.
    Stopped(Arc<FollowError>),
    /// It was told to stop.
    Closed,
}

impl Health {
    /// Whether the views will never change again.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        matches!(self, Self::Stopped(_) | Self::Closed)
    }
}
