//! How many messages an agent may send: far more than it has to, and far fewer than would cost anything.

use std::time::Duration;

use tokio::time::Instant;

/// The most messages in one window, pings and pongs included.
const MESSAGES_MAX: u32 = 60;
const WINDOW: Duration = Duration::from_secs(10);

/// Counts an agent's messages.
#[derive(Debug)]
pub(super) struct Pace {
    since: Instant,
    count: u32,
}

impl Pace {
    pub(super) const fn new(now: Instant) -> Self {
        Self { since: now, count: 0 }
    }

    /// Counts one message, and says whether it is one too many.
    pub(super) fn is_exceeded(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) >= WINDOW {
            *self = Self::new(now);
        }
        self.count += 1;
        self.count > MESSAGES_MAX
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::{MESSAGES_MAX, Pace, WINDOW};

    #[test]
    fn the_limit_may_be_reached_in_each_window_and_not_passed() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for now in [start, start + WINDOW] {
            assert!((0..MESSAGES_MAX).all(|_| !pace.is_exceeded(now)));
            assert!(pace.is_exceeded(now));
        }
    }
}
