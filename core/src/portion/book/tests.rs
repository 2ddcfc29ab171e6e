use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::{Asked, Book, ECHO_MS, GONE_MS, PEERS_MAX, Portion};
use crate::id::WriterId;
use crate::limits::Kind;
use crate::portion::row::REST_TICKS;
use crate::portion::{LimitId, MILLION, Report};
use crate::scope::Scope;
use crate::testing::samples::key_id;

fn limit(kind: Kind) -> LimitId {
    LimitId { scope: Scope::Key(key_id(1)), kind }
}

fn asked(kind: Kind, parts: u64, demand: u64, running: u64) -> Asked {
    Asked { limit: limit(kind), parts, demand, refused: demand >= parts, running }
}

/// Gateways that hear one another, and themselves.
struct World {
    kind: Kind,
    parts: u64,
    books: Vec<Book>,
    held: Vec<Option<u64>>,
    /// What was unused of what a gateway gave up; it used nothing unless a test says so.
    unused: Option<u64>,
    handed: Vec<u64>,
    running: Vec<u64>,
    now_ms: u64,
}

impl World {
    fn new(kind: Kind, parts: u64, count: usize) -> Self {
        let books = (0..count).map(|number| Book::new(WriterId::new(format!("g{number}")).unwrap(), 1)).collect();
        let (held, handed, running) = (vec![None; count], vec![0; count], vec![0; count]);
        let mut world = Self { kind, parts, books, held, unused: None, handed, running, now_ms: 0 };
        world.round(&vec![0; count], &|_, _| true);
        world
    }

    fn settle(&mut self, index: usize) {
        let (held, unused) = (&mut self.held[index], self.unused);
        self.books[index].settle(&mut |_, portion: Portion| {
            *held = portion.held;
            unused
        });
    }

    fn deliver(&mut self, report: &Report, to: usize) {
        let handed = self.books[to].hear(report.clone(), self.now_ms);
        self.handed[to] += handed.iter().map(|(_, parts)| parts).sum::<u64>();
        self.settle(to);
    }

    /// A second passes in which so much is asked of each; `arrives` says who hears whom.
    fn round(&mut self, demands: &[u64], arrives: &dyn Fn(usize, usize) -> bool) {
        self.now_ms += 1_000;
        let held = self.held();
        for index in 0..self.books.len() {
            if self.kind == Kind::Parallel {
                // What runs goes on while it is wanted, and more begins where there is a place.
                self.running[index] = demands[index].min(self.running[index].max(held[index]));
            }
            let asked = asked(self.kind, self.parts, demands[index], self.running[index]);
            self.books[index].note(if demands[index] > 0 { std::slice::from_ref(&asked) } else { &[] }, true);
            self.books[index].tick(self.now_ms);
            self.settle(index);
            let report = self.books[index].report(true);
            self.spread(index, &report, arrives);
        }
        for index in 0..self.books.len() {
            if self.books[index].is_urgent() {
                let report = self.books[index].report(false);
                self.spread(index, &report, arrives);
            }
        }
    }

    fn spread(&mut self, from: usize, report: &Report, arrives: &dyn Fn(usize, usize) -> bool) {
        for to in 0..self.books.len() {
            if arrives(from, to) {
                self.deliver(report, to);
            }
        }
    }

    /// What each gateway lets through.
    fn held(&self) -> Vec<u64> {
        let held = self.held.iter().zip(&self.books);
        held.map(|(held, book)| {
            held.unwrap_or_else(|| limit(self.kind).at_rest(self.parts, &book.gateways(), &book.own))
        })
        .collect()
    }
}

#[test]
fn a_lone_gateway_has_the_whole_limit_at_once() {
    let mut world = World::new(Kind::Requests, MILLION, 1);
    world.round(&[5], &|_, _| true);
    assert_eq!(world.held(), [MILLION]);
}

