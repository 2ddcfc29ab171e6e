//! A seeded simulator of budgets over several gateways: the real books, slices, journals and recoveries, in a world that
//! delays, drops, doubles, pauses, cuts, kills and restarts, with clocks that are wrong and limits that change.
//!
//! Nothing is timed and nothing is threaded: a seed is a history, and the same seed is the same history. After each step
//! the world is compared with the provider, who knows what every request truly cost; after quiet, with what must be left:
//! nothing held, nothing leaked, and the money usable to its end.
//!
//! Each [`Sabotage`] takes away one thing that safety rests on. Over some seeds it must be found out: a check that cannot
//! fail shows nothing.

#![allow(clippy::expect_used, clippy::panic, reason = "the inputs are the simulator's own; a panic is a failed test")]

mod random;
mod log;
mod provider;
mod process;
mod requests;
mod site;
mod faults;
mod safety;
mod quiet;
mod world;
mod story;

use crate::lease::{Event, Root};
use crate::time::Timestamp;

pub use world::{Outcome, World};

/// What is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// The budget is checked before a request and charged after it, and nothing is held in between.
    CheckThenAdd,
    /// The slices of a gateway that is not heard of become free at once, instead of going into suspense.
    ReclaimWithoutSuspense,
    /// A restarted gateway forgets the holds that were open.
    ForgetOpenHolds,
    /// A gateway does not heed that a newer boot took over, or that its slices were suspended.
    NoFencing,
    /// A grant that is read twice is applied twice.
    GrantTwice,
    /// Records that wait in the journal are shipped again without a look at the log.
    ShipTwice,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::CheckThenAdd,
        Self::ReclaimWithoutSuspense,
        Self::ForgetOpenHolds,
        Self::NoFencing,
        Self::GrantTwice,
        Self::ShipTwice,
    ];

    /// The name by which it is asked for.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CheckThenAdd => "check-then-add",
            Self::ReclaimWithoutSuspense => "reclaim-without-suspense",
            Self::ForgetOpenHolds => "forget-open-holds",
            Self::NoFencing => "no-fencing",
            Self::GrantTwice => "grant-twice",
            Self::ShipTwice => "ship-twice",
        }
    }
}

/// Runs one seed.
///
/// # Errors
/// What is wrong, and when, in words.
pub fn run(seed: u64, sabotage: Option<Sabotage>) -> Result<Outcome, String> {
    World::new(seed, sabotage).run()
}

/// Runs one seed, and tells what the lease log then holds, an event a line: what a failure is understood by.
#[must_use]
pub fn story(seed: u64, sabotage: Option<Sabotage>) -> Vec<String> {
    let mut world = World::new(seed, sabotage);
    let ended = world.run();
    let mut lines = world.story();
    lines.extend(ended.err());
    lines
}

/// What the lease log of a seed holds in the end, with the moments that its writers believed in: a history of events that
/// real decisions made, chain by chain in turn.
#[must_use]
pub fn history(seed: u64) -> Vec<(Root, Timestamp, Event)> {
    let mut world = World::new(seed, None);
    // What is wrong with a seed is the business of `run`.
    let _ = world.run();
    world.history()
}

#[cfg(test)]
mod tests {
    use super::{Sabotage, run};

    #[test]
    fn no_seed_overshoots_loses_or_leaks() {
        for seed in 0..300 {
            run(seed, None).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
        }
    }

    #[test]
    fn every_sabotage_is_found_out() {
        for sabotage in Sabotage::ALL {
            let found = (0..400).find(|seed| run(*seed, Some(sabotage)).is_err());
            assert!(found.is_some(), "{} is not found out", sabotage.name());
        }
    }

    #[test]
    fn a_seed_is_the_same_history_each_time() {
        for seed in [1, 7, 42] {
            assert_eq!(run(seed, None), run(seed, None));
        }
    }
}
