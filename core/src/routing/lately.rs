//! What the last calls of a deployment came to, for people who choose among models. Nothing is decided by it.

use std::collections::VecDeque;
use std::time::Duration;

use super::steady::Steady;

/// How many calls of one deployment are remembered.
pub const LATELY_CALLS_MAX: usize = 128;
/// For how long: an older call says nothing of now.
pub const LATELY_MAX: Duration = Duration::from_secs(3_600);

/// The last calls of one deployment. To note one costs no memory once there are as many as are remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LastCalls {
    /// How long each answer took to begin, in milliseconds.
    begun: VecDeque<(Steady, u32)>,
    /// Whether each call ended well.
    ended: VecDeque<(Steady, bool)>,
}

/// What the last calls of some deployments came to, together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lately {
    ended: u64,
    succeeded: u64,
    /// In milliseconds, in no order.
    latencies: Vec<u32>,
}

impl LastCalls {
    /// An answer has begun.
    pub(super) fn begun(&mut self, now: Steady, latency: Duration) {
        note(&mut self.begun, (now, u32::try_from(latency.as_millis()).unwrap_or(u32::MAX)));
    }

    /// A call has ended.
    pub(super) fn ended(&mut self, now: Steady, well: bool) {
        note(&mut self.ended, (now, well));
    }

    pub(super) fn add_to(&self, lately: &mut Lately, now: Steady) {
        lately.latencies.extend(recent(&self.begun, now));
        for well in recent(&self.ended, now) {
            lately.ended += 1;
            lately.succeeded += u64::from(well);
        }
    }
}

fn note<T>(calls: &mut VecDeque<T>, call: T) {
    if calls.len() >= LATELY_CALLS_MAX {
        calls.pop_front();
    }
    calls.push_back(call);
}

fn recent<T: Copy>(calls: &VecDeque<(Steady, T)>, now: Steady) -> impl Iterator<Item = T> {
    calls.iter().filter(move |(at, _)| now.since(*at) <= LATELY_MAX).map(|(_, call)| *call)
}

impl Lately {
    /// How many calls ended.
    #[must_use]
    pub const fn ended(&self) -> u64 {
        self.ended
    }

    /// How many of those ended well.
    #[must_use]
    pub const fn succeeded(&self) -> u64 {
        self.succeeded
    }

    /// The time to the first piece that half of the answers were not slower than; none where none has begun.
    #[must_use]
    pub fn latency_p50(&self) -> Option<Duration> {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let middle = sorted.len().saturating_sub(1) / 2;
        sorted.get(middle).map(|millis| Duration::from_millis(u64::from(*millis)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LATELY_CALLS_MAX, LATELY_MAX, LastCalls, Lately};
    use crate::routing::Steady;

    fn seen(calls: &[&LastCalls], now: u64) -> (u64, u64, Option<u64>) {
        let mut lately = Lately::default();
        calls.iter().for_each(|calls| calls.add_to(&mut lately, Steady::from_millis(now)));
        let latency = lately.latency_p50().map(|latency| u64::try_from(latency.as_millis()).unwrap());
        (lately.ended(), lately.succeeded(), latency)
    }

    fn call(calls: &mut LastCalls, at: u64, latency: u64, well: bool) {
        calls.begun(Steady::from_millis(at), Duration::from_millis(latency));
        calls.ended(Steady::from_millis(at), well);
    }

    #[test]
    fn the_calls_of_several_deployments_are_one_median() {
        let (mut one, mut other) = (LastCalls::default(), LastCalls::default());
        assert_eq!(seen(&[&one, &other], 0), (0, 0, None));
        call(&mut one, 1, 10, true);
        call(&mut one, 2, 900, true);
        call(&mut other, 3, 40, true);
        other.ended(Steady::from_millis(4), false);
        assert_eq!(seen(&[&one, &other], 5), (4, 3, Some(40)));
        assert_eq!(seen(&[&one], 5), (2, 2, Some(10)), "of two the faster one");
    }

    #[test]
    fn so_many_calls_are_remembered_for_so_long() {
        let mut calls = LastCalls::default();
        (0..1_000).for_each(|at| call(&mut calls, at, at, at >= 900));
        let all = u64::try_from(LATELY_CALLS_MAX).unwrap();
        assert_eq!(seen(&[&calls], 1_000), (all, 100, Some(1_000 - all / 2 - 1)));
        let hour = u64::try_from(LATELY_MAX.as_millis()).unwrap();
        assert_eq!(seen(&[&calls], 990 + hour).0, 10);
        assert_eq!(seen(&[&calls], 1_000 + hour), (0, 0, None));
    }
}
