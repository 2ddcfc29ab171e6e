//! What a process knows of a line because it sealed the line itself: nobody in that process needs to hash,
//! authenticate or parse it again.
//!
//! Only [`super::seal_event`] makes one, of the event that it writes, so it says what the bytes say. It lives as long as
//! the line in memory: whatever comes from a disk or a server is read from its bytes.

use super::MacKey;
use crate::event::Recorded;
use crate::stream::{ChainId, Head, Log};

/// A line's event and its place in its chain.
#[derive(Debug)]
pub struct Known {
    key: MacKey,
    chain: ChainId,
    before: Head,
    end: Head,
    /// In a place of its own: it waits, and is handed on many times, before it is sealed.
    recorded: Box<Recorded>,
}

impl Known {
    pub(super) fn new(key: MacKey, before: Head, end: Head, recorded: Box<Recorded>) -> Self {
        let chain = ChainId::of(recorded.log, &recorded.stream);
        Self { key, chain, before, end, recorded }
    }

    pub(super) fn is_sealed_under(&self, key: &MacKey) -> bool {
        self.key == *key
    }

    /// The chain that the line was sealed for.
    #[must_use]
    pub const fn chain(&self) -> &ChainId {
        &self.chain
    }

    /// Where the chain ended before the line.
    #[must_use]
    pub const fn before(&self) -> Head {
        self.before
    }

    /// Where the chain ends with the line.
    #[must_use]
    pub const fn end(&self) -> Head {
        self.end
    }

    /// The event.
    #[must_use]
    pub fn recorded(&self) -> &Recorded {
        &self.recorded
    }

    /// Whether the line stands right after `head` in a chain of a log.
    #[must_use]
    pub fn follows(&self, log: Log, chain: &ChainId, head: &Head) -> bool {
        self.recorded.log == log && self.chain == *chain && self.before == *head
    }
}
