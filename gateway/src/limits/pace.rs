//! A clock that runs as fast as this gateway's portion of a limit is large. A limiter on it refills at the portion's rate,
//! and another portion neither refills it nor takes away what was used.

use std::sync::{Arc, PoisonError, RwLock};

use governor::clock::Clock;
use governor::nanos::Nanos;
use tallygate_core::portion::MILLION;

/// The clock of one limiter: time since it was made, in nanoseconds of the whole limit.
#[derive(Debug, Clone)]
pub(super) struct Paced<C: Clock> {
    clock: C,
    pace: Arc<RwLock<Pace<C::Instant>>>,
}

/// A stretch of time with one portion.
#[derive(Debug, Clone, Copy)]
struct Pace<I> {
    since: I,
    /// What the clock said then.
    nanos: u64,
    /// How fast it has run since, in millionths of the time.
    millionths: u64,
}

/// What the clock says, and how fast it runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) nanos: u64,
    pub(super) millionths: u64,
}

impl<C: Clock> Paced<C> {
    /// A clock that begins at zero.
    pub(super) fn new(clock: C, millionths: u64) -> Self {
        let pace = Pace { since: clock.now(), nanos: 0, millionths: millionths.min(MILLION) };
        Self { clock, pace: Arc::new(RwLock::new(pace)) }
    }

    /// What it says now.
    pub(super) fn read(&self) -> Reading {
        let pace = *self.pace.read().unwrap_or_else(PoisonError::into_inner);
        Reading { nanos: pace.at(self.clock.now()), millionths: pace.millionths }
    }

    /// Goes on from now on at another pace.
    pub(super) fn run_at(&self, millionths: u64) {
        let mut pace = self.pace.write().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        *pace = Pace { since: now, nanos: pace.at(now), millionths: millionths.min(MILLION) };
    }
}

impl<I: governor::clock::Reference> Pace<I> {
    fn at(&self, now: I) -> u64 {
        let passed = now.duration_since(self.since).as_u64();
        self.nanos.saturating_add(part_of(passed, self.millionths))
    }
}

impl<C: Clock> Clock for Paced<C> {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.read().nanos)
    }
}

/// So many millionths of an amount.
pub(super) fn part_of(amount: u64, millionths: u64) -> u64 {
    if millionths == MILLION {
        return amount;
    }
    u64::try_from(u128::from(amount) * u128::from(millionths) / u128::from(MILLION)).unwrap_or(u64::MAX)
}
