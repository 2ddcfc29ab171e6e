//! The records that wait for the activity log, in the order of their places.

use std::collections::VecDeque;

use tallygate_core::envelope::unsealed;
use tallygate_core::event::Recorded;
use tallygate_core::stream::Position;

use super::{Draft, lost};

/// The most records that wait. About 200 MB at the worst; a second's worth at the highest rate.
const QUEUE_MAX: usize = 200_000;
/// From here on new requests are refused, so that those that run can still be recorded.
const QUEUE_HIGH: usize = 100_000;

/// A record at its place, as a line that was not sealed yet.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) position: Position,
    pub(crate) unsealed: Vec<u8>,
    /// The event that the line says; none for what an earlier process left behind.
    pub(crate) recorded: Option<Box<Recorded>>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Records {
    waiting: VecDeque<Waiting>,
    /// The position of the newest record.
    promised: Position,
    /// As far as the log is known to have them.
    written: Position,
    is_closed: bool,
}

impl Records {
    /// None, after what the log has.
    pub(super) const fn after(written: Position) -> Self {
        Self { waiting: VecDeque::new(), promised: written, written, is_closed: false }
    }

    /// Gives a record the next place. None when it cannot be kept, which is told.
    pub(super) fn place(&self, draft: Draft) -> Option<Waiting> {
        if self.waiting.len() >= QUEUE_MAX {
            // Reached only when requests that already ran end while the log has been away for long.
            tracing::error!("the queue of activity is full: a record is lost");
            return None;
        }
        let Draft { mut recorded, cause, data } = draft;
        let position = self.promised.plus(1);
        (recorded.position, recorded.version) = (position, position.get());
        let unsealed = unsealed(&recorded, &cause, &data).inspect_err(lost).ok()?;
        Some(Waiting { position, unsealed, recorded: Some(recorded) })
    }

    /// Takes in the record of the next place.
    pub(super) fn push(&mut self, waiting: Waiting) {
        self.promised = waiting.position;
        self.waiting.push_back(waiting);
    }

    /// Takes the oldest ones. They are on their way until they are [`Records::written`].
    pub(super) fn take(&mut self, count: usize) -> Vec<Waiting> {
        let count = self.waiting.len().min(count);
        self.waiting.drain(..count).collect()
    }

    pub(super) fn written(&mut self, position: Position) {
        self.written = self.written.max(position);
    }

    /// Those that wait and are not on their way, oldest first; none while some are on their way.
    pub(super) fn all(&self) -> Option<impl Iterator<Item = &Waiting>> {
        (self.len() == self.waiting.len()).then(|| self.waiting.iter())
    }

    /// How many wait or are on their way.
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.promised.get().saturating_sub(self.written.get())).unwrap_or(usize::MAX)
    }

    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < QUEUE_HIGH
    }

    pub(super) const fn promised(&self) -> Position {
        self.promised
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    pub(super) const fn close(&mut self) {
        self.is_closed = true;
    }
}
