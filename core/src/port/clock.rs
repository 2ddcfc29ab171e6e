//! Time and identifiers from outside.

use crate::time::Timestamp;
use uuid::Uuid;

/// Tells the time. Implementations may jump in either direction; callers must not assume that time only grows.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The moment now, to the millisecond.
    fn now(&self) -> Timestamp;

    /// Milliseconds by a clock that only runs forward, also while the machine sleeps, whatever happens to the calendar. What
    /// it counts from says nothing.
    fn steady_ms(&self) -> u64;
}

/// Makes identifiers.
pub trait Ids: Send + Sync + std::fmt::Debug {
    /// A new uuid of version 7: unique, and ordered by time of making within a process.
    fn uuid(&self) -> Uuid;
}
