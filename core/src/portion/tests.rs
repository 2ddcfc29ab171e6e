use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::{LimitId, MILLION, divide};
use crate::id::WriterId;
use crate::limits::Kind;
use crate::scope::Scope;
use crate::testing::samples::key_id;

fn limit(kind: Kind) -> LimitId {
    LimitId { scope: Scope::Key(key_id(7)), kind }
}

fn gateways(count: usize) -> Vec<WriterId> {
    (0..count).map(|number| WriterId::new(format!("gateway-{number}")).unwrap()).collect()
}

#[test]
fn who_is_asked_for_all_of_it_has_all_but_the_floor_and_equals_have_equal_parts() {
    let floor = limit(Kind::Requests).floor(MILLION, 3);
    assert_eq!(floor, MILLION / 60);
    assert_eq!(divide(MILLION, floor, &[500, 0, 0]), [MILLION - 2 * floor, floor, floor]);
    assert_eq!(divide(MILLION, floor, &[0, 0, 0]).iter().max(), Some(&333_334));
    assert_eq!(divide(MILLION, floor, &[MILLION, MILLION, 0]), [491_667, 491_667, floor]);
}

#[test]
fn who_asks_for_little_gets_it_and_the_others_share_the_rest() {
    let portions = divide(MILLION, 0, &[100_000, MILLION, MILLION]);
    assert_eq!(portions, [100_000, 450_000, 450_000]);
}

#[test]
fn fewer_places_than_gateways_go_to_those_who_ask() {
    let floor = limit(Kind::Parallel).floor(2, 3);
    assert_eq!(divide(2, floor, &[0, 0, 5]), [0, 0, 2]);
    assert_eq!(divide(1, floor, &[0, 1, 0]), [0, 1, 0]);
    assert_eq!(limit(Kind::Parallel).floor(12, 3), 1);
}

proptest! {
    #[test]
    fn the_sum_of_all_portions_is_the_limit_whatever_the_demands(
        parts in 0_u64..3_000_000, floor in any::<u64>(), demands in proptest::collection::vec(any::<u64>(), 1..65),
    ) {
        let portions = divide(parts, floor, &demands);
        prop_assert_eq!(portions.iter().sum::<u64>(), parts);
        let least = floor.min(parts / demands.len() as u64);
        prop_assert!(portions.iter().all(|portion| *portion >= least));
    }

    #[test]
    fn who_asks_for_more_never_gets_less(
        parts in 0_u64..3_000_000, demands in proptest::collection::vec(0_u64..2_000_000, 2..9),
    ) {
        let portions = divide(parts, 0, &demands);
        for (one, other) in (0..demands.len()).flat_map(|one| (0..demands.len()).map(move |other| (one, other))) {
            // What cannot be divided is one part.
            prop_assert!(demands[one] < demands[other] || portions[one] + 1 >= portions[other], "{portions:?}");
        }
    }

    #[test]
    fn at_rest_all_gateways_together_have_the_limit_and_agree_who_has_what(count in 1_usize..20, parts in 0_u64..50) {
        let gateways = gateways(count);
        let limit = limit(Kind::Parallel);
        let each: Vec<_> = gateways.iter().map(|own| limit.at_rest(parts, &gateways, own)).collect();
        prop_assert_eq!(each.iter().sum::<u64>(), parts);
        prop_assert!(each.iter().max().unwrap() - each.iter().min().unwrap() <= 1);
    }
}
