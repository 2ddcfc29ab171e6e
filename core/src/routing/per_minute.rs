//! How much of something there was in the last minute, near enough, in three numbers.

use super::steady::Steady;

const MINUTE_MS: u64 = 60_000;

/// A count over the minute that ends now. The minute of the clock counts whole, the one before it by the part of it that
/// is less than a minute ago, as if it had come evenly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PerMinute {
    /// Which minute of the clock.
    minute: u64,
    current: u64,
    previous: u64,
}

impl PerMinute {
    pub(super) fn add(&mut self, now: Steady, amount: u64) {
        let mut rolled = self.rolled(now);
        rolled.current = rolled.current.saturating_add(amount);
        *self = rolled;
    }

    pub(super) fn count(&self, now: Steady) -> u64 {
        let rolled = self.rolled(now);
        let left = MINUTE_MS.saturating_sub(now.millis() % MINUTE_MS);
        let before = u128::from(rolled.previous) * u128::from(left) / u128::from(MINUTE_MS);
        rolled.current.saturating_add(u64::try_from(before).unwrap_or(u64::MAX))
    }

    const fn rolled(&self, now: Steady) -> Self {
        let minute = now.millis() / MINUTE_MS;
        match minute.saturating_sub(self.minute) {
            0 => *self,
            1 => Self { minute, current: 0, previous: self.current },
            _ => Self { minute, current: 0, previous: 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PerMinute;
    use crate::routing::Steady;

    #[test]
    fn what_was_counted_fades_over_the_minute_after_and_is_gone_then() {
        let mut count = PerMinute::default();
        count.add(Steady::from_millis(59_999), 100);
        assert_eq!(count.count(Steady::from_millis(59_999)), 100);
        assert_eq!(count.count(Steady::from_millis(90_000)), 50);
        assert_eq!(count.count(Steady::from_millis(120_000)), 0);
        count.add(Steady::from_millis(90_000), 7);
        assert_eq!(count.count(Steady::from_millis(90_000)), 57);
    }
}