#[test]
fn a_portion_follows_the_demand_within_two_seconds_and_what_was_unused_goes_with_it() {
    let mut world = World::new(Kind::Requests, MILLION, 3);
    assert_eq!(world.held().iter().sum::<u64>(), MILLION);
    world.round(&[MILLION, 0, 0], &|_, _| true);
    world.round(&[MILLION, 0, 0], &|_, _| true);
    let floor = MILLION / 60;
    assert_eq!(world.held(), [MILLION - 2 * floor, floor, floor]);
    // Both others had a third, unused, and kept the floor of it.
    assert!(world.handed[0].abs_diff(2 * (MILLION / 3 - floor)) <= 2, "{:?}", world.handed);
    (0..8).for_each(|_| world.round(&[0, MILLION, 0], &|_, _| true));
    assert!(world.held()[1] > MILLION * 9 / 10, "{:?}", world.held());
}

#[test]
fn what_is_lost_is_not_handed_over_and_nothing_is_handed_over_twice() {
    let mut world = World::new(Kind::Requests, MILLION, 2);
    world.books[0].note(&[asked(Kind::Requests, MILLION, MILLION, 0)], false);
    let wish = world.books[0].report(false);
    world.deliver(&wish, 1);
    let handing = world.books[1].report(false);
    for _ in 0..3 {
        world.deliver(&handing, 0);
        world.deliver(&wish, 1);
    }
    assert_eq!(world.handed, [MILLION / 2 - MILLION / 40, 0]);
    assert!(world.books[1].report(true).entries.iter().all(|entry| entry.handover.is_none()));
}

#[test]
fn equal_parts_come_back_only_when_all_of_it_has_refilled() {
    let mut world = World::new(Kind::Requests, MILLION, 2);
    (0..2).for_each(|_| world.round(&[MILLION, 0], &|_, _| true));
    (0..REST_TICKS).for_each(|_| world.round(&[0, 0], &|_, _| true));
    assert_eq!(world.held(), [MILLION - MILLION / 40, MILLION / 40]);
    (0..2).for_each(|_| world.round(&[0, 0], &|_, _| true));
    assert_eq!(world.held(), [MILLION / 2, MILLION / 2]);
    assert!(world.books.iter().all(Book::is_empty));
}

#[test]
fn a_gateway_that_is_gone_is_counted_out_and_one_that_says_so_at_once() {
    let mut world = World::new(Kind::Requests, MILLION, 3);
    let demands = [MILLION, 0, MILLION];
    (0..3).for_each(|_| world.round(&demands, &|_, _| true));
    let farewell = world.books[1].farewell();
    world.deliver(&farewell, 0);
    assert_eq!(world.books[0].gateways().len(), 2);
    // The third one is killed.
    let is_heard = |from: usize, to: usize| from == 0 && to == 0;
    (0..GONE_MS / 1_000).for_each(|_| world.round(&demands, &is_heard));
    assert_eq!(world.books[0].gateways().len(), 2);
    world.round(&demands, &is_heard);
    assert_eq!((world.books[0].gateways().len(), world.held()[0]), (1, MILLION));
}

#[test]
fn a_gateway_that_is_cut_off_keeps_its_portion_and_counts_nobody_out() {
    let mut world = World::new(Kind::Requests, MILLION, 2);
    let demands = [MILLION, MILLION];
    (0..3).for_each(|_| world.round(&demands, &|_, _| true));
    // The second one hears nothing, not even itself, for long.
    (0..60).for_each(|_| world.round(&demands, &|from, to| from == 0 && to == 0));
    assert_eq!(world.held(), [MILLION, MILLION / 2]);
    assert!(!world.books[1].hears_itself(world.now_ms) && world.books[1].gateways().len() == 2);
    // It is back, and hears itself before it hears the other one.
    world.now_ms += 2 * ECHO_MS;
    let own = world.books[1].report(true);
    world.deliver(&own, 1);
    world.round(&demands, &|from, to| from == 1 && to == 1);
    assert_eq!(world.held()[1], MILLION / 2);
    (0..2).for_each(|_| world.round(&demands, &|_, _| true));
    assert_eq!(world.held(), [MILLION / 2, MILLION / 2]);
}

