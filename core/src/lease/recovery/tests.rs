use super::super::decide::{join, roll as decide_roll};
use super::super::event::{Evidence, Recovered, Why};
use super::super::suspense::{recover, suspend};
use super::super::tests::{Chain, account, gateway, roll, suspended, usd};
use super::super::{Epoch, Event};
use super::{Boot, Memory, Use, wind_up};

fn remembered(evidence: Evidence, spent: i64, suspended: i64, open: i64) -> Memory {
    let used = Use { spent: usd(spent), suspended: usd(suspended), open: usd(open) };
    let slices = [(account(), used)].into();
    Memory { boots: [(Epoch::new(1), Boot { evidence, slices })].into() }
}

/// After the first boot spent 10 of 100 by the log's word, the second has joined.
fn rebooted() -> Chain {
    let mut chain = Chain::opened().with(|book| decide_roll(book, roll(1, 1, 10, 0, None)));
    chain.fold(&join(&chain.book, &gateway(1)));
    chain
}

fn amounts(recovered: &Recovered) -> (i64, i64, i64) {
    let wound = &recovered.slices[0];
    (wound.spent_nano_usd.nano(), wound.suspended_nano_usd.nano(), wound.returned_nano_usd.nano())
}

#[track_caller]
fn winds_up(chain: &Chain, memory: &Memory, expected: (i64, i64, i64)) {
    let recovered = wind_up(&chain.book, &gateway(1), memory).unwrap();
    assert_eq!(amounts(&recovered), expected);
    let mut after = chain.clone();
    after.write(recover(&after.book, recovered));
    assert_eq!(wind_up(&after.book, &gateway(1), memory), None, "it is done once");
}

#[test]
fn with_its_whole_journal_only_what_was_open_is_in_suspense() {
    winds_up(&rebooted(), &remembered(Evidence::Whole, 30, 0, 25), (20, 25, 45));
    winds_up(&rebooted(), &remembered(Evidence::Whole, 10, 0, 0), (0, 0, 90));
    // More was open than is left, since a request cost more than it held.
    winds_up(&rebooted(), &remembered(Evidence::Whole, 80, 0, 40), (70, 20, 0));
}

#[test]
fn what_was_put_into_suspense_and_not_said_is_said() {
    let chain = Chain::opened().with(|book| suspend(book, suspended(1, 1, Why::OutcomeUnknown, 15)));
    let mut chain = chain.with(|book| decide_roll(book, roll(1, 1, 10, 0, None)));
    chain.fold(&join(&chain.book, &gateway(1)));
    winds_up(&chain, &remembered(Evidence::Whole, 10, 15, 0), (0, 0, 75));
    winds_up(&chain, &remembered(Evidence::Whole, 10, 20, 5), (0, 10, 65));
}

#[test]
fn with_a_part_of_its_journal_all_that_is_not_known_to_be_spent_is_in_suspense() {
    winds_up(&rebooted(), &remembered(Evidence::Partial, 30, 0, 5), (20, 70, 0));
}

#[test]
fn without_its_journal_all_is_in_suspense() {
    winds_up(&rebooted(), &Memory::default(), (0, 90, 0));
}

#[test]
fn a_journal_that_knows_less_than_the_log_is_an_old_copy() {
    winds_up(&rebooted(), &remembered(Evidence::Whole, 9, 0, 0), (0, 90, 0));
}

#[test]
fn a_boot_that_never_held_anything_returns_all() {
    let mut chain = Chain::opened();
    chain.fold(&join(&chain.book, &gateway(1)));
    let memory = Memory { boots: [(Epoch::new(1), Boot { evidence: Evidence::Whole, slices: [].into() })].into() };
    winds_up(&chain, &memory, (0, 0, 100));
}

#[test]
fn the_running_boot_and_other_gateways_are_left_alone() {
    let chain = Chain::opened();
    assert_eq!(wind_up(&chain.book, &gateway(1), &Memory::default()), None);
    assert_eq!(wind_up(&chain.book, &gateway(3), &Memory::default()), None, "it has not joined");
    let recovered = wind_up(&rebooted().book, &gateway(1), &Memory::default()).unwrap();
    assert_eq!(
        (recovered.epoch, recovered.by_epoch, recovered.journal),
        (Epoch::new(1), Epoch::new(2), Evidence::Missing)
    );
    assert!(matches!(recover(&rebooted().book, recovered), Ok(Event::Recovered(_))));
}
