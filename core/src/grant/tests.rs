use super::{Event, GrantModel, ModelGranted, Rejection, ReplaceGrants, Replaced, WithdrawGrant, Withdrawn};
use crate::id::RealmId;
use crate::model_pattern::{Allowed, ModelPattern, PATTERNS_MAX};
use crate::realm;
use crate::stream::{Position, StreamId};
use crate::testing::given::given;
use crate::testing::samples::{id, only, register_realm};
use crate::testing::world::World;

fn pattern(text: &str) -> ModelPattern {
    ModelPattern::new(text).unwrap()
}

fn grant(realm: &str, model: &str) -> GrantModel {
    GrantModel { realm: id(realm), model: pattern(model) }
}

fn withdraw(realm: &str, model: &str) -> WithdrawGrant {
    WithdrawGrant { realm: id(realm), model: pattern(model) }
}

fn replace(realm: &str, models: Allowed) -> ReplaceGrants {
    ReplaceGrants { realm: id(realm), models }
}

fn many(count: usize) -> Allowed {
    Allowed::Only((0..count).map(|number| pattern(&format!("model-{number}"))).collect())
}

/// The realm `acme`, registered by the first event and granted nothing.
fn bare() -> World {
    World::empty().with(register_realm("acme"))
}

fn allowed(world: &World) -> &Allowed {
    &world.control.grants.get("acme").unwrap().allowed
}

#[test]
fn grants_add_up() {
    given(bare())
        .when(grant("acme", "gpt"))
        .then([Event::ModelGranted(ModelGranted { realm: id("acme"), model: pattern("gpt") })])
        .then_planned(|planned| {
            assert_eq!(planned[0].recorded.stream, StreamId::grant(&id("acme")));
            assert_eq!(planned[0].recorded.realm, Some(id("acme")));
            assert_eq!(planned[0].cause, [Position::new(1)]);
        })
        .then_state(|control| {
            let grants = control.grants.get("acme").unwrap();
            assert_eq!((&grants.allowed, &grants.realm), (&only(["gpt"]), &id::<RealmId>("acme")));
            assert_eq!((grants.trail.version, grants.trail.created.position), (1, Position::new(2)));
        })
        .when(grant("acme", "acme/*"))
        .then([Event::ModelGranted(ModelGranted { realm: id("acme"), model: pattern("acme/*") })])
        .then_state(|control| {
            let grants = control.grants.get("acme").unwrap();
            assert_eq!((&grants.allowed, grants.trail.version), (&only(["gpt", "acme/*"]), 2));
            assert_eq!(grants.trail.created.position, Position::new(2));
        });
}

#[test]
fn a_model_need_not_be_registered_to_be_granted() {
    assert!(bare().try_carry_out(grant("acme", "not-yet")).is_ok());
}

#[test]
fn what_is_granted_is_not_granted_again() {
    let already = |model| Rejection::AlreadyGranted { realm: id("acme"), model: pattern(model) };
    given(bare()).and(grant("acme", "gpt")).when(grant("acme", "gpt")).then_rejected(already("gpt"));
    given(bare().with(replace("acme", Allowed::All))).when(grant("acme", "gpt")).then_rejected(already("gpt"));
    // A wildcard is a grant of its own, though it covers what is there.
    assert!(bare().with(grant("acme", "gpt")).try_carry_out(grant("acme", "*")).is_ok());
}

#[test]
fn a_grant_is_withdrawn_by_just_its_own_name() {
    given(bare().with(replace("acme", only(["gpt", "acme/*"]))))
        .when(withdraw("acme", "acme/*"))
        .then([Event::Withdrawn(Withdrawn { realm: id("acme"), model: pattern("acme/*") })])
        .then_planned(|planned| assert_eq!(planned[0].cause, [Position::new(2)]))
        .then_state(|control| assert_eq!(control.grants.get("acme").unwrap().allowed, only(["gpt"])));
    let not_granted = |model| Rejection::NotGranted { realm: id("acme"), model: pattern(model) };
    let granted = || given(bare().with(replace("acme", only(["acme/*"]))));
    granted().when(withdraw("acme", "acme/gpt")).then_rejected(not_granted("acme/gpt"));
    granted().when(withdraw("acme", "*")).then_rejected(not_granted("*"));
    given(bare()).when(withdraw("acme", "gpt")).then_rejected(not_granted("gpt"));
    let all = bare().with(replace("acme", Allowed::All));
    given(all).when(withdraw("acme", "*")).then_rejected(not_granted("*"));
}

