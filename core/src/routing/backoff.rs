//! How long to wait before the same upstream is asked again.

use std::time::Duration;

/// The shortest wait.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(500);
/// The longest wait that no upstream asked for.
pub const BACKOFF_MAX: Duration = Duration::from_secs(8);

/// The wait after so many waits before it: a random one between half and all of a second, which doubles each time up to
/// [`BACKOFF_MAX`]. Random, so that those who failed together do not come back together. Not shorter than what the
/// upstream asked for.
pub(super) fn backoff(waited: u32, random: u64, told: Option<Duration>) -> Duration {
    let most = BACKOFF_FIRST.saturating_mul(2_u32.saturating_pow(waited.saturating_add(1))).min(BACKOFF_MAX);
    let half = u64::try_from(most.as_millis()).unwrap_or(u64::MAX) / 2;
    let own = Duration::from_millis(half + random % (half + 1));
    told.map_or(own, |told| told.max(own))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{BACKOFF_FIRST, BACKOFF_MAX, backoff};

    #[test]
    fn a_wait_is_between_half_and_all_of_a_span_that_doubles_up_to_its_bound() {
        let spans = |waited| {
            let shortest = backoff(waited, 0, None);
            // Twice the shortest is the longest.
            (shortest.as_millis(), backoff(waited, u64::try_from(shortest.as_millis()).unwrap(), None).as_millis())
        };
        assert_eq!(
            [0, 1, 2, 3, 4, 31, 99].map(spans),
            [
                (500, 1_000),
                (1_000, 2_000),
                (2_000, 4_000),
                (4_000, 8_000),
                (4_000, 8_000),
                (4_000, 8_000),
                (4_000, 8_000),
            ]
        );
        assert_eq!(backoff(0, 0, None), BACKOFF_FIRST);
        assert_eq!(backoff(9, 4_000, None), BACKOFF_MAX);
    }

    #[test]
    fn an_upstream_is_left_alone_as_long_as_it_asks_for() {
        assert_eq!(backoff(0, 0, Some(Duration::from_secs(20))), Duration::from_secs(20));
        assert_eq!(backoff(0, 0, Some(Duration::ZERO)), BACKOFF_FIRST);
    }
}
