//! What is asked about sessions and passwords.

use proptest::prelude::{Just, Strategy, prop, prop_oneof};

use super::{moment, patch};
use crate::command::Command;
use crate::digest::Digest;
use crate::key::{BlockKey, IssueKey, KeyHash, ReviseKey, RevokeKey, RotateKey, UnblockKey};
use crate::session::{EndSession, StartSession, With};
use crate::testing::samples::{id, issue_key, key_id, password, session_id, start_session};
use crate::user::SetPassword;

/// Few enough that most commands meet one that is there.
const SESSIONS: u128 = 3;
/// A key of somebody's, so that they sign in with it. Those of the other histories are nobody's.
const KEY: u128 = 9;

fn with() -> impl Strategy<Value = With> {
    prop_oneof![
        3 => Just(With::Key(key_id(KEY))),
        2 => user().prop_map(|user| With::Password(id(user))),
        1 => Just(With::Operator(Digest::of(b"the operator"))),
    ]
}

fn user() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["ada", "bob"][..])
}

/// Ada, who is there, has a key and a password, and signed in with each.
pub(super) fn opening() -> [Command; 4] {
    [
        IssueKey { user: Some(id("ada")), ..issue_key(KEY) }.into(),
        SetPassword { user: id("ada"), password: Some(password("1")) }.into(),
        StartSession { with: With::Key(key_id(KEY)), ..start_session(1) }.into(),
        StartSession { with: With::Password(id("ada")), ..start_session(2) }.into(),
    ]
}

pub(super) fn about_sessions() -> impl Strategy<Value = Command> {
    let session = || 1..=SESSIONS;
    prop_oneof![
        8 => (session(), with(), moment()).prop_map(|(session, with, expires_at)| {
            StartSession { with, expires_at, ..start_session(session) }.into()
        }),
        4 => session().prop_map(|session| EndSession { session: session_id(session) }.into()),
        2 => (user(), prop::option::of(1..3_u8)).prop_map(|(user, word)| {
            SetPassword { user: id(user), password: word.map(|word| password(&word.to_string())) }.into()
        }),
        3 => about_their_key(),
    ]
}

fn about_their_key() -> impl Strategy<Value = Command> {
    let key = key_id(KEY);
    prop_oneof![
        6 => user().prop_map(|user| IssueKey { user: Some(id(user)), ..issue_key(KEY) }.into()),
        2 => patch(user().prop_map(id)).prop_map(move |user| ReviseKey { user, ..ReviseKey::nothing(key) }.into()),
        1 => (0..9_u8).prop_map(move |secret| {
            let hash = KeyHash::of_secret(&format!("sk-of-a-user-{secret}"));
            RotateKey { key, hash, shown: "sk-...".to_owned(), old_until: None }.into()
        }),
        1 => Just(BlockKey { key }.into()),
        1 => Just(UnblockKey { key }.into()),
        1 => Just(RevokeKey { key }.into()),
    ]
}
