use super::{EndSession, Ended, Event, Owner, Rejection, SESSIONS_MAX, Standing, StartSession, Started, With};
use crate::command::Command;
use crate::control::Control;
use crate::digest::Digest;
use crate::key::{BlockKey, IssueKey, KeyHash, KeyKind, ReviseKey, RevokeKey, RotateKey};
use crate::patch::Patch;
use crate::testing::given::given;
use crate::testing::samples::{id, issue_key, key_id, password, register_user, session_id, start_session};
use crate::testing::world::World;
use crate::user::{AddMember, BlockUser, RegisterUser, RemoveMember, RemoveUser, ReviseUser, Role, SetPassword};

/// Ada of `acme`, with a key of number 1 and a password.
fn world() -> World {
    World::new()
        .with_realm("acme", None)
        .with(RegisterUser { realm: Some(id("acme")), ..register_user("ada") })
        .with(AddMember { realm: id("default"), user: id("ada"), role: Role::Member })
        .with(IssueKey { realm: id("acme"), user: Some(id("ada")), ..issue_key(1) })
        .with(SetPassword { user: id("ada"), password: Some(password("first")) })
}

/// Signed in with the key, by number 1, and with the password, by number 2.
fn signed_in() -> World {
    world().with(start_session(1)).with(by_password(2))
}

fn by_password(number: u128) -> StartSession {
    StartSession { with: With::Password(id("ada")), ..start_session(number) }
}

fn by_operator(number: u128) -> StartSession {
    StartSession { with: With::Operator(Digest::of(b"the operator")), ..start_session(number) }
}

fn started(command: StartSession, user: Option<&str>) -> Event {
    let StartSession { session, hash, with, expires_at } = command;
    Event::Started(Started { session, hash, user: user.map(id), with, expires_at })
}

/// The numbers of the sessions that there are.
fn there(control: &Control) -> Vec<u128> {
    (1..30).filter(|number| control.sessions.contains(&session_id(*number))).collect()
}

#[test]
fn a_session_is_its_users_by_a_key_or_by_a_password_and_else_the_operators() {
    given(world())
        .when(start_session(1))
        .then([started(start_session(1), Some("ada"))])
        .then_planned(|planned| assert_eq!(planned[0].recorded.realm, Some(id("acme"))))
        .when(by_password(2))
        .then([started(by_password(2), Some("ada"))])
        .when(by_operator(3))
        .then([started(by_operator(3), None)])
        .then_state(|control| {
            let standing = |number| control.sessions.get(&session_id(number)).unwrap().standing(control).unwrap();
            assert_eq!(standing(1), Standing::Key(key_id(1)));
            assert!(
                matches!(standing(2), Standing::User(key) if key.user == Some(id("ada")) && key.realm == id("acme"))
            );
            assert_eq!(standing(3), Standing::Operator);
            let of = |owner: Owner| control.sessions_of(&owner).map(|session| session.id).collect::<Vec<_>>();
            assert_eq!(of(Owner::User(id("ada"))), [session_id(1), session_id(2)]);
            assert_eq!(of(Owner::Operator), [session_id(3)]);
        })
        .when(start_session(1))
        .then_rejected(Rejection::AlreadyStarted(session_id(1)));
}

#[test]
fn nobody_signs_in_with_what_does_not_manage() {
    let refused = |world: World, command: StartSession, why| {
        given(world).when(command).then_rejected(Rejection::Refused(why));
    };
    refused(world().with(BlockKey { key: key_id(1) }), start_session(1), "the key is revoked, blocked or expired");
    refused(world().with(RevokeKey { key: key_id(1) }), start_session(1), "the key is revoked, blocked or expired");
    refused(world().with(BlockUser { user: id("ada") }), start_session(1), "the user is blocked");
    refused(world().with(BlockUser { user: id("ada") }), by_password(1), "the user is blocked");
    let nobodys = ReviseKey { user: Patch::Clear, ..ReviseKey::nothing(key_id(1)) };
    refused(world().with(nobodys), start_session(1), "the key is nobody's");
    for kind in [KeyKind::LlmApi, KeyKind::ReadOnly] {
        let narrow = ReviseKey { kind: Patch::Set(kind), ..ReviseKey::nothing(key_id(1)) };
        refused(world().with(narrow), start_session(1), "the key's type leaves out management");
    }
    let none = SetPassword { user: id("ada"), password: None };
    refused(world().with(none), by_password(1), "the user has no password");
    let other = StartSession { with: With::Key(key_id(9)), ..start_session(1) };
    refused(world(), other, "there is no such key");
    let stranger = StartSession { with: With::Password(id("eve")), ..start_session(1) };
    given(world()).when(stranger).then_rejected(Rejection::User(crate::user::Rejection::NotRegistered(id("eve"))));
}

