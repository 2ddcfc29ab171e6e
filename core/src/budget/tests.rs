use super::{
    Budget, BudgetLimit, Event, LIMITS_MAX, NewBudgetLimit, Raise, Rejection, ReviseBudget, Set, SetBudget, Terms,
};
use crate::key::RevokeKey;
use crate::money::NanoUsd;
use crate::patch::Patch;
use crate::scope::Scope;
use crate::stream::{Position, StreamId};
use crate::testing::given::given;
use crate::testing::samples::{id, key_id};
use crate::testing::world::World;
use crate::time::{DURATION_MAX_SECONDS, Period, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(1_795_169_730_123);
const DAY: Period = Period::Seconds(86_400);

fn new(period: Period, nano: i64) -> NewBudgetLimit {
    NewBudgetLimit { period, anchor: None, limit_nano_usd: NanoUsd::new(nano) }
}

fn limit(period: Period, anchor: Timestamp, nano: i64) -> BudgetLimit {
    BudgetLimit { period, anchor, limit_nano_usd: NanoUsd::new(nano) }
}

fn set(scope: &str, limits: impl IntoIterator<Item = NewBudgetLimit>) -> SetBudget {
    SetBudget { scope: id(scope), limits: limits.into_iter().collect(), reclaim_after_seconds: None }
}

fn was_set(scope: &str, limits: impl IntoIterator<Item = BudgetLimit>) -> Event {
    Event::Set(Set { scope: id(scope), limits: limits.into_iter().collect(), reclaim_after_seconds: None })
}

fn of_key(number: u128) -> String {
    Scope::Key(key_id(number)).to_string()
}

fn budget<'a>(control: &'a crate::control::Control, scope: &str) -> &'a Budget {
    control.budget(&id(scope)).unwrap()
}

#[test]
fn each_kind_of_scope_has_a_budget_under_its_own_realm() {
    let world = || World::small().with_realm("acme", None);
    let key = of_key(1);
    for (scope, realm, cause) in [
        ("gateway", None, vec![]),
        ("realm:acme", Some(id("acme")), vec![Position::new(7)]),
        (key.as_str(), Some(id("default")), vec![Position::new(6)]),
    ] {
        given(world())
            .when(set(scope, [new(DAY, 5)]))
            .then([was_set(scope, [limit(DAY, NOW, 5)])])
            .then_planned(|planned| {
                assert_eq!(planned[0].recorded.stream, StreamId::of(crate::stream::StreamKind::Budget, scope));
                assert_eq!((&planned[0].recorded.realm, &planned[0].cause), (&realm, &cause));
            })
            .then_state(|control| {
                let budget = budget(control, scope);
                assert_eq!((&budget.scope, &budget.realm), (&id(scope), &realm));
                assert_eq!((budget.set, budget.trail.version), (Position::new(9), 1));
                assert_eq!(budget.limits, [limit(DAY, NOW, 5)]);
                let by_key = scope.starts_with("key:");
                assert_eq!((control.key_budgets.len(), control.budgets.len()), (by_key.into(), (!by_key).into()));
            });
    }
}

#[test]
fn a_budget_is_set_in_place_of_the_one_before() {
    given(World::small())
        .when(set("gateway", [new(Period::Months(1), 100), new(DAY, 5)]))
        .then([was_set("gateway", [limit(DAY, NOW, 5), limit(Period::Months(1), NOW, 100)])])
        .when(set("gateway", [new(DAY, 6)]))
        .then([was_set("gateway", [limit(DAY, NOW, 6)])])
        .then_state(|control| {
            let budget = budget(control, "gateway");
            assert_eq!((budget.trail.version, budget.set), (2, budget.trail.changed.position));
            assert_eq!(budget.limits, [limit(DAY, NOW, 6)]);
        })
        .when(set("gateway", []))
        .then([was_set("gateway", [])])
        .then_state(|control| {
            let budget = budget(control, "gateway");
            assert_eq!((budget.limits.as_slice(), budget.trail.version), (&[][..], 3), "the row stays");
        });
}

