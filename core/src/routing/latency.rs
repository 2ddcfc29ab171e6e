//! How fast a deployment begins to answer: a moving mean that forgets.

use std::time::Duration;

use super::steady::Steady;

/// A new measurement moves the mean by one part in so many.
const PARTS: u64 = 4;
/// What was not measured for so long counts half. So one that was slow once, and is asked no more for it, is asked again.
const HALF_LIFE_MS: u64 = 30_000;

/// An exponentially weighted mean of times to the first byte, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Latency {
    mean_us: Option<u64>,
    measured: Steady,
}

impl Latency {
    pub(super) fn measure(&mut self, now: Steady, latency: Duration) {
        let sample = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let mean = match self.mean_us(now) {
            None => sample,
            Some(mean) => (mean / PARTS).saturating_mul(PARTS - 1).saturating_add(sample / PARTS),
        };
        *self = Self { mean_us: Some(mean), measured: now };
    }

    /// The mean; none before the first measurement.
    pub(super) fn mean(&self, now: Steady) -> Option<Duration> {
        self.mean_us(now).map(Duration::from_micros)
    }

    fn mean_us(&self, now: Steady) -> Option<u64> {
        let halvings = now.millis().saturating_sub(self.measured.millis()) / HALF_LIFE_MS;
        let halved = |mean: u64| u32::try_from(halvings).ok().and_then(|by| mean.checked_shr(by)).unwrap_or(0);
        self.mean_us.map(halved)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Latency;
    use crate::routing::Steady;

    #[test]
    fn the_mean_follows_what_is_measured_and_halves_while_nothing_is() {
        let mut latency = Latency::default();
        let at = Steady::from_millis;
        assert_eq!(latency.mean(at(0)), None);
        latency.measure(at(0), Duration::from_millis(100));
        assert_eq!(latency.mean(at(0)), Some(Duration::from_millis(100)));
        latency.measure(at(1), Duration::from_millis(200));
        assert_eq!(latency.mean(at(1)), Some(Duration::from_millis(125)));
        assert_eq!(latency.mean(at(30_001)), Some(Duration::from_micros(62_500)));
        assert_eq!(latency.mean(at(u64::MAX)), Some(Duration::ZERO));
    }
}
