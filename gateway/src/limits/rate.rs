//! A limit of so many units a minute: requests or tokens. The whole minute's worth may come at once; it refills evenly.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::middleware::StateInformationMiddleware;
use governor::state::direct::NotKeyed;
use governor::{Quota, RateLimiter};

use super::cell::Cell;

const MINUTE_NANOS: u64 = 60_000_000_000;

/// A rate limiter whose units can be given back or taken later.
#[derive(Debug)]
pub(super) struct Rate<C: Clock> {
    limiter: RateLimiter<NotKeyed, Cell, C, StateInformationMiddleware>,
    cell: Cell,
    clock: C,
    start: C::Instant,
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
    /// A limiter for so many units a minute that has used what another had used, each in its own measure. More than
    /// four thousand million units a minute are held to that.
    pub(super) fn new(per_minute: NonZeroU32, clock: C, before: Option<&Self>) -> Self {
        let unit_nanos = (MINUTE_NANOS / u64::from(per_minute.get())).max(1);
        let used = before.map_or(0, Self::used);
        let start = clock.now();
        let cell = Cell::at(used.saturating_mul(unit_nanos));
        let quota = Quota::with_period(Duration::from_nanos(unit_nanos))
            .unwrap_or_else(|| Quota::per_minute(per_minute))
            .allow_burst(per_minute);
        Self {
            limiter: RateLimiter::new(quota, cell.clone(), clock.clone()),
            cell,
            clock,
            start,
            per_minute,
            unit_nanos,
        }
    }

    /// Takes units, or none. A request for more than a minute's worth is held to a minute's worth: else it could never
    /// run.
    pub(super) fn take(&self, units: u64) -> Result<u64, Wait> {
        let units = NonZeroU32::new(u32::try_from(units).unwrap_or(u32::MAX).min(self.per_minute.get()));
        let Some(units) = units else { return Ok(self.remaining()) };
        match self.limiter.check_n(units) {
            Ok(Ok(snapshot)) => Ok(u64::from(snapshot.remaining_burst_capacity())),
            Ok(Err(not_until)) => {
                Err(Wait { remaining: self.remaining(), retry_after: not_until.wait_time_from(self.clock.now()) })
            }
            // Not reached, since the units are held to the burst.
            Err(_) => Err(Wait { remaining: 0, retry_after: Duration::from_secs(60) }),
        }
    }

    /// Corrects what was taken to what was used.
    pub(super) fn correct(&self, taken: u64, used: u64) {
        let taken = taken.min(u64::from(self.per_minute.get()));
        if used > taken {
            self.cell.take(self.now(), (used - taken).saturating_mul(self.unit_nanos));
        } else {
            self.cell.give_back((taken - used).saturating_mul(self.unit_nanos));
        }
    }

    /// Units that can be taken now.
    pub(super) fn remaining(&self) -> u64 {
        u64::from(self.per_minute.get()).saturating_sub(self.used())
    }

    /// Whether nothing counts against it any more.
    pub(super) fn is_idle(&self) -> bool {
        self.used() == 0
    }

    /// Units that still count, rounded up.
    fn used(&self) -> u64 {
        self.cell.get().saturating_sub(self.now()).div_ceil(self.unit_nanos)
    }

    fn now(&self) -> u64 {
        self.clock.now().duration_since(self.start).as_u64()
    }
}