#[test]
fn a_session_ends_within_a_month_and_with_the_key_that_was_signed_in_with() {
    let world = world();
    let month = world.now.plus_seconds(super::LASTS_MAX_SECONDS).unwrap();
    let lasting = |expires_at| StartSession { expires_at, ..by_password(1) };
    given(world.clone()).when(lasting(month)).then_any();
    for expires_at in [month.plus_seconds(1).unwrap(), world.now] {
        given(world.clone()).when(lasting(expires_at)).then_rejected(Rejection::Expiry);
    }
    let soon = world.now.plus_seconds(60).unwrap();
    let ends = ReviseKey { expires_at: Patch::Set(soon), ..ReviseKey::nothing(key_id(1)) };
    given(world)
        .and(ends)
        .when(start_session(1))
        .then([started(StartSession { expires_at: soon, ..start_session(1) }, Some("ada"))]);
}

#[test]
fn whatever_changes_who_a_user_is_ends_all_their_sessions() {
    let ada = || id("ada");
    let role = |role| ReviseUser { role: Patch::Set(role), ..ReviseUser::nothing(id("ada")) };
    let ends: [Command; 7] = [
        BlockUser { user: ada() }.into(),
        RemoveUser { user: ada() }.into(),
        role(Role::Viewer).into(),
        role(Role::RealmAdmin).into(),
        AddMember { realm: id("default"), user: ada(), role: Role::RealmAdmin }.into(),
        RemoveMember { realm: id("default"), user: ada() }.into(),
        SetPassword { user: ada(), password: Some(password("second")) }.into(),
    ];
    for command in ends {
        let world = signed_in().with(by_operator(3));
        given(world).when(command).then_any().then_state(|control| assert_eq!(there(control), [3]));
    }
    let alias = ReviseUser { alias: Patch::Set("Ada".to_owned()), ..ReviseUser::nothing(ada()) };
    given(signed_in()).when(alias).then_any().then_state(|control| assert_eq!(there(control), [1, 2]));
}

#[test]
fn whatever_takes_a_key_away_ends_the_sessions_that_were_signed_in_to_with_it() {
    let key = key_id(1);
    let later = || Patch::Set(id("2026-11-20T12:15:30.123Z"));
    let ends: [Command; 6] = [
        BlockKey { key }.into(),
        RevokeKey { key }.into(),
        RotateKey { key, hash: KeyHash::of_secret("sk-new"), shown: "sk-...".to_owned(), old_until: None }.into(),
        ReviseKey { user: Patch::Clear, ..ReviseKey::nothing(key) }.into(),
        ReviseKey { kind: Patch::Set(KeyKind::LlmApi), ..ReviseKey::nothing(key) }.into(),
        ReviseKey { expires_at: later(), ..ReviseKey::nothing(key) }.into(),
    ];
    for command in ends {
        given(signed_in()).when(command).then_any().then_state(|control| assert_eq!(there(control), [2]));
    }
    let other = IssueKey { realm: id("acme"), user: Some(id("ada")), ..issue_key(7) };
    let world = signed_in().with(other).with(StartSession { with: With::Key(key_id(7)), ..start_session(7) });
    given(world).when(BlockKey { key }).then_any().then_state(|control| assert_eq!(there(control), [2, 7]));
}

#[test]
fn a_session_ends_once() {
    given(signed_in())
        .when(EndSession { session: session_id(1) })
        .then([Event::Ended(Ended { session: session_id(1) })])
        .then_state(|control| {
            assert_eq!((there(control), control.sessions_of(&Owner::User(id("ada"))).count()), (vec![2], 1))
        })
        .when(EndSession { session: session_id(1) })
        .then_rejected(Rejection::NotStarted(session_id(1)));
}

#[test]
fn one_session_more_than_there_may_be_ends_the_oldest_and_those_that_expired_leave_no_row() {
    let most = u128::try_from(SESSIONS_MAX).unwrap();
    let mut world = (1..=most).fold(world(), |world, number| world.with(by_password(number)));
    given(world.clone())
        .when(by_password(most + 1))
        .then([Event::Ended(Ended { session: session_id(1) }), started(by_password(most + 1), Some("ada"))])
        .then_state(|control| assert_eq!(there(control), (2..=most + 1).collect::<Vec<_>>()));
    world.now = world.now.plus_seconds(3_600).unwrap();
    let later = StartSession { expires_at: world.now.plus_seconds(60).unwrap(), ..by_password(most + 1) };
    given(world).when(later.clone()).then([started(later, Some("ada"))]).then_state(|control| {
        assert_eq!((there(control), control.sessions_of(&Owner::User(id("ada"))).count()), (vec![most + 1], 1))
    });
}

#[test]
fn a_password_is_kept_as_what_was_made_of_it_and_takes_no_more_than_a_gateway_can_give() {
    let new = |password| SetPassword { user: id("ada"), password: Some(password) };
    given(world()).when(new(password("first"))).then_rejected(crate::user::Rejection::NoChange(id("ada")));
    for (memory_kib, passes) in [(7, 1), (65_537, 1), (8, 0), (8, 9)] {
        let costly = crate::user::Password { memory_kib, passes, ..password("second") };
        let code = world().try_carry_out(new(costly)).map(drop).unwrap_err().code();
        assert_eq!(code, "user_field_invalid");
    }
    let removed = world().with(RemoveUser { user: id("ada") });
    assert!(removed.control.passwords.is_empty());
}
