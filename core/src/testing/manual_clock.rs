//! A clock that stands still until a test moves it.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::port::clock::Clock;
use crate::time::Timestamp;

/// A clock that a test sets. Share it by reference or in an `Arc`.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at a moment.
    #[must_use]
    pub const fn at(moment: Timestamp) -> Self {
        Self(AtomicI64::new(moment.millis()))
    }

    /// Puts the clock at a moment, earlier or later.
    pub fn set(&self, moment: Timestamp) {
        self.0.store(moment.millis(), Ordering::SeqCst);
    }

    /// Moves the clock on.
    pub fn advance_millis(&self, millis: u32) {
        self.0.fetch_add(i64::from(millis), Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    /// Stands at 2026-11-20T10:15:30.123Z.
    fn default() -> Self {
        Self::at(Timestamp::from_millis(1_795_169_730_123))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::ManualClock;
    use crate::port::clock::Clock as _;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::default();
        let start = clock.now();
        assert_eq!(clock.now(), start);
        clock.advance_millis(1_500);
        assert_eq!(clock.now().millis_since(start), 1_500);
        clock.set(start);
        assert_eq!(clock.now(), start);
    }
}
