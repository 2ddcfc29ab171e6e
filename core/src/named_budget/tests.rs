use super::{
    Event, RegisterNamedBudget, Registered, Rejection, RemoveNamedBudget, Removed, ReviseNamedBudget, Revised,
};
use crate::admission::{self, Payers, Rule};
use crate::budget::{self, AttachBudget, BudgetLimit, NewBudgetLimit, ResetBudget, ReviseBudget, SetBudget};
use crate::key::RevokeKey;
use crate::limits::{Limits, LimitsPatch};
use crate::money::NanoUsd;
use crate::patch::Patch;
use crate::scope::Scope;
use crate::stream::{Position, StreamId};
use crate::testing::given::given;
use crate::testing::samples::{id, issue_key, key_id};
use crate::testing::world::World;
use crate::time::{Period, Timestamp};

const DAY: Period = Period::Seconds(86_400);

fn new(period: Period, nano: i64) -> NewBudgetLimit {
    NewBudgetLimit { period, anchor: None, limit_nano_usd: NanoUsd::new(nano) }
}

fn register(nano: i64) -> RegisterNamedBudget {
    let rates = Limits { requests_per_minute: Some(6), ..Limits::default() };
    RegisterNamedBudget { budget: id("free"), limits: vec![new(DAY, nano)], rates, told_at_nano_usd: None }
}

fn revise(limits: impl IntoIterator<Item = NewBudgetLimit>) -> ReviseNamedBudget {
    let limits = Some(limits.into_iter().collect());
    ReviseNamedBudget { budget: id("free"), limits, rates: LimitsPatch::default(), told_at_nano_usd: Patch::Keep }
}

fn attach(scope: Scope) -> AttachBudget {
    AttachBudget { scope, budget: id("free") }
}

fn of_key(number: u128) -> Scope {
    Scope::Key(key_id(number))
}

/// The limits of a scope, in one order.
fn limits(world: &World, scope: &Scope) -> Vec<i64> {
    let budget = world.control.budget(scope).unwrap();
    let mut limits: Vec<i64> = budget.limits.iter().map(|limit| limit.limit_nano_usd.nano()).collect();
    limits.sort_unstable();
    limits
}

/// The key of number 1 and the realm `default` have it.
fn held() -> World {
    World::small().with(register(5)).with(attach(of_key(1))).with(attach(Scope::Realm(id("default"))))
}

#[test]
fn a_named_budget_is_registered_once_and_its_limits_are_looked_at_as_any_others() {
    let limit = BudgetLimit { period: DAY, anchor: World::small().now, limit_nano_usd: NanoUsd::new(5) };
    let rates = register(5).rates;
    given(World::small())
        .when(register(5))
        .then([Event::Registered(Registered {
            budget: id("free"),
            limits: vec![limit],
            rates,
            told_at_nano_usd: None,
        })])
        .then_planned(|planned| {
            assert_eq!(planned[0].recorded.realm, None);
            assert_eq!(planned[0].recorded.stream, StreamId::named_budget(&id("free")));
        })
        .when(register(6))
        .then_rejected(Rejection::AlreadyRegistered(id("free")));
    let wrong = RegisterNamedBudget { limits: vec![new(DAY, -1)], ..register(0) };
    let negative = budget::Rejection::Negative(NanoUsd::new(-1));
    given(World::small()).when(wrong).then_rejected(Rejection::Limits(negative));
    given(World::small()).when(revise([])).then_rejected(Rejection::NotRegistered(id("free")));
    let code = World::small().try_carry_out(attach(of_key(1))).map(drop).unwrap_err().code();
    assert_eq!(code, "budget_name_unknown");
}

