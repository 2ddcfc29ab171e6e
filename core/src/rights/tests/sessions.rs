//! What a session may change: what its key or its user may, and nothing once it has ended.

use super::{MORE, NO, issue, world};
use crate::actor::Actor;
use crate::budget::SetBudget;
use crate::command::Command;
use crate::digest::Digest;
use crate::key::{BlockKey, IssueKey, KeyKind, ReviseKey};
use crate::model_pattern::Allowed;
use crate::patch::Patch;
use crate::scope::Scope;
use crate::selection::SelectModel;
use crate::session::{EndSession, StartSession, With};
use crate::testing::samples::{
    id, issue_key, key_id, only, password, register_model, register_realm, register_user, session_id, start_session,
};
use crate::testing::world::World;
use crate::user::{BlockUser, RegisterUser, Role, SetPassword};

const KEY: u128 = 1;
const PASSWORD: u128 = 2;

/// The world of the other rights, where a user signed in: with a key, and with a password.
fn signed_in(key: u128, user: &str) -> World {
    world()
        .with(SetPassword { user: id(user), password: Some(password("first")) })
        .with(StartSession { with: With::Key(key_id(key)), ..start_session(KEY) })
        .with(StartSession { with: With::Password(id(user)), ..start_session(PASSWORD) })
}

fn asked(world: &World, session: u128, command: impl Into<Command>) -> &'static str {
    let mut world = world.clone();
    world.actor = Actor::session(session_id(session));
    world.try_carry_out(command).map_or_else(|rejection| rejection.code(), |_| "ok")
}

#[test]
fn a_session_may_what_its_user_may() {
    let root = signed_in(1, "root");
    let operator = signed_in(4, "operator");
    for session in [KEY, PASSWORD] {
        assert_eq!(asked(&root, session, issue(9, "acme.eu", None)), "ok");
        assert_eq!(asked(&root, session, issue(9, "globex", None)), NO);
        assert_eq!(asked(&root, session, register_model(9, "mine")), NO);
        assert_eq!(asked(&operator, session, register_model(9, "mine")), "ok");
    }
}

#[test]
fn the_operators_session_may_everything() {
    let with = With::Operator(Digest::of(b"the operator"));
    let world = world().with(StartSession { with, ..start_session(1) });
    assert_eq!(asked(&world, 1, register_model(9, "mine")), "ok");
    assert_eq!(asked(&world, 2, register_realm("new")), NO, "there is no such session");
}

#[test]
fn a_session_by_a_key_makes_no_more_than_the_key() {
    let narrow = ReviseKey { models: Patch::Set(only(["gpt"])), ..ReviseKey::nothing(key_id(2)) };
    let world = signed_in(2, "member").with(narrow);
    let own = |models: Allowed| IssueKey { models, ..issue(9, "acme", Some("member")) };
    assert_eq!(asked(&world, KEY, own(Allowed::All)), MORE);
    assert_eq!(asked(&world, KEY, own(only(["gpt"]))), "ok");
    assert_eq!(asked(&world, PASSWORD, own(Allowed::All)), "ok", "a password stands for the user");
    let new = || SetPassword { user: id("member"), password: Some(password("another")) };
    assert_eq!(asked(&world, KEY, new()), MORE, "a narrow key would become its user");
    assert_eq!(asked(&world, PASSWORD, new()), "ok");
    let limits = vec![];
    let budget = SetBudget { scope: Scope::User(id("member")), limits, reclaim_after_seconds: None };
    assert_eq!(asked(&world, PASSWORD, budget), NO);
}

#[test]
fn a_session_of_a_viewer_changes_nothing_but_ends_its_own() {
    let viewer = signed_in(5, "viewer");
    let observed = world()
        .with(RegisterUser { role: Role::Observer, ..register_user("observer") })
        .with(IssueKey { user: Some(id("observer")), ..issue_key(7) })
        .with(SetPassword { user: id("observer"), password: Some(password("first")) })
        .with(StartSession { with: With::Key(key_id(7)), ..start_session(KEY) })
        .with(StartSession { with: With::Password(id("observer")), ..start_session(PASSWORD) });
    for (world, user, key) in [(viewer, "viewer", 5), (observed, "observer", 7)] {
        for session in [KEY, PASSWORD] {
            let select = SelectModel { scope: Scope::Key(key_id(key)), slot: id("fast"), model: id("gpt") };
            let new = SetPassword { user: id(user), password: Some(password("another")) };
            let commands: [Command; 4] = [
                issue(9, "acme", Some(user)).into(),
                select.into(),
                new.into(),
                BlockUser { user: id("member") }.into(),
            ];
            for command in commands {
                assert_eq!(asked(&world, session, command.clone()), NO, "{user}: {command:?}");
            }
            assert_eq!(asked(&world, session, EndSession { session: session_id(session) }), "ok");
            assert_eq!(asked(&world, session, EndSession { session: session_id(KEY + PASSWORD - session) }), "ok");
            assert_eq!(
                asked(&world, session, EndSession { session: session_id(9) }),
                NO,
                "the operator's, or nobody's"
            );
        }
    }
}

#[test]
fn sessions_and_passwords_of_others_are_for_who_manages_them() {
    let world = signed_in(2, "member");
    let mut root = world.clone().with(StartSession { with: With::Key(key_id(1)), ..start_session(11) });
    root.carry_out(StartSession { with: With::Key(key_id(3)), ..start_session(13) });
    let new = |user: &str| SetPassword { user: id(user), password: Some(password("another")) };
    assert_eq!(asked(&root, 11, EndSession { session: session_id(KEY) }), "ok");
    assert_eq!(asked(&root, 11, new("member")), "ok");
    assert_eq!(asked(&root, 11, EndSession { session: session_id(13) }), NO, "an admin's");
    for above in ["admin", "operator"] {
        assert_eq!(asked(&root, 11, new(above)), NO, "{above}");
    }
    assert_eq!(asked(&root, 13, new("operator")), NO);
    assert_eq!(asked(&root, KEY, EndSession { session: session_id(11) }), NO);
    assert_eq!(asked(&root, KEY, new("root")), NO);
    let start = StartSession { with: With::Password(id("member")), ..start_session(20) };
    assert_eq!(asked(&root, 13, start), NO, "whoever signs in shows what they sign in with");
}

#[test]
fn what_refuses_the_key_or_the_user_refuses_the_session() {
    let world = signed_in(1, "root");
    let change = || issue(9, "acme.eu", None);
    let blocked = world.clone().with(BlockKey { key: key_id(1) });
    assert_eq!((asked(&blocked, KEY, change()), asked(&blocked, PASSWORD, change())), (NO, "ok"));
    let gone = world.clone().with(BlockUser { user: id("root") });
    assert_eq!((asked(&gone, KEY, change()), asked(&gone, PASSWORD, change())), (NO, NO));
    let models = ReviseKey { kind: Patch::Set(KeyKind::LlmApi), ..ReviseKey::nothing(key_id(1)) };
    assert_eq!(asked(&world.with(models), KEY, change()), NO);
}
