//! The immutable read model that a request consults.

use tallygate_core::control::Control;
use tallygate_core::stream::{Head, Position};
use tallygate_core::time::Timestamp;

/// What is allowed, at one position. Its control state is without keys and commands: those are loaded on demand.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The last event.
    pub head: Head,
    /// The end of the chain: the last event, or forged lines behind it.
    pub end: Head,
    /// When the last event was decided.
    pub at: Timestamp,
    /// What is allowed.
    pub control: Control,
}

impl Snapshot {
    /// The position of the last event.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.head.position
    }
}
