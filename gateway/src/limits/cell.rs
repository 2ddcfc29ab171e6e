//! The state of one rate limiter, in a cell that we keep ourselves: so that tokens can be given back, or taken later.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::direct::NotKeyed;

/// The theoretical arrival time of a limiter (GCRA), in nanoseconds since the limiter began; 0 before the first use.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell(Arc<AtomicU64>);

impl Cell {
    /// A cell that starts at an arrival time.
    pub(super) fn at(nanos: u64) -> Self {
        Self(Arc::new(AtomicU64::new(nanos)))
    }

    /// The arrival time.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Moves the arrival time back, not before the beginning.
    pub(super) fn give_back(&self, nanos: u64) {
        self.change(|tat| tat.saturating_sub(nanos));
    }

    /// Moves the arrival time forward from a moment or from where it is, whichever is later.
    pub(super) fn take(&self, moment: u64, nanos: u64) {
        self.change(|tat| tat.max(moment).saturating_add(nanos));
    }

    /// Moves the arrival time forward to a moment, if it lies before it.
    pub(super) fn raise(&self, to: u64) {
        self.0.fetch_max(to, Ordering::AcqRel);
    }

    /// Moves the arrival time forward from a moment, if it is not later than that.
    ///
    /// # Errors
    /// By how much it is later.
    pub(super) fn take_if_full(&self, full: u64, nanos: u64) -> Result<(), u64> {
        let taken = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |tat| {
            (tat <= full).then_some(full.saturating_add(nanos))
        });
        taken.map(drop).map_err(|tat| tat.saturating_sub(full))
    }

    fn change(&self, change: impl Fn(u64) -> u64) {
        let mut seen = self.get();
        while let Err(found) = self.0.compare_exchange_weak(seen, change(seen), Ordering::AcqRel, Ordering::Acquire) {
            seen = found;
        }
    }
}

impl StateStore for Cell {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut seen = self.get();
        loop {
            let (outcome, next) = decide((seen != 0).then(|| Nanos::new(seen)))?;
            match self.0.compare_exchange_weak(seen, next.as_u64(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(outcome),
                Err(found) => seen = found,
            }
        }
    }
}