#[test]
fn a_change_of_a_named_budget_is_one_of_all_its_holders_and_of_nobody_else() {
    let own = SetBudget { scope: of_key(2), limits: vec![new(DAY, 7)], reclaim_after_seconds: None };
    let mut world = held().with(issue_key(2)).with(own);
    assert_eq!(limits(&world, &of_key(1)), [5]);
    let before = world.control.budget(&of_key(1)).unwrap().clone();
    assert_eq!((before.rates.requests_per_minute, before.trail.version), (Some(6), 1));
    let events = world.carry_out(revise([new(DAY, 9), new(Period::Total, 90)]));
    assert_eq!(events.len(), 1, "one event, however many holders");
    for scope in [of_key(1), Scope::Realm(id("default"))] {
        assert_eq!(limits(&world, &scope), [9, 90], "{scope}");
    }
    let after = world.control.budget(&of_key(1)).unwrap();
    assert_eq!((after.set, after.trail.version), (events[0].position, 1), "the stream of the holder has no event more");
    assert_eq!(limits(&world, &of_key(2)), [7]);
    let rates = LimitsPatch { requests_per_minute: Patch::Clear, ..LimitsPatch::default() };
    let told_at_nano_usd = Patch::Keep;
    let revised = Revised { budget: id("free"), limits: None, rates: rates.clone(), told_at_nano_usd };
    let revise = ReviseNamedBudget { budget: id("free"), limits: None, rates, told_at_nano_usd: Patch::Keep };
    given(world.clone()).when(revise.clone()).then([Event::Revised(revised)]);
    world.carry_out(revise.clone());
    assert_eq!(world.control.budget(&of_key(1)).unwrap().rates, Limits::default());
    given(world).when(revise).then_rejected(Rejection::NoChange(id("free")));
}

/// The named budget with another soft limit.
fn soft(told_at: Patch<i64>) -> ReviseNamedBudget {
    let told_at_nano_usd = told_at.try_map(|nano| Ok::<_, ()>(NanoUsd::new(nano))).unwrap();
    ReviseNamedBudget { limits: None, told_at_nano_usd, ..revise([]) }
}

#[test]
fn a_soft_limit_is_that_of_all_holders_but_those_who_have_one_of_their_own() {
    let realm = || Scope::Realm(id("default"));
    let told = |world: &World, scope| world.control.budget(&scope).unwrap().soft_limit().map(NanoUsd::nano);
    let mut world = held();
    assert_eq!(told(&world, realm()), None);
    world.carry_out(soft(Patch::Set(3)));
    assert_eq!((told(&world, realm()), told(&world, of_key(1))), (Some(3), Some(3)));
    given(world.clone()).when(soft(Patch::Set(3))).then_rejected(Rejection::NoChange(id("free")));
    let own = ReviseBudget { told_at_nano_usd: Patch::Set(NanoUsd::new(1)), ..ReviseBudget::nothing(of_key(1)) };
    world.carry_out(own);
    world.carry_out(soft(Patch::Set(4)));
    assert_eq!((told(&world, realm()), told(&world, of_key(1))), (Some(4), Some(1)));
    world.carry_out(ReviseBudget { told_at_nano_usd: Patch::Clear, ..ReviseBudget::nothing(of_key(1)) });
    assert_eq!(told(&world, of_key(1)), Some(4), "without one of its own it has the named budget's again");
    world.carry_out(issue_key(2));
    world.carry_out(attach(of_key(2)));
    assert_eq!(told(&world, of_key(2)), Some(4), "who comes later has it too");
    world.carry_out(SetBudget { scope: of_key(1), limits: vec![new(DAY, 5)], reclaim_after_seconds: None });
    assert_eq!(told(&world, of_key(1)), None, "who holds the named budget no more has it no more");
    world.carry_out(soft(Patch::Clear));
    assert_eq!(told(&world, realm()), None);
}

#[test]
fn a_soft_limit_needs_a_limit_and_goes_with_the_last() {
    let negative = || Rejection::Limits(budget::Rejection::Negative(NanoUsd::new(-1)));
    given(held()).when(soft(Patch::Set(-1))).then_rejected(negative());
    let alone = RegisterNamedBudget { limits: Vec::new(), told_at_nano_usd: Some(NanoUsd::new(3)), ..register(0) };
    given(World::small()).when(alone).then_rejected(Rejection::NoLimit(id("free")));
    let mut world = held();
    world.carry_out(soft(Patch::Set(3)));
    let revised = Revised {
        budget: id("free"),
        limits: Some(Vec::new()),
        rates: LimitsPatch::default(),
        told_at_nano_usd: Patch::Clear,
    };
    given(world.clone()).when(revise([])).then([Event::Revised(revised)]);
    world.carry_out(revise([]));
    given(world.clone()).when(soft(Patch::Set(3))).then_rejected(Rejection::NoLimit(id("free")));
    let both = ReviseNamedBudget { limits: Some(vec![new(DAY, 5)]), ..soft(Patch::Set(3)) };
    world.carry_out(both);
    assert_eq!(world.control.named_budget(&id("free")).unwrap().told_at_nano_usd, Some(NanoUsd::new(3)));
}

