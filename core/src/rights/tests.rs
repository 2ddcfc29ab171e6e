mod subset;
mod money;
mod observer;
mod sessions;

use super::{Rejection, manages};
use crate::actor::{Actor, ActorKind};
use crate::budget::{NewBudgetLimit, SetBudget};
use crate::command::Command;
use crate::control::Control;
use crate::grant::ReplaceGrants;
use crate::key::{BlockKey, IssueKey, KeyKind, ReviseKey, RevokeKey, RotateKey};
use crate::model_pattern::Allowed;
use crate::money::NanoUsd;
use crate::patch::Patch;
use crate::realm::{RegisterRealm, SuspendRealm};
use crate::scope::Scope;
use crate::selection::SelectModel;
use crate::testing::samples::{id, issue_key, key_id, only, register_model, register_realm, register_user};
use crate::testing::world::World;
use crate::time::Period;
use crate::user::{AddMember, BlockUser, RegisterUser, ReviseUser, Role};

/// `acme` with `acme.eu` in it, `globex` beside it, and a key for each user: 1 of the root's admin in `acme`, 2 of a
/// member, 3 of an admin of the gateway, 4 of an operator, 5 of a viewer, 6 of nobody.
fn world() -> World {
    let acme = || Some(id("acme"));
    let user = |name: &str, realm, role| RegisterUser { realm, role, ..register_user(name) };
    let key =
        |number, realm: &str, user: &str| IssueKey { realm: id(realm), user: Some(id(user)), ..issue_key(number) };
    World::new()
        .with_realm("acme", None)
        .with_realm("acme.eu", Some("acme"))
        .with_realm("globex", None)
        .with(register_model(1, "gpt"))
        .with(user("root", acme(), Role::RealmAdmin))
        .with(user("member", acme(), Role::Member))
        .with(user("admin", None, Role::Admin))
        .with(user("operator", None, Role::Operator))
        .with(user("viewer", acme(), Role::Viewer))
        .with(key(1, "acme", "root"))
        .with(key(2, "acme", "member"))
        .with(key(3, "default", "admin"))
        .with(key(4, "default", "operator"))
        .with(key(5, "acme", "viewer"))
        .with(IssueKey { realm: id("acme"), ..issue_key(6) })
}

/// What a key is answered: the code of the refusal, or `ok`.
fn asked(world: &World, key: u128, command: impl Into<Command>) -> &'static str {
    let mut world = world.clone();
    world.actor = Actor { kind: ActorKind::Key, id: key_id(key).to_string() };
    world.try_carry_out(command).map_or_else(|rejection| rejection.code(), |_| "ok")
}

/// Lets a key ask for a command, and gives what was so before; none where nothing came of it.
fn before_asking(world: &mut World, key: u128, command: &Command) -> Option<Control> {
    before(world, Actor { kind: ActorKind::Key, id: key_id(key).to_string() }, command)
}

/// The same for whoever asks.
fn before(world: &mut World, actor: Actor, command: &Command) -> Option<Control> {
    world.actor = actor;
    let before = world.control.clone();
    world.try_carry_out(command.clone()).is_ok().then_some(before)
}

fn issue(number: u128, realm: &str, user: Option<&str>) -> IssueKey {
    IssueKey { realm: id(realm), user: user.map(id), ..issue_key(number) }
}

fn budget(scope: Scope) -> SetBudget {
    let limit = NewBudgetLimit { period: Period::Total, anchor: None, limit_nano_usd: NanoUsd::new(5) };
    SetBudget { scope, limits: vec![limit], reclaim_after_seconds: None }
}

const NO: &str = "not_permitted";
const MORE: &str = "rights_exceeded";

#[test]
fn whoever_is_in_an_agents_primary_realm_chooses_for_a_conversation_and_its_own_keys_for_the_agent_too() {
    use crate::testing::samples::{join_realm, register_agent};
    let select = |scope: Scope| SelectModel { scope, slot: id("current"), model: id("gpt") };
    let world = world()
        .with(register_agent("did:a"))
        .with(join_realm("did:a", "acme", 51))
        .with(join_realm("did:a", "default", 52))
        .with(IssueKey { realm: id("acme"), ..issue_key(53) })
        .with(IssueKey { realm: id("acme"), kind: KeyKind::Management, ..issue_key(54) })
        .with(IssueKey { realm: id("default"), ..issue_key(55) });
    let context = || id::<Scope>("context:did:a#one");
    let agent = || id::<Scope>("agent:did:a");
    for key in [51, 52] {
        assert_eq!(asked(&world, key, select(context())), "ok", "{key}");
        assert_eq!(asked(&world, key, select(agent())), "ok", "{key}");
    }
    assert_eq!(asked(&world, 53, select(context())), "ok");
    for (key, scope) in [(53, agent()), (54, context()), (55, context()), (53, id("context:did:b#one"))] {
        assert_eq!(asked(&world, key, select(scope.clone())), NO, "{key} {scope}");
    }
}