#[test]
fn a_place_is_taken_until_the_request_ends_whoever_it_is_due_to() {
    let mut world = World::new(Kind::Parallel, 4, 2);
    (0..2).for_each(|_| world.round(&[4, 0], &|_, _| true));
    assert_eq!(world.held(), [4, 0]);
    // Four run on the first one still; the second one is asked for four.
    (0..2).for_each(|_| world.round(&[4, 4], &|_, _| true));
    assert_eq!(world.held(), [2, 0]);
    (0..2).for_each(|_| world.round(&[2, 4], &|_, _| true));
    assert_eq!(world.held(), [2, 2]);
}

#[test]
fn there_is_a_limit_to_gateways_and_one_that_is_gone_makes_room() {
    let mut book = Book::new(WriterId::new("own").unwrap(), 1);
    let says = |number: usize, leaves| Report {
        gateway: WriterId::new(format!("g{number}")).unwrap(),
        run: 1,
        number: if leaves { 2 } else { 1 },
        leaves,
        whole: true,
        entries: Vec::new(),
    };
    (0..=PEERS_MAX).for_each(|number| drop(book.hear(says(number, false), 0)));
    assert_eq!(book.gateways().len(), PEERS_MAX + 1);
    let _ = book.hear(says(0, true), 0);
    let _ = book.hear(says(PEERS_MAX, false), 0);
    assert_eq!(book.gateways().len(), PEERS_MAX + 1);
}

fn kinds() -> impl Strategy<Value = (Kind, u64)> {
    prop_oneof![
        proptest::strategy::Just((Kind::Tokens, MILLION)),
        (1_u64..40).prop_map(|places| (Kind::Parallel, places)),
    ]
}

proptest! {
    #[test]
    fn after_any_loss_the_portions_come_to_what_is_due_and_to_no_more_than_the_limit(
        (kind, parts) in kinds(),
        count in 2_usize..6,
        history in proptest::collection::vec((proptest::collection::vec(any::<u64>(), 6), any::<u64>()), 0..12),
        demands in proptest::collection::vec(1_u64..=MILLION, 6),
    ) {
        let mut world = World::new(kind, parts, count);
        let demand = |demand: &u64| demand % (parts + 1);
        for (asked, lost) in &history {
            let asked: Vec<_> = asked.iter().map(demand).collect();
            // Everyone hears itself; who hears whom else is a bit each.
            world.round(&asked, &|from, to| from == to || lost >> (from * 6 + to) & 1 == 0);
        }
        let demands: Vec<_> = demands.iter().map(|asked| asked % parts + 1).collect();
        for _ in 0..40 {
            world.round(&demands, &|_, _| true);
        }
        // What runs stays where it is, however much is due to others: so only limits by the minute are all handed out.
        let held = world.held();
        prop_assert!(held.iter().sum::<u64>() <= parts, "{held:?} of {parts} for {demands:?}");
        if kind != Kind::Parallel {
            prop_assert_eq!(held.iter().sum::<u64>(), parts);
            let floor = parts / (20 * count as u64);
            prop_assert!(held.iter().all(|held| *held >= floor), "{held:?}");
        }
    }

    #[test]
    fn while_all_is_heard_no_order_of_demands_hands_out_more_than_the_limit(
        (kind, parts) in kinds(),
        count in 2_usize..6,
        history in proptest::collection::vec(proptest::collection::vec(any::<u64>(), 6), 1..20),
    ) {
        let mut world = World::new(kind, parts, count);
        for asked in &history {
            let asked: Vec<_> = asked.iter().map(|asked| asked % (parts + 1)).collect();
            world.round(&asked, &|_, _| true);
            let held = world.held();
            prop_assert!(held.iter().sum::<u64>() <= parts, "{held:?} of {parts} for {history:?}");
        }
    }
}