#[test]
fn who_gets_limits_of_their_own_holds_it_no_more() {
    let own = SetBudget { scope: of_key(1), limits: vec![new(DAY, 5)], reclaim_after_seconds: None };
    let mut world = held().with(own);
    assert_eq!(world.control.budget(&of_key(1)).unwrap().named, None);
    world.carry_out(revise([new(DAY, 9)]));
    assert_eq!(limits(&world, &of_key(1)), [5]);
    assert_eq!(world.control.holders(&id("free")).collect::<Vec<_>>(), [&Scope::Realm(id("default"))]);
    let again = world.try_carry_out(attach(Scope::Realm(id("default")))).map(drop).unwrap_err();
    assert!(again.is_no_change());
    world.carry_out(attach(of_key(1)));
    assert_eq!(limits(&world, &of_key(1)), [9]);
}

#[test]
fn a_holder_whose_windows_began_anew_keeps_that_through_later_changes() {
    let mut world = held();
    world.now = Timestamp::from_millis(world.now.millis() + 3_600_000);
    let reset_at = world.now;
    world.carry_out(ResetBudget { scope: of_key(1) });
    assert_eq!(world.control.budget(&of_key(1)).unwrap().named, Some(id("free")));
    world.now = Timestamp::from_millis(world.now.millis() + 1_000);
    world.carry_out(revise([new(DAY, 9)]));
    assert_eq!(world.control.budget(&of_key(1)).unwrap().limits[0].anchor, reset_at);
    let other = &world.control.budget(&Scope::Realm(id("default"))).unwrap().limits[0];
    assert!(other.anchor < reset_at && other.limit_nano_usd == NanoUsd::new(9));
}

#[test]
fn a_named_budget_is_removed_once_nobody_has_it_and_may_come_back() {
    let realm = || Scope::Realm(id("default"));
    let remove = || RemoveNamedBudget { budget: id("free") };
    let in_use = |holder| Rejection::InUse { budget: id("free"), holder };
    given(held()).when(remove()).then_rejected(in_use(realm()));
    let mut world = held().with(SetBudget { scope: realm(), limits: Vec::new(), reclaim_after_seconds: None });
    given(world.clone()).when(remove()).then_rejected(in_use(of_key(1)));
    world.carry_out(RevokeKey { key: key_id(1) });
    given(world.clone()).when(remove()).then([Event::Removed(Removed { budget: id("free") })]);
    world.carry_out(remove());
    let code = world.try_carry_out(attach(realm())).map(drop).unwrap_err().code();
    assert_eq!(code, "budget_name_unknown");
    world.carry_out(register(8));
    assert_eq!(world.control.named_budget(&id("free")).unwrap().trail.version, 3, "its stream goes on");
}

#[test]
fn who_has_a_named_budget_that_cannot_be_read_is_refused() {
    let mut world = held();
    let paying = |world: &World| {
        let (key, of_key, end_users) = (world.key(1), world.control.budget(&of_key(1)), &[][..]);
        let payers = Payers { key, of_key, end_users, tags: &[], model: &id("gpt") };
        admission::budgets(&world.control, &payers).map(Iterator::count).map_err(|refusal| refusal.rule)
    };
    world.control.quarantine(StreamId::named_budget(&id("other")), Position::new(99));
    assert_eq!(paying(&world), Ok(2));
    world.control.quarantine(StreamId::named_budget(&id("free")), Position::new(99));
    assert_eq!(paying(&world), Err(Rule::Quarantined));
}
