use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::{Just, Strategy as _, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::{Ask, Candidate, MinuteLimits, NoneLeft, Ranked, price_per_1k, rank};
use crate::money::{NanoUsd, PicoUsd};
use crate::price::Price;
use crate::routing::shuffle::next;
use crate::routing::tests::WELL;
use crate::routing::{NoneWithTags, Readiness, Snapshot, Steady, Strategy};

const COOLING: Readiness = Readiness::Cooling { until: Steady::from_millis(9) };

const STRATEGIES: [Strategy; 6] = [
    Strategy::Weighted,
    Strategy::LeastBusy,
    Strategy::LowestLatency,
    Strategy::LowestCost,
    Strategy::Usage,
    Strategy::Ordered,
];

fn ask(strategy: Strategy, random: u64) -> Ask<'static> {
    Ask { strategy, tags: &[], random }
}

fn order(ask: &Ask<'_>, candidates: &[Candidate<'_>]) -> Vec<usize> {
    rank(ask, candidates).unwrap().iter().map(|ranked| ranked.index).collect()
}

/// How often each candidate is first, of a thousand requests.
fn firsts(strategy: Strategy, candidates: &[Candidate<'_>]) -> Vec<u32> {
    let mut firsts = vec![0; candidates.len()];
    let mut random = 5;
    for _ in 0..1_000 {
        random = next(random);
        firsts[order(&ask(strategy, random), candidates)[0]] += 1;
    }
    firsts
}

#[test]
fn by_weight_each_is_first_as_often_as_its_weight_says_and_a_spare_never() {
    let firsts = firsts(Strategy::Weighted, &[WELL.of_weight(3), WELL, WELL.of_weight(0)]);
    assert!((700..800).contains(&firsts[0]) && firsts[2] == 0, "{firsts:?}");
}

#[test]
fn least_busy_goes_where_the_fewest_calls_run_and_equals_share() {
    let candidates = [WELL.running(3), WELL.running(1), WELL.running(2)];
    assert_eq!(order(&ask(Strategy::LeastBusy, 7), &candidates), [1, 2, 0]);
    let firsts = firsts(Strategy::LeastBusy, &[WELL, WELL, WELL.running(1)]);
    assert!(firsts[0] > 400 && firsts[1] > 400 && firsts[2] == 0, "{firsts:?}");
}

#[test]
fn lowest_latency_prefers_the_faster_of_two_and_never_sends_all_to_one() {
    let three = [WELL.answering_in(100), WELL.answering_in(200), WELL.answering_in(900)];
    let firsts = firsts(Strategy::LowestLatency, &three);
    // Of three pairs the fastest is in two, the middle one wins the third, and the slowest none.
    assert!((620..720).contains(&firsts[0]) && firsts[2] == 0, "{firsts:?}");
    assert_eq!(order(&ask(Strategy::LowestLatency, 1), &[three[2], WELL])[0], 1, "what was never measured is tried");
    let busy = [WELL.answering_in(100).running(9), WELL.answering_in(900)];
    assert_eq!(order(&ask(Strategy::LowestLatency, 1), &busy)[0], 1, "ten at 100 ms are longer than one at 900");
}

#[test]
fn lowest_latency_compares_those_that_are_ready_among_themselves() {
    let candidates = [WELL.answering_in(1).being(COOLING), WELL.answering_in(100), WELL.answering_in(900)];
    for random in 0..100 {
        assert_eq!(order(&ask(Strategy::LowestLatency, next(random)), &candidates), [1, 2, 0]);
    }
}

#[test]
fn lowest_cost_goes_by_price_and_without_one_last() {
    let priced = |nano| Candidate { price_per_1k: Some(NanoUsd::new(nano)), ..WELL };
    assert_eq!(order(&ask(Strategy::LowestCost, 3), &[WELL, priced(20), priced(5)]), [2, 1, 0]);
    let price = Price::simple(PicoUsd::new(1_250_000), PicoUsd::new(10_000_000));
    assert_eq!(price_per_1k(&price), NanoUsd::new(11_250_000));
}

#[test]
fn usage_goes_where_the_least_part_of_a_minute_is_used_and_leaves_out_what_is_used_up() {
    let candidates = [WELL.used(50, 100), WELL.used(10, 100), WELL.used(100, 100)];
    assert_eq!(order(&ask(Strategy::Usage, 3), &candidates), [1, 0]);
    assert_eq!(rank(&ask(Strategy::Usage, 3), &candidates[2..]), Err(NoneLeft::AllUsedUp));
    let mut by_tokens = WELL.used(1, 100);
    by_tokens.limits.tokens = Some(1_000);
    by_tokens.health.tokens_in_minute = 700;
    let ranked = rank(&ask(Strategy::Usage, 3), &[by_tokens]).unwrap();
    assert_eq!(ranked[0].score, 700);
}

#[test]
fn what_is_used_up_is_last_of_the_ready_ones_under_every_other_strategy() {
    for strategy in STRATEGIES.into_iter().filter(|strategy| *strategy != Strategy::Usage) {
        let candidates = [WELL.used(100, 100), WELL.being(COOLING), WELL.of_weight(0), WELL.used(99, 100)];
        assert_eq!(order(&ask(strategy, 3), &candidates), [3, 2, 0, 1], "{strategy:?}");
    }
}

#[test]
fn ordered_goes_by_the_operators_order() {
    let placed = |order| Candidate { order, ..WELL };
    assert_eq!(order(&ask(Strategy::Ordered, 3), &[placed(2), placed(3), placed(1)]), [2, 0, 1]);
}

#[test]
fn one_probe_goes_first_further_ones_wait_and_what_cools_is_the_last_resort() {
    let candidates = [WELL.being(COOLING), WELL.being(Readiness::Probe), WELL, WELL.being(Readiness::Probe)];
    for strategy in STRATEGIES {
        let order = order(&ask(strategy, 3), &candidates);
        assert!(matches!(order[..], [1, 2, 3, 0] | [3, 2, 1, 0]), "{strategy:?} {order:?}");
    }
}

#[test]
fn spare_deployments_are_probed_when_all_are_spare_and_not_before_others_that_are_ready() {
    let spare = WELL.of_weight(0);
    let probe = spare.being(Readiness::Probe);
    for strategy in STRATEGIES {
        assert_eq!(order(&ask(strategy, 3), &[spare, probe]), [1, 0], "{strategy:?}");
        assert_eq!(order(&ask(strategy, 3), &[spare, probe, WELL, WELL.being(COOLING)]), [2, 0, 1, 3], "{strategy:?}");
    }
}

#[test]
fn a_model_whose_only_deployment_cools_is_still_tried() {
    for strategy in STRATEGIES {
        assert_eq!(order(&ask(strategy, 3), &[WELL.being(COOLING)]), [0]);
    }
}

#[test]
fn tags_choose_who_may_serve() {
    let (paid, free, default) = (["paid".to_owned()], ["free".to_owned()], ["default".to_owned()]);
    let all = [WELL.tagged(&paid), WELL.tagged(&free), WELL.tagged(&default), WELL];
    let served = |tags: &[String], candidates: &[Candidate<'_>]| {
        let ask = Ask { strategy: Strategy::Ordered, tags, random: 1 };
        rank(&ask, candidates).map(|ranked| ranked.iter().map(|ranked| ranked.index).collect::<BTreeSet<_>>())
    };
    let other = ["other".to_owned()];
    assert_eq!(served(&paid, &all), Ok(BTreeSet::from([0])));
    assert_eq!(served(&[paid[0].clone(), free[0].clone()], &all), Ok(BTreeSet::from([0, 1])));
    assert_eq!(served(&other, &all), Ok(BTreeSet::from([2])), "what no other is for");
    assert_eq!(served(&[], &all), Ok(BTreeSet::from([2, 3])));
    assert_eq!(served(&other, &all[..2]), Err(NoneLeft::NoneWithTags(NoneWithTags)));
    assert_eq!(served(&[], &all[..2]), Err(NoneLeft::NoneWithTags(NoneWithTags)));
    assert_eq!(served(&other, &all[3..]), Ok(BTreeSet::from([0])), "without tagged deployments tags do not route");
}

fn candidates() -> impl proptest::strategy::Strategy<Value = Vec<Candidate<'static>>> {
    let readiness = prop_oneof![
        Just(Readiness::Ready),
        Just(Readiness::Probe),
        any::<u64>().prop_map(|until| Readiness::Cooling { until: Steady::from_millis(until) }),
    ];
    let health = (readiness, any::<u32>(), proptest::option::of(any::<u64>()), 0_u64..20, any::<u64>()).prop_map(
        |(readiness, in_flight, latency, requests_in_minute, tokens_in_minute)| {
            let latency = latency.map(Duration::from_micros);
            Snapshot { readiness, in_flight, latency, requests_in_minute, tokens_in_minute }
        },
    );
    let limits = (proptest::option::of(0_u64..20), proptest::option::of(any::<u64>()))
        .prop_map(|(requests, tokens)| MinuteLimits { requests, tokens });
    let price = proptest::option::of(any::<i64>().prop_map(NanoUsd::new));
    let candidate =
        (0_u32..4, 0_u32..4, price, limits, health).prop_map(|(weight, order, price_per_1k, limits, health)| {
            Candidate { weight, order, price_per_1k, limits, tags: &[], health }
        });
    proptest::collection::vec(candidate, 0..20)
}

