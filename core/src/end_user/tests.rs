use super::{
    BlockEndUser, Blocked, EndUserRef, Event, RegisterEndUser, Registered, Rejection, RemoveEndUser, Removed,
    ReviseEndUser, Revised, UnblockEndUser, Unblocked,
};
use crate::budget::{NewBudgetLimit, SetBudget};
use crate::command::Command;
use crate::limits::{Limits, LimitsPatch};
use crate::money::NanoUsd;
use crate::patch::Patch;
use crate::realm;
use crate::scope::Scope;
use crate::stream::StreamId;
use crate::testing::given::given;
use crate::testing::samples::id;
use crate::testing::world::World;
use crate::time::Period;

fn register(realm: Option<&str>) -> RegisterEndUser {
    RegisterEndUser { end_user: id("7"), realm: realm.map(id), alias: None, limits: Limits::default() }
}

fn whom(realm: Option<&str>) -> EndUserRef {
    EndUserRef { realm: realm.map(id), id: id("7") }
}

fn block(realm: Option<&str>) -> BlockEndUser {
    BlockEndUser { end_user: id("7"), realm: realm.map(id) }
}

fn remove(realm: Option<&str>) -> RemoveEndUser {
    RemoveEndUser { end_user: id("7"), realm: realm.map(id) }
}

fn budget(scope: Scope) -> SetBudget {
    let limit = NewBudgetLimit { period: Period::Total, anchor: None, limit_nano_usd: NanoUsd::new(5) };
    SetBudget { scope, limits: vec![limit], reclaim_after_seconds: None }
}

fn world() -> World {
    World::new().with_realm("acme", None)
}

#[test]
fn an_end_user_is_registered_once_in_each_realm_and_once_for_the_gateway() {
    for realm in [Some("acme"), None] {
        given(world())
            .and(register(Some("default")))
            .when(register(realm))
            .then([Event::Registered(Registered::from(&register(realm)))])
            .then_planned(|planned| {
                assert_eq!(planned[0].recorded.realm, realm.map(id));
                assert_eq!(planned[0].recorded.stream, StreamId::end_user(&whom(realm)));
            })
            .when(register(realm))
            .then_rejected(Rejection::AlreadyRegistered(whom(realm)));
    }
    let unknown = realm::Rejection::NotRegistered(id("gone"));
    given(world()).when(register(Some("gone"))).then_rejected(Rejection::Realm(unknown));
    for alias in [String::new(), "x".repeat(257)] {
        let alias = Some(alias);
        given(world()).when(RegisterEndUser { alias, ..register(None) }).then_rejected(Rejection::Alias);
    }
}

#[test]
fn an_end_user_changes_in_what_is_sent_alone() {
    let limits = LimitsPatch { requests_per_minute: Patch::Set(6), ..LimitsPatch::default() };
    let revise = ReviseEndUser { alias: Patch::Set("Seven".to_owned()), limits, ..ReviseEndUser::nothing(whom(None)) };
    let revised = Revised {
        end_user: id("7"),
        realm: None,
        alias: Patch::Set("Seven".to_owned()),
        limits: LimitsPatch { requests_per_minute: Patch::Set(6), ..LimitsPatch::default() },
    };
    given(world())
        .and(register(None))
        .when(revise.clone())
        .then([Event::Revised(revised)])
        .then_state(|control| {
            let row = control.end_user(&whom(None)).unwrap();
            assert_eq!((row.alias.as_deref(), row.limits.requests_per_minute), (Some("Seven"), Some(6)));
            assert_eq!(row.trail.version, 2);
        })
        .when(revise.clone())
        .then_rejected(Rejection::NoChange(whom(None)));
    given(world()).when(revise).then_rejected(Rejection::NotRegistered(whom(None)));
}

#[test]
fn an_end_user_is_blocked_and_unblocked_once_each() {
    let unblock = || UnblockEndUser { end_user: id("7"), realm: None };
    given(world()).and(register(None)).when(unblock()).then_rejected(Rejection::NotBlocked(whom(None)));
    given(world())
        .and(register(None))
        .when(block(None))
        .then([Event::Blocked(Blocked { end_user: id("7"), realm: None })])
        .when(unblock())
        .then([Event::Unblocked(Unblocked { end_user: id("7"), realm: None })]);
    given(world())
        .and(register(None))
        .and(block(None))
        .when(block(None))
        .then_rejected(Rejection::AlreadyBlocked(whom(None)));
    let commands: [Command; 3] = [block(None).into(), unblock().into(), remove(None).into()];
    for command in commands {
        given(world()).and(register(Some("acme"))).when(command).then_rejected(Rejection::NotRegistered(whom(None)));
    }
}

#[test]
fn who_is_removed_loses_their_budget_and_may_come_back_without_one() {
    let scope = || Scope::EndUser(whom(Some("acme")));
    let mut world = world().with(register(Some("acme"))).with(budget(scope())).with(block(Some("acme")));
    assert_eq!(world.control.budget(&scope()).unwrap().realm, Some(id("acme")), "accounted where they are registered");
    let events = world.carry_out(remove(Some("acme")));
    assert_eq!(events.len(), 2, "the budget goes in the same step");
    let removed = Removed { end_user: id("7"), realm: Some(id("acme")) };
    assert_eq!(events[1].event, crate::event::Event::EndUser(Event::Removed(removed)));
    assert!(world.control.budget(&scope()).unwrap().limits.is_empty());
    let code = world.try_carry_out(budget(scope())).map(drop).unwrap_err().code();
    assert_eq!(code, "budget_scope_unknown");
    world.carry_out(register(Some("acme")));
    let row = world.control.end_user(&whom(Some("acme"))).unwrap();
    assert_eq!((row.blocked, row.trail.version), (None, 4), "its stream goes on");
    assert!(world.control.budget(&scope()).unwrap().limits.is_empty());
}

#[test]
fn an_end_user_selects_nothing() {
    let scope = Scope::EndUser(whom(None));
    let mut world = World::small().with(register(None));
    let select = crate::selection::SelectModel { scope, slot: id("fast"), model: id("gpt") };
    assert_eq!(world.try_carry_out(select).map(drop).unwrap_err().code(), "selection_scope_unknown");
}
