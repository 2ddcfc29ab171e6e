//! A limit of so many units a minute: requests or tokens. The whole minute's worth may come at once; it refills evenly.
//!
//! Where several gateways divide the limit, this one lets through its portion: so much may come at once here, and so fast
//! it refills.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::direct::NotKeyed;
use governor::{Quota, RateLimiter};
use tallygate_core::portion::MILLION;

use super::cell::Cell;
use super::pace::{Paced, Reading, part_of};

const MINUTE_NANOS: u64 = 60_000_000_000;
/// Who is refused while others have a portion too should not wait for less: by then the portions may have changed.
const RETRY_LEAST: Duration = Duration::from_secs(1);

/// A rate limiter whose units can be given back or taken later.
#[derive(Debug)]
pub(super) struct Rate<C: Clock> {
    limiter: RateLimiter<NotKeyed, Cell, Paced<C>, StateInformationMiddleware>,
    cell: Cell,
    clock: Paced<C>,
    per_minute: NonZeroU32,
    unit_nanos: u64,
}

/// No: how many units are left, and when as many as were asked for will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) remaining: u64,
    pub(super) retry_after: Duration,
}

impl<C: Clock + Clone> Rate<C> {
    /// A limiter for so many millionths of so many units a minute that has used what another had used, each in its own
    /// measure. More than four thousand million units a minute are held to that.
    pub(super) fn new(per_minute: NonZeroU32, clock: C, before: Option<&Self>, millionths: u64) -> Self {
        let unit_nanos = (MINUTE_NANOS / u64::from(per_minute.get())).max(1);
        let used = before.map_or(0, Self::used);
        let clock = Paced::new(clock, millionths);
        let window = unit_nanos.saturating_mul(u64::from(per_minute.get()));
        let reserved = window - part_of(window, clock.read().millionths);
        let cell = Cell::at(reserved.saturating_add(used.saturating_mul(unit_nanos)));
        let quota = Quota::with_period(Duration::from_nanos(unit_nanos))
            .unwrap_or_else(|| Quota::per_minute(per_minute))
            .allow_burst(per_minute);
        Self { limiter: RateLimiter::new(quota, cell.clone(), clock.clone()), cell, clock, per_minute, unit_nanos }
    }

    /// Takes units, or none. A request for more than there ever is runs when nothing else did: else it could never run.
    /// More than a minute's worth is held to that; more than the portion counts whole.
    pub(super) fn take(&self, units: u64) -> Result<u64, Wait> {
        let units = NonZeroU32::new(u32::try_from(units).unwrap_or(u32::MAX).min(self.per_minute.get()));
        let Some(units) = units else { return Ok(self.remaining()) };
        let reading = self.clock.read();
        if reading.millionths < MILLION {
            let full = self.full_at(reading);
            let nanos = u64::from(units.get()).saturating_mul(self.unit_nanos);
            if nanos > part_of(self.window(), reading.millionths) {
                return self.take_all(full, nanos);
            }
            self.cell.raise(full);
        }
        match self.limiter.check_n(units) {
            Ok(Ok(snapshot)) => Ok(u64::from(snapshot.remaining_burst_capacity())),
            Ok(Err(not_until)) => {
                Err(self.wait(not_until.wait_time_from(Nanos::new(reading.nanos)), reading.millionths))
            }
            // Not reached, since the units are held to the burst.
            Err(_) => Err(Wait { remaining: 0, retry_after: Duration::from_secs(60) }),
        }
    }

    /// Takes more than the portion holds, if it is full.
    fn take_all(&self, full: u64, nanos: u64) -> Result<u64, Wait> {
        match self.cell.take_if_full(full, nanos) {
            Ok(()) => Ok(0),
            Err(missing) => Err(self.wait(Duration::from_nanos(missing), 0)),
        }
    }

    /// The wait is that of the whole limit: the portion grows for who asks.
    fn wait(&self, wait: Duration, millionths: u64) -> Wait {
        let retry_after = if millionths < MILLION { wait.max(RETRY_LEAST) } else { wait };
        Wait { remaining: self.remaining(), retry_after }
    }

    /// Corrects what was taken to what was used.
    pub(super) fn correct(&self, taken: u64, used: u64) {
        let taken = taken.min(u64::from(self.per_minute.get()));
        if used > taken {
            let full = self.full_at(self.clock.read());
            self.cell.take(full, (used - taken).saturating_mul(self.unit_nanos));
        } else {
            self.cell.give_back((taken - used).saturating_mul(self.unit_nanos));
        }
    }

    /// From now on lets so many millionths of the limit through. Nothing is refilled by it; what was unused of what is
    /// given up is told, in millionths.
    pub(super) fn hold(&self, millionths: u64) -> u64 {
        let before = self.clock.read();
        if before.millionths == millionths {
            return 0;
        }
        self.cell.raise(self.full_at(before));
        let left = self.window().saturating_sub(self.cell.get().saturating_sub(before.nanos));
        self.clock.run_at(millionths);
        self.cell.raise(self.full_at(Reading { nanos: before.nanos, millionths }));
        let left = u128::from(left) * u128::from(MILLION) / u128::from(self.window().max(1));
        u64::try_from(left).unwrap_or(MILLION).saturating_sub(millionths)
    }

    /// Takes over what was unused elsewhere, in millionths of the limit.
    pub(super) fn take_over(&self, millionths: u64) {
        self.cell.give_back(part_of(self.window(), millionths.min(MILLION)));
    }

    /// Units that can be taken now.
    pub(super) fn remaining(&self) -> u64 {
        let reading = self.clock.read();
        let used = self.cell.get().max(self.full_at(reading)).saturating_sub(reading.nanos);
        self.window().saturating_sub(used) / self.unit_nanos
    }

    /// Whether nothing counts against it any more.
    pub(super) fn is_idle(&self) -> bool {
        self.used() == 0
    }

    /// Units that still count, rounded up.
    fn used(&self) -> u64 {
        self.cell.get().saturating_sub(self.full_at(self.clock.read())).div_ceil(self.unit_nanos)
    }

    /// The arrival time of a cell that has all of its portion: the rest of the limit counts as used, by others.
    fn full_at(&self, reading: Reading) -> u64 {
        let window = self.window();
        reading.nanos.saturating_add(window - part_of(window, reading.millionths))
    }

    /// A minute, less what does not divide into units.
    fn window(&self) -> u64 {
        self.unit_nanos.saturating_mul(u64::from(self.per_minute.get()))
    }
}
