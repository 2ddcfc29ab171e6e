use super::{CARRIED_MAX, CarrySpend, SpendCarried};
use crate::budget::{BudgetLimit, Event, NewBudgetLimit, Raise, Rejection, ResetBudget, ReviseBudget, SetBudget};
use crate::money::NanoUsd;
use crate::patch::Patch;
use crate::scope::Scope;
use crate::testing::given::given;
use crate::testing::world::World;
use crate::time::{Period, Timestamp};

const DAY: Period = Period::Seconds(86_400);

fn set(limits: &[(Period, i64)], anchor: Option<Timestamp>) -> SetBudget {
    let limit = |(period, nano): &(Period, i64)| NewBudgetLimit {
        period: *period,
        anchor,
        limit_nano_usd: NanoUsd::new(*nano),
    };
    SetBudget { scope: Scope::Gateway, limits: limits.iter().map(limit).collect(), reclaim_after_seconds: None }
}

fn world() -> World {
    World::small().with(set(&[(DAY, 100), (Period::Total, 1_000)], None))
}

fn carry(world: &World, period: Period, source: &str, nano: i64) -> CarrySpend {
    let limits = world.control.budget(&Scope::Gateway).map_or(&[][..], |budget| &budget.limits);
    let window =
        limits.iter().find(|limit| limit.period == period).map(|limit| period.window_at(limit.anchor, world.now));
    let ends_at = window.and_then(|window| window.unwrap().end);
    let (source, spent_nano_usd) = (source.to_owned(), NanoUsd::new(nano));
    CarrySpend { scope: Scope::Gateway, period, ends_at, source, spent_nano_usd }
}

fn later(mut world: World, seconds: u64) -> World {
    world.now = world.now.plus_seconds(seconds).unwrap();
    world
}

/// What is left of both limits in the windows that are open now.
fn left(world: &World) -> Vec<i64> {
    let budget = world.control.budget(&Scope::Gateway).unwrap();
    let of = |limit: &BudgetLimit| {
        let window = limit.period.window_at(limit.anchor, world.now).unwrap().start;
        budget.limit_at(limit, window, world.now).nano()
    };
    budget.limits.iter().map(of).collect()
}

#[test]
fn what_was_spent_elsewhere_counts_in_its_window_and_in_no_other() {
    let world = world();
    let (window, scope) = (world.now, Scope::Gateway);
    let carried =
        SpendCarried { scope, period: DAY, window, source: "east".to_owned(), spent_nano_usd: NanoUsd::new(30) };
    given(world.clone()).when(carry(&world, DAY, "east", 30)).then([Event::SpendCarried(carried)]);
    let world = world.clone().with(carry(&world, DAY, "east", 30)).with(carry(&world, Period::Total, "east", 400));
    assert_eq!(left(&world), [600, 70]);
    assert_eq!(left(&later(world, 86_400)), [600, 100]);
}

#[test]
fn a_source_says_what_it_spent_in_all_so_that_saying_it_again_counts_once_and_it_is_never_lowered() {
    let world = world();
    let world = world.clone().with(carry(&world, DAY, "east", 30)).with(carry(&world, DAY, "west", 5));
    given(world.clone()).when(carry(&world, DAY, "east", 30)).then_rejected(Rejection::NoChange(Scope::Gateway));
    let lower = Rejection::CarriedLower { scope: Scope::Gateway, carried: NanoUsd::new(30), said: NanoUsd::new(29) };
    given(world.clone()).when(carry(&world, DAY, "east", 29)).then_rejected(lower);
    assert_eq!(left(&world.clone().with(carry(&world, DAY, "east", 40))), [1_000, 55]);
}

#[test]
fn it_counts_on_through_other_limits_and_raises_and_is_forgotten_by_a_reset() {
    let world = world();
    let raise = Raise { by_nano_usd: NanoUsd::new(7), until: world.now.plus_seconds(60).unwrap() };
    let raised = ReviseBudget { raise: Patch::Set(raise), ..ReviseBudget::nothing(Scope::Gateway) };
    let world = world
        .clone()
        .with(carry(&world, DAY, "east", 30))
        .with(carry(&world, Period::Total, "east", 400))
        .with(set(&[(DAY, 20), (Period::Total, 500)], None))
        .with(raised);
    assert_eq!(left(&world), [107, 0], "it is never less than nothing");
    let world = later(world, 1);
    let anew = world.clone().with(ResetBudget { scope: Scope::Gateway });
    assert_eq!(left(&anew), [507, 27]);
    let again = carry(&anew, Period::Total, "east", 400);
    given(anew.clone()).when(again).then_rejected(Rejection::NoChange(Scope::Gateway));
    let more = anew.clone().with(carry(&anew, Period::Total, "east", 450));
    assert_eq!(left(&more), [457, 27], "what came since the reset");
    let moved = world.clone().with(set(&[(DAY, 20), (Period::Total, 500)], Some(world.now)));
    assert_eq!(left(&moved), [507, 27], "windows that begin later are others");
    let earlier = Timestamp::from_millis(world.now.millis() - 5_000);
    let total = world.clone().with(set(&[(Period::Total, 500)], Some(earlier)));
    assert_eq!(left(&total), [107], "a window without end that began earlier still holds it");
}

#[test]
fn what_is_no_spending_of_an_open_window_is_refused() {
    let world = later(world(), 86_400);
    let of = |change: fn(&mut CarrySpend)| {
        let mut command = carry(&world, DAY, "east", 1);
        change(&mut command);
        command
    };
    let (yesterday, open) = (Some(world.now), carry(&world, DAY, "east", 1).ends_at);
    for (command, rejection) in [
        (
            CarrySpend { ends_at: yesterday, ..carry(&world, DAY, "east", 1) },
            Rejection::OtherWindow { said: yesterday, open },
        ),
        (CarrySpend { ends_at: None, ..carry(&world, DAY, "east", 1) }, Rejection::OtherWindow { said: None, open }),
        (of(|command| command.period = Period::Months(1)), Rejection::None(Scope::Gateway)),
        (of(|command| command.spent_nano_usd = NanoUsd::new(-1)), Rejection::Negative(NanoUsd::new(-1))),
        (of(|command| command.spent_nano_usd = NanoUsd::ZERO), Rejection::NoChange(Scope::Gateway)),
        (of(|command| command.source = String::new()), Rejection::Source),
        (of(|command| command.source = "x".repeat(257)), Rejection::Source),
    ] {
        given(world.clone()).when(command).then_rejected(rejection);
    }
    let unbudgeted = World::small();
    given(unbudgeted.clone()).when(carry(&unbudgeted, DAY, "east", 1)).then_rejected(Rejection::None(Scope::Gateway));
}

#[test]
fn a_budget_has_so_many_sources_and_those_of_windows_that_are_over_make_room() {
    let source = |number: usize| number.to_string();
    let full = (0..CARRIED_MAX).fold(world(), |world, number| {
        let command = carry(&world, DAY, &source(number), 1);
        world.with(command)
    });
    given(full.clone()).when(carry(&full, DAY, "more", 1)).then_rejected(Rejection::TooManyCarried);
    assert_eq!(left(&full.clone().with(carry(&full, DAY, "0", 3))), [1_000, 100 - 18], "who is known may say more");
    let next = later(full, 86_400);
    let next = next.clone().with(carry(&next, DAY, "more", 1));
    assert_eq!(next.control.budget(&Scope::Gateway).unwrap().carried.len(), 1);
}