proptest! {
    #[test]
    fn every_candidate_stands_once_and_what_cools_behind_what_is_ready(
        candidates in candidates(), strategy in proptest::sample::select(&STRATEGIES[..]), random in any::<u64>(),
    ) {
        let ranked = match rank(&ask(strategy, random), &candidates) {
            Ok(ranked) => ranked,
            Err(NoneLeft::AllUsedUp) if strategy == Strategy::Usage => Vec::new(),
            Err(error) => panic!("{error}"),
        };
        let indices: BTreeSet<usize> = ranked.iter().map(|ranked| ranked.index).collect();
        prop_assert_eq!(indices.len(), ranked.len());
        let is_used_up = |candidate: &Candidate<'_>| candidate.limits.used_permille(&candidate.health) >= 1_000;
        let expected: BTreeSet<usize> = (0..candidates.len())
            .filter(|index| strategy != Strategy::Usage || !is_used_up(&candidates[*index]))
            .collect();
        prop_assert_eq!(indices, expected);
        let cools = |ranked: &Ranked| matches!(ranked.readiness, Readiness::Cooling { .. });
        prop_assert!(ranked.is_sorted_by_key(cools));
        // At most one probe before the first ready one that has something left.
        let is_fit = |ranked: &&Ranked| ranked.readiness == Readiness::Ready && !ranked.used_up;
        if let Some(first) = ranked.iter().position(|ranked| is_fit(&ranked)) {
            prop_assert!(first <= 1, "{:?}", ranked);
        }
        // The same number gives the same order.
        prop_assert_eq!(rank(&ask(strategy, random), &candidates).unwrap_or_default(), ranked);
    }
}