#[test]
fn the_last_grant_withdrawn_leaves_no_model_at_all() {
    let world = bare().with(grant("acme", "gpt")).with(withdraw("acme", "gpt"));
    assert_eq!(*allowed(&world), Allowed::none());
    assert!(!world.control.realm_may_call(&id("acme"), &id("gpt")));
}

#[test]
fn grants_are_replaced_as_a_whole() {
    given(bare().with(grant("acme", "gpt")))
        .when(replace("acme", Allowed::All))
        .then([Event::Replaced(Replaced { realm: id("acme"), models: Allowed::All })])
        .then_planned(|planned| assert_eq!(planned[0].cause, [Position::new(1)]))
        .then_state(|control| assert_eq!(control.grants.get("acme").unwrap().allowed, Allowed::All))
        .when(replace("acme", Allowed::none()))
        .then([Event::Replaced(Replaced { realm: id("acme"), models: Allowed::none() })])
        .then_state(|control| {
            let grants = control.grants.get("acme").unwrap();
            assert_eq!((&grants.allowed, grants.trail.version), (&Allowed::none(), 3));
        });
}

#[test]
fn a_replacement_that_changes_nothing_is_refused() {
    for (world, models) in [
        (bare(), Allowed::none()),
        (bare().with(replace("acme", Allowed::All)), Allowed::All),
        (bare().with(grant("acme", "gpt")), only(["gpt"])),
    ] {
        given(world).when(replace("acme", models)).then_rejected(Rejection::NoChange(id("acme")));
    }
    // All models and the pattern for all of them are two things: only one takes single grants.
    assert!(bare().with(grant("acme", "*")).try_carry_out(replace("acme", Allowed::All)).is_ok());
}

#[test]
fn a_realm_is_granted_as_many_patterns_as_there_may_be_and_no_more() {
    given(bare()).when(replace("acme", many(PATTERNS_MAX + 1))).then_rejected(Rejection::TooMany);
    let full = bare().with(replace("acme", many(PATTERNS_MAX - 1))).with(grant("acme", "last"));
    given(full).when(grant("acme", "one more")).then_rejected(Rejection::TooMany);
}

#[test]
fn nothing_is_granted_to_a_realm_that_is_not_registered() {
    let unknown = || Rejection::Realm(realm::Rejection::NotRegistered(id("gone")));
    given(bare()).when(grant("gone", "gpt")).then_rejected(unknown());
    given(bare()).when(withdraw("gone", "gpt")).then_rejected(unknown());
    given(bare()).when(replace("gone", Allowed::All)).then_rejected(unknown());
}

#[test]
fn a_child_realm_may_never_call_more_than_each_of_its_parents() {
    let nested = |root: Allowed, middle: Allowed, leaf: Allowed| {
        World::empty()
            .with_realm("root", None)
            .with_realm("middle", Some("root"))
            .with_realm("leaf", Some("middle"))
            .with(replace("root", Allowed::none()))
            .with(replace("middle", Allowed::none()))
            .with(replace("leaf", Allowed::none()))
            .with(crate::command::Together::new(
                [("root", root), ("middle", middle), ("leaf", leaf)]
                    .map(|(realm, models)| replace(realm, models).into())
                    .to_vec(),
            ))
            .control
            .realm_may_call(&id("leaf"), &id("gpt"))
    };
    assert!(nested(Allowed::All, only(["g*"]), only(["gpt"])));
    assert!(!nested(Allowed::none(), Allowed::All, Allowed::All));
    assert!(!nested(Allowed::All, only(["claude"]), Allowed::All));
    assert!(!nested(Allowed::All, Allowed::All, Allowed::none()));
}
