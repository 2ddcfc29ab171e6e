//! A clock that stands still until a test moves it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::port::clock::Clock;
use crate::time::Timestamp;

/// A clock that a test sets. Share it by reference or in an `Arc`.
#[derive(Debug)]
pub struct ManualClock {
    calendar: AtomicI64,
    steady: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at a moment.
    #[must_use]
    pub const fn at(moment: Timestamp) -> Self {
        Self { calendar: AtomicI64::new(moment.millis()), steady: AtomicU64::new(1) }
    }

    /// Puts the calendar at a moment, earlier or later. The clock that only runs forward does not see it.
    pub fn set(&self, moment: Timestamp) {
        self.calendar.store(moment.millis(), Ordering::SeqCst);
    }

    /// Moves the clock on.
    pub fn advance_millis(&self, millis: u32) {
        self.calendar.fetch_add(i64::from(millis), Ordering::SeqCst);
        self.steady.fetch_add(u64::from(millis), Ordering::SeqCst);
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
        Timestamp::from_millis(self.calendar.load(Ordering::SeqCst))
    }

    fn steady_ms(&self) -> u64 {
        self.steady.load(Ordering::SeqCst)
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
        assert_eq!(clock.steady_ms(), 1_501, "it does not run back");
    }
}