#[test]
fn a_key_of_nobody_changes_nothing_but_its_own_choices() {
    let world = world();
    let select = |scope| SelectModel { scope, slot: id("fast"), model: id("gpt") };
    assert_eq!(asked(&world, 6, select(Scope::Key(key_id(6)))), "ok");
    assert_eq!(asked(&world, 6, select(Scope::Realm(id("acme")))), NO);
    assert_eq!(asked(&world, 6, issue(9, "acme", None)), NO);
    assert_eq!(asked(&world, 7, issue(9, "acme", None)), NO, "there is no such key");
}

#[test]
fn a_realms_admin_manages_what_nests_in_it_and_its_people_and_keys() {
    let world = world();
    let child = RegisterRealm { parent: Some(id("acme")), ..register_realm("acme.us") };
    assert_eq!(asked(&world, 1, child), "ok");
    assert_eq!(asked(&world, 1, issue(9, "acme.eu", None)), "ok");
    assert_eq!(asked(&world, 1, issue(9, "acme", Some("member"))), "ok");
    assert_eq!(asked(&world, 1, BlockKey { key: key_id(2) }), "ok");
    assert_eq!(asked(&world, 1, BlockUser { user: id("member") }), "ok");
    assert_eq!(asked(&world, 1, SuspendRealm { realm: id("acme.eu") }), "ok");
    assert_eq!(asked(&world, 1, budget(Scope::Realm(id("acme.eu")))), "ok");
    assert_eq!(asked(&world, 1, budget(Scope::User(id("member")))), "ok");
    assert_eq!(asked(&world, 1, AddMember { realm: id("acme.eu"), user: id("admin"), role: Role::Member }), "ok");
    assert_eq!(
        asked(&world, 1, SelectModel { scope: Scope::Realm(id("acme")), slot: id("fast"), model: id("gpt") }),
        "ok"
    );
}

#[test]
fn a_realms_admin_widens_nothing_of_the_realm_itself_and_reaches_nothing_beside_it() {
    let world = world();
    let grants = |realm: &str| ReplaceGrants { realm: id(realm), models: only(["gpt"]) };
    assert_eq!(asked(&world, 1, grants("acme.eu")), "ok");
    assert_eq!(asked(&world, 1, grants("acme")), NO);
    assert_eq!(asked(&world, 1, budget(Scope::Realm(id("acme")))), NO);
    assert_eq!(asked(&world, 1, budget(Scope::Gateway)), NO);
    assert_eq!(asked(&world, 1, SuspendRealm { realm: id("globex") }), NO);
    assert_eq!(asked(&world, 1, register_realm("new")), NO, "a realm without a parent");
    assert_eq!(asked(&world, 1, issue(9, "globex", None)), NO);
    assert_eq!(asked(&world, 1, BlockKey { key: key_id(3) }), NO);
    assert_eq!(asked(&world, 1, BlockUser { user: id("root") }), NO, "oneself");
    assert_eq!(asked(&world, 1, register_model(2, "mine")), NO);
}

#[test]
fn nobody_gets_a_key_or_a_role_that_does_more_than_its_giver() {
    let mut world = world();
    let named = |user: &str| issue(9, "acme", Some(user));
    for above in ["operator", "admin", "nobody registered"] {
        assert_eq!(asked(&world, 1, named(above)), NO, "{above}");
    }
    assert_eq!(asked(&world, 3, IssueKey { user: Some(id("operator")), ..issue(9, "acme", None) }), NO);
    let give = ReviseKey { user: Patch::Set(id("operator")), ..ReviseKey::nothing(key_id(2)) };
    assert_eq!(asked(&world, 1, give), NO);
    // A key of an operator's in a realm is the operator's, whoever manages the realm.
    world.carry_out(issue(8, "acme", Some("operator")));
    let rotate = RotateKey {
        key: key_id(8),
        hash: crate::key::KeyHash::of_secret("x"),
        shown: "sk-...".to_owned(),
        old_until: None,
    };
    assert_eq!(asked(&world, 1, rotate), NO);
    let role = |role| ReviseUser { role: Patch::Set(role), ..ReviseUser::nothing(id("member")) };
    assert_eq!(asked(&world, 1, role(Role::RealmAdmin)), "ok");
    assert_eq!(asked(&world, 1, role(Role::Admin)), MORE);
    assert_eq!(asked(&world, 3, RegisterUser { role: Role::Admin, ..register_user("new") }), "ok");
    assert_eq!(asked(&world, 3, RegisterUser { role: Role::Operator, ..register_user("new") }), MORE);
    let elsewhere = RegisterUser {
        realm: Some(id("acme")),
        memberships: [(id("globex"), Role::Member)].into(),
        ..register_user("new")
    };
    assert_eq!(asked(&world, 1, elsewhere), NO);
    // Someone who manages another realm too is beyond this one's admin.
    world.carry_out(AddMember { realm: id("globex"), user: id("member"), role: Role::RealmAdmin });
    assert_eq!(asked(&world, 1, named("member")), NO);
}

