use super::{Event, RegisterTag, Registered, Rejection, RemoveTag, Removed, ReviseTag, Revised, TagRef};
use crate::budget::{NewBudgetLimit, SetBudget};
use crate::limits::{Limits, LimitsPatch};
use crate::model_pattern::Allowed;
use crate::money::NanoUsd;
use crate::patch::Patch;
use crate::realm;
use crate::scope::Scope;
use crate::stream::StreamId;
use crate::testing::given::given;
use crate::testing::samples::id;
use crate::testing::world::World;
use crate::time::Period;

fn register(realm: Option<&str>) -> RegisterTag {
    let limits = Limits::default();
    RegisterTag { tag: id("prod"), realm: realm.map(id), description: None, models: Allowed::All, limits }
}

fn which(realm: Option<&str>) -> TagRef {
    TagRef { realm: realm.map(id), name: id("prod") }
}

fn budget(scope: Scope) -> SetBudget {
    let limit = NewBudgetLimit { period: Period::Total, anchor: None, limit_nano_usd: NanoUsd::new(5) };
    SetBudget { scope, limits: vec![limit], reclaim_after_seconds: None }
}

fn world() -> World {
    World::new().with_realm("acme", None)
}

#[test]
fn a_tag_is_registered_once_in_each_realm_and_once_for_the_gateway() {
    for realm in [Some("acme"), None] {
        given(world())
            .and(register(Some("default")))
            .when(register(realm))
            .then([Event::Registered(Registered::from(&register(realm)))])
            .then_planned(|planned| {
                assert_eq!(planned[0].recorded.realm, realm.map(id));
                assert_eq!(planned[0].recorded.stream, StreamId::tag(&which(realm)));
            })
            .when(register(realm))
            .then_rejected(Rejection::AlreadyRegistered(which(realm)));
    }
    let unknown = realm::Rejection::NotRegistered(id("gone"));
    given(world()).when(register(Some("gone"))).then_rejected(Rejection::Realm(unknown));
    for text in [String::new(), "x".repeat(1_025)] {
        given(world())
            .when(RegisterTag { description: Some(text), ..register(None) })
            .then_rejected(Rejection::Field { field: "description", expected: "1 to 1,024 characters" });
    }
}

#[test]
fn a_tag_changes_in_what_is_sent_alone() {
    let only = Allowed::Only([id("gpt")].into_iter().map(crate::model_pattern::ModelPattern::exactly).collect());
    let limits = LimitsPatch { requests_per_minute: Patch::Set(6), ..LimitsPatch::default() };
    let revise = ReviseTag { models: Patch::Set(only.clone()), limits, ..ReviseTag::nothing(which(None)) };
    let revised = Revised {
        tag: id("prod"),
        realm: None,
        description: Patch::Keep,
        models: Patch::Set(only.clone()),
        limits: LimitsPatch { requests_per_minute: Patch::Set(6), ..LimitsPatch::default() },
    };
    given(world())
        .and(register(None))
        .when(revise.clone())
        .then([Event::Revised(revised)])
        .then_state(|control| {
            let row = control.tag(&which(None)).unwrap();
            assert_eq!((&row.models, row.limits.requests_per_minute, row.trail.version), (&only, Some(6), 2));
        })
        .when(revise.clone())
        .then_rejected(Rejection::NoChange(which(None)));
    given(world()).when(revise).then_rejected(Rejection::NotRegistered(which(None)));
}

#[test]
fn what_is_removed_loses_its_budget_and_may_come_back_without_one() {
    let scope = || Scope::Tag(which(Some("acme")));
    let remove = || RemoveTag { tag: id("prod"), realm: Some(id("acme")) };
    let mut world = world().with(register(Some("acme"))).with(budget(scope()));
    assert_eq!(world.control.budget(&scope()).unwrap().realm, Some(id("acme")), "accounted where it is registered");
    let events = world.carry_out(remove());
    assert_eq!(events.len(), 2, "the budget goes in the same step");
    let removed = Removed { tag: id("prod"), realm: Some(id("acme")) };
    assert_eq!(events[1].event, crate::event::Event::Tag(Event::Removed(removed)));
    assert!(world.control.budget(&scope()).unwrap().limits.is_empty());
    let code = world.try_carry_out(budget(scope())).map(drop).unwrap_err().code();
    assert_eq!(code, "budget_scope_unknown");
    world.carry_out(register(Some("acme")));
    let row = world.control.tag(&which(Some("acme"))).unwrap();
    assert_eq!(row.trail.version, 3, "its stream goes on");
    assert!(world.control.budget(&scope()).unwrap().limits.is_empty());
    given(World::new()).when(remove()).then_rejected(Rejection::NotRegistered(which(Some("acme"))));
}

#[test]
fn a_tag_selects_nothing() {
    let mut world = World::small().with(register(None));
    let select = crate::selection::SelectModel { scope: Scope::Tag(which(None)), slot: id("fast"), model: id("gpt") };
    assert_eq!(world.try_carry_out(select).map(drop).unwrap_err().code(), "selection_scope_unknown");
}
