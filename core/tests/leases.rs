//! The simulator of budgets over many seeds: minutes of bad weather, each seed a history that can be run again.
//!
//! ```text
//! cargo test --release -p tallygate-core --test leases -- --nocapture
//! TALLYGATE_SEEDS=100000 …      so many seeds, from TALLYGATE_SEED on or from 0
//! TALLYGATE_SEED=4711 …         that seed alone
//! TALLYGATE_SABOTAGE=no-fencing …    with something broken on purpose: it must be found out
//! ```

#![allow(clippy::disallowed_methods, reason = "what to run is said by the environment")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a panic is a failed test")]

use tallygate_core::testing::lease_simulation::{Outcome, Sabotage, run, story};

/// How many seeds are run when nothing is said.
const SEEDS: u64 = 2_000;
/// Within how many seeds each sabotage must be found out.
const SABOTAGE_SEEDS: u64 = 2_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

fn seeds() -> std::ops::Range<u64> {
    match (number("TALLYGATE_SEED"), number("TALLYGATE_SEEDS")) {
        (Some(seed), None) => seed..seed + 1,
        (first, count) => {
            let first = first.unwrap_or(0);
            first..first + count.unwrap_or(SEEDS)
        }
    }
}

/// The first seed that something is wrong with, and the sums of the others. Each core runs every so many seeds.
fn run_all(sabotage: Option<Sabotage>, seeds: &std::ops::Range<u64>) -> (Option<(u64, String)>, Outcome) {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let all = std::thread::scope(|scope| {
        let share = |core| scope.spawn(move || run_some(sabotage, seeds.clone().skip(core).step_by(cores)));
        let shares: Vec<_> = (0..cores).map(share).collect();
        shares.into_iter().map(|share| share.join().unwrap()).collect::<Vec<_>>()
    });
    let mut sum = NOTHING;
    all.iter().for_each(|(_, outcome)| add(&mut sum, outcome));
    (all.into_iter().filter_map(|(failed, _)| failed).min(), sum)
}

fn run_some(sabotage: Option<Sabotage>, seeds: impl Iterator<Item = u64>) -> (Option<(u64, String)>, Outcome) {
    let mut sum = NOTHING;
    for seed in seeds {
        match run(seed, sabotage) {
            Ok(outcome) => add(&mut sum, &outcome),
            Err(what) => return (Some((seed, what)), sum),
        }
    }
    (None, sum)
}

const NOTHING: Outcome = Outcome { sent: 0, events: 0, usable_milli_percent: u64::MAX };

fn add(sum: &mut Outcome, outcome: &Outcome) {
    sum.sent += outcome.sent;
    sum.events += outcome.events;
    sum.usable_milli_percent = sum.usable_milli_percent.min(outcome.usable_milli_percent);
}

#[test]
fn no_seed_overshoots_loses_or_leaks() {
    let wanted = std::env::var("TALLYGATE_SABOTAGE").ok();
    let sabotage = wanted.map(|name| {
        let found = Sabotage::ALL.into_iter().find(|sabotage| sabotage.name() == name);
        found.unwrap_or_else(|| panic!("no such sabotage: {name}"))
    });
    let seeds = seeds();
    let (failed, sum) = run_all(sabotage, &seeds);
    if let Some((seed, what)) = failed {
        if seeds.end - seeds.start == 1 {
            story(seed, sabotage).iter().for_each(|line| println!("{line}"));
        }
        let again = "TALLYGATE_SEED={seed} cargo test --release -p tallygate-core --test leases";
        panic!("seed {seed}: {what}\nrun it again: {}", again.replace("{seed}", &seed.to_string()));
    }
    println!(
        "{} seeds, {} requests, {} lease events: overshoot 0, leaked 0, lost 0, doubled 0, usable at least {}.{:03} %",
        seeds.end - seeds.start,
        sum.sent,
        sum.events,
        sum.usable_milli_percent / 1_000,
        sum.usable_milli_percent % 1_000,
    );
}

#[test]
fn every_sabotage_is_found_out() {
    for sabotage in Sabotage::ALL {
        let (failed, _) = run_all(Some(sabotage), &(0..SABOTAGE_SEEDS));
        let (seed, what) = failed.unwrap_or_else(|| panic!("{} is not found out", sabotage.name()));
        println!("{} is found out by seed {seed}: {what}", sabotage.name());
    }
}