#[test]
fn a_window_is_counted_from_what_is_said_else_from_where_it_was_else_from_now() {
    let (before, said) = (id::<Timestamp>("2026-01-01T00:00:00Z"), id::<Timestamp>("2026-06-01T00:00:00Z"));
    let mut world = World::small().with(set("gateway", [NewBudgetLimit { anchor: Some(before), ..new(DAY, 5) }]));
    world.now = id("2026-12-01T00:00:00Z");
    let now = world.now;
    given(world.clone())
        .when(set("gateway", [new(DAY, 6), new(Period::Total, 7)]))
        .then([was_set("gateway", [limit(Period::Total, now, 7), limit(DAY, before, 6)])]);
    given(world.clone())
        .when(set("gateway", [NewBudgetLimit { anchor: Some(said), ..new(DAY, 5) }]))
        .then([was_set("gateway", [limit(DAY, said, 5)])]);
    // Another period is another limit, and a limit that was gone starts anew.
    given(world.clone())
        .when(set("gateway", [new(Period::Seconds(86_401), 5)]))
        .then([was_set("gateway", [limit(Period::Seconds(86_401), now, 5)])]);
    given(world)
        .and(set("gateway", []))
        .when(set("gateway", [new(DAY, 5)]))
        .then([was_set("gateway", [limit(DAY, now, 5)])]);
}

#[test]
fn a_budget_that_changes_nothing_is_refused_in_whatever_order_it_is_said() {
    let no_change = || Rejection::NoChange(Scope::Gateway);
    given(World::small()).when(set("gateway", [])).then_rejected(no_change());
    let two = || World::small().with(set("gateway", [new(DAY, 5), new(Period::Total, 9)]));
    given(two()).when(set("gateway", [new(DAY, 5), new(Period::Total, 9)])).then_rejected(no_change());
    given(two()).when(set("gateway", [new(Period::Total, 9), new(DAY, 5)])).then_rejected(no_change());
}

#[test]
fn a_scope_that_is_not_there_has_no_budget() {
    for scope in ["realm:gone".to_owned(), of_key(9)] {
        given(World::small()).when(set(&scope, [new(DAY, 5)])).then_rejected(Rejection::UnknownScope(id(&scope)));
    }
    given(World::small())
        .and(RevokeKey { key: key_id(1) })
        .when(set(&of_key(1), [new(DAY, 5)]))
        .then_rejected(Rejection::UnknownScope(id(&of_key(1))));
}

#[test]
fn a_limit_is_zero_or_more() {
    given(World::small()).when(set("gateway", [new(DAY, -1)])).then_rejected(Rejection::Negative(NanoUsd::new(-1)));
    given(World::small()).when(set("gateway", [new(DAY, 0)])).then([was_set("gateway", [limit(DAY, NOW, 0)])]);
    assert!(World::small().try_carry_out(set("gateway", [new(DAY, i64::MAX)])).is_ok());
}

#[test]
fn a_budget_has_one_limit_for_each_period_and_eight_at_most() {
    let mut other_anchor = new(DAY, 6);
    other_anchor.anchor = Some(Timestamp::from_millis(0));
    given(World::small()).when(set("gateway", [new(DAY, 5), other_anchor])).then_rejected(Rejection::PeriodTwice);
    let many = |count: usize| set("gateway", (1..=count as u64).map(|seconds| new(Period::Seconds(seconds), 5)));
    given(World::small()).when(many(LIMITS_MAX + 1)).then_rejected(Rejection::TooMany);
    assert!(World::small().try_carry_out(many(LIMITS_MAX)).is_ok());
}

#[test]
fn a_period_is_a_second_at_least_and_a_century_at_most() {
    for period in [
        Period::Seconds(0),
        Period::Seconds(DURATION_MAX_SECONDS + 1),
        Period::Seconds(u64::MAX),
        Period::Months(0),
        Period::Months(1_201),
        Period::Months(u32::MAX),
    ] {
        given(World::small()).when(set("gateway", [new(period, 5)])).then_rejected(Rejection::Period);
    }
    for period in [Period::Seconds(1), Period::Seconds(DURATION_MAX_SECONDS), Period::Months(1), Period::Months(1_200)]
    {
        assert!(World::small().try_carry_out(set("gateway", [new(period, 5)])).is_ok(), "{period:?}");
    }
}