#[test]
fn a_member_has_keys_of_their_own_in_their_own_realms() {
    let mut world = world();
    assert_eq!(asked(&world, 2, issue(9, "acme", Some("member"))), "ok");
    assert_eq!(asked(&world, 2, issue(9, "acme", None)), NO);
    assert_eq!(asked(&world, 2, issue(9, "acme", Some("viewer"))), NO);
    assert_eq!(asked(&world, 2, issue(9, "acme.eu", Some("member"))), NO);
    world.carry_out(AddMember { realm: id("acme.eu"), user: id("member"), role: Role::Member });
    assert_eq!(asked(&world, 2, issue(9, "acme.eu", Some("member"))), "ok");
    assert_eq!(asked(&world, 2, RevokeKey { key: key_id(2) }), "ok");
    assert_eq!(asked(&world, 2, RevokeKey { key: key_id(6) }), NO);
    let leave = ReviseKey { user: Patch::Clear, ..ReviseKey::nothing(key_id(2)) };
    assert_eq!(asked(&world, 2, leave), NO, "its budget would be left too");
    assert_eq!(asked(&world, 5, issue(9, "acme", Some("viewer"))), NO, "a viewer makes nothing");
}

#[test]
fn a_member_makes_no_key_that_does_more_than_the_one_that_asks() {
    let narrow = world().with(ReviseKey { models: Patch::Set(only(["gpt", "x/*"])), ..ReviseKey::nothing(key_id(2)) });
    let own = |models: Allowed| IssueKey { models, ..issue(9, "acme", Some("member")) };
    assert_eq!(asked(&narrow, 2, own(only(["x/1", "gpt"]))), "ok");
    assert_eq!(asked(&narrow, 2, own(Allowed::All)), MORE);
    let widened = ReviseKey { models: Patch::Set(Allowed::All), ..ReviseKey::nothing(key_id(2)) };
    assert_eq!(asked(&narrow, 2, widened), MORE);
    let paid = world().with(budget(Scope::Key(key_id(2))));
    assert_eq!(asked(&paid, 2, own(Allowed::All)), MORE, "each new key would have more to spend");
    assert_eq!(asked(&paid, 2, SetBudget { limits: Vec::new(), ..budget(Scope::Key(key_id(2))) }), MORE);
    let mut ends = world();
    let end = ends.now.plus_seconds(60).unwrap();
    ends.carry_out(ReviseKey { expires_at: Patch::Set(end), ..ReviseKey::nothing(key_id(2)) });
    assert_eq!(asked(&ends, 2, own(Allowed::All)), MORE);
    assert_eq!(asked(&ends, 2, IssueKey { expires_at: Some(end), ..own(Allowed::All) }), "ok");
}

#[test]
fn a_key_for_models_alone_manages_nothing_whoever_has_it() {
    for kind in [KeyKind::LlmApi, KeyKind::ReadOnly] {
        let world = world().with(ReviseKey { kind: Patch::Set(kind), ..ReviseKey::nothing(key_id(4)) });
        assert_eq!(asked(&world, 4, register_realm("new")), NO);
    }
    assert_eq!(asked(&world(), 4, register_model(2, "new")), "ok", "an operator's key does everything");
}

#[test]
fn a_right_is_gone_with_the_role_and_with_the_user() {
    let demoted = world().with(ReviseUser { role: Patch::Set(Role::Member), ..ReviseUser::nothing(id("root")) });
    assert_eq!(asked(&demoted, 1, BlockKey { key: key_id(2) }), NO);
    let blocked = world().with(BlockUser { user: id("root") });
    assert_eq!(asked(&blocked, 1, BlockKey { key: key_id(2) }), NO);
    let user = blocked.control.users.get(&id::<crate::id::UserId>("root")).unwrap();
    assert!(!manages(&blocked.control, user, &id("acme")));
}

#[test]
fn commands_together_are_looked_at_one_by_one() {
    let world = world();
    let together = |commands| crate::command::Together::new(commands);
    let fine: Vec<Command> = vec![issue(9, "acme", None).into(), budget(Scope::Key(key_id(9))).into()];
    assert_eq!(asked(&world, 1, together(fine.clone())), "ok");
    let smuggled = fine.into_iter().chain([register_realm("new").into()]).collect();
    assert_eq!(asked(&world, 1, together(smuggled)), NO);
}

#[test]
fn a_refusal_says_what_is_not_for_the_key() {
    let text = Rejection::NotPermitted("manage this realm").to_string();
    assert_eq!(text, "this key may not manage this realm: its user's role does not include it");
}