#[test]
fn windows_are_counted_only_from_where_they_can_be_computed() {
    let last: Timestamp = id("9999-12-30T00:00:00Z");
    for period in [Period::Months(1), Period::Seconds(DURATION_MAX_SECONDS)] {
        let limit = NewBudgetLimit { anchor: Some(last), ..new(period, 5) };
        given(World::small()).when(set("gateway", [limit])).then_rejected(Rejection::Anchor(last));
    }
    let total = NewBudgetLimit { anchor: Some(last), ..new(Period::Total, 5) };
    assert!(World::small().try_carry_out(set("gateway", [total])).is_ok());
}

#[test]
fn a_budget_becomes_soft_and_strict_again() {
    let limits = || [new(Period::Total, 5)];
    let soft = |seconds| SetBudget { reclaim_after_seconds: Some(seconds), ..set("gateway", limits()) };
    let mut world = World::small();
    world.carry_out(soft(60));
    assert_eq!(world.control.budget(&Scope::Gateway).unwrap().reclaim_after_seconds, Some(60));
    world.carry_out(set("gateway", limits()));
    assert_eq!(world.control.budget(&Scope::Gateway).unwrap().reclaim_after_seconds, None);
    for seconds in [0, super::GRACE_MAX_SECONDS + 1] {
        assert_eq!(world.try_carry_out(soft(seconds)).unwrap_err().code(), "budget_grace_invalid");
    }
}

fn terms(scope: &str) -> ReviseBudget {
    let raise = Raise { by_nano_usd: NanoUsd::new(7), until: Timestamp::from_millis(NOW.millis() + 1_000) };
    ReviseBudget {
        raise: Patch::Set(raise),
        told_at_nano_usd: Patch::Set(NanoUsd::new(3)),
        downgrade_to: Patch::Set(id("small")),
        ..ReviseBudget::nothing(id(scope))
    }
}

#[test]
fn terms_stay_with_other_limits_and_go_with_the_last_of_them() {
    let mut world = World::small().with(set("gateway", [new(DAY, 5)])).with(terms("gateway"));
    world.carry_out(set("gateway", [new(DAY, 6)]));
    world.now = Timestamp::from_millis(world.now.millis() + 1);
    world.carry_out(crate::budget::ResetBudget { scope: Scope::Gateway });
    let of = |world: &World| world.control.budget(&Scope::Gateway).unwrap().terms.clone();
    assert_eq!(of(&world).downgrade_to, Some(id("small")));
    let nothing_new = world.try_carry_out(terms("gateway")).map(drop).unwrap_err();
    assert!(nothing_new.is_no_change());
    world.carry_out(set("gateway", []));
    assert_eq!(of(&world), Terms::default());
    given(world).when(terms("gateway")).then_rejected(Rejection::None(Scope::Gateway));
}

#[test]
fn a_raise_holds_until_its_moment_and_not_in_it() {
    let world = World::small().with(set("gateway", [new(DAY, 5), new(Period::Total, 50)])).with(terms("gateway"));
    let budget = budget(&world.control, "gateway");
    let at = |millis: i64| {
        let now = Timestamp::from_millis(NOW.millis() + millis);
        budget.limits.iter().map(|limit| budget.limit_at(limit, limit.anchor, now).nano()).sum::<i64>()
    };
    assert_eq!((at(0), at(999), at(1_000)), (55 + 14, 55 + 14, 55));
    for (revise, rejection) in [
        (
            ReviseBudget {
                raise: Patch::Set(Raise { by_nano_usd: NanoUsd::new(1), until: world.now }),
                ..terms("gateway")
            },
            Rejection::RaiseOver(world.now),
        ),
        (
            ReviseBudget { told_at_nano_usd: Patch::Set(NanoUsd::new(-1)), ..terms("gateway") },
            Rejection::Negative(NanoUsd::new(-1)),
        ),
    ] {
        given(world.clone()).when(revise).then_rejected(rejection);
    }
}
