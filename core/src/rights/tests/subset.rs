//! The rights of anything that a key or a session makes or changes are a subset of its own: over random commands of random
//! keys, of sessions that were signed in to with them, and of sessions by a password.

use std::collections::BTreeSet;

use proptest::prelude::{Just, ProptestConfig, Strategy, prop, prop_assert, prop_oneof, proptest};

use super::{before, world};
use crate::actor::{Actor, ActorKind};
use crate::command::Command;
use crate::control::Control;
use crate::id::{KeyId, ModelName, RealmId, UserId};
use crate::key::{IssueKey, KeyHash, KeyKind, ReviseKey, RotateKey};
use crate::model_pattern::Allowed;
use crate::patch::Patch;
use crate::realm::RegisterRealm;
use crate::rights::manages;
use crate::session::{StartSession, With};
use crate::testing::samples::{
    id, issue_key, key_id, only, password, register_realm, register_user, session_id, start_session,
};
use crate::testing::world::World;
use crate::user::{AddMember, RegisterUser, RemoveMember, ReviseUser, Role, SetPassword};

const REALMS: [&str; 5] = ["default", "acme", "acme.eu", "globex", "new"];
const USERS: [&str; 7] = ["root", "member", "admin", "operator", "viewer", "new", "other"];
const MODELS: [&str; 3] = ["gpt", "x/1", "y"];
const KEYS: u128 = 9;

/// Who has keys at the beginning, in the order of their numbers.
const PEOPLE: [&str; 5] = ["root", "member", "admin", "operator", "viewer"];

/// Who asks.
#[derive(Debug, Clone, Copy)]
enum Asker {
    Key(u128),
    /// Signed in with the key of a number.
    ByKey(u128),
    /// Signed in with a password, by the place among [`PEOPLE`].
    ByPassword(usize),
}

impl Asker {
    fn actor(self) -> Actor {
        match self {
            Self::Key(number) => Actor { kind: ActorKind::Key, id: key_id(number).to_string() },
            Self::ByKey(number) => Actor::session(session_id(number)),
            Self::ByPassword(place) => Actor::session(session_id(100 + place as u128)),
        }
    }

    fn key(self) -> Option<KeyId> {
        match self {
            Self::Key(number) | Self::ByKey(number) => Some(key_id(number)),
            Self::ByPassword(_) => None,
        }
    }

    fn powers(self, control: &Control) -> BTreeSet<String> {
        match self {
            Self::Key(number) | Self::ByKey(number) => powers(control, key_id(number)),
            Self::ByPassword(place) => managed(control, &id(PEOPLE[place])),
        }
    }

    fn callable(self, control: &Control) -> BTreeSet<ModelName> {
        match self {
            Self::Key(number) | Self::ByKey(number) => {
                callable(control, key_id(number)).into_iter().map(|(_, name)| name).collect()
            }
            Self::ByPassword(place) => names_of(control, &id(PEOPLE[place])),
        }
    }
}

fn asker() -> impl Strategy<Value = Asker> {
    prop_oneof![
        3 => (1..=KEYS).prop_map(Asker::Key),
        1 => (1..=5_u128).prop_map(Asker::ByKey),
        1 => (0..PEOPLE.len()).prop_map(Asker::ByPassword),
    ]
}

/// The world of the other rights, where everybody signed in both ways.
fn signed_in() -> World {
    let mut world = world();
    for (place, user) in PEOPLE.iter().enumerate() {
        world.carry_out(SetPassword { user: id(user), password: Some(password("first")) });
        let number = place as u128;
        world.carry_out(StartSession { with: With::Key(key_id(number + 1)), ..start_session(number + 1) });
        world.carry_out(StartSession { with: With::Password(id(user)), ..start_session(100 + number) });
    }
    world
}

/// What a user may call at all.
fn names_of(control: &Control, user: &UserId) -> BTreeSet<ModelName> {
    let user = control.user(user);
    let names = MODELS.iter().map(|name| id::<ModelName>(name));
    names.filter(|name| user.is_some_and(|user| user.models.allows(name))).collect()
}

fn realm() -> impl Strategy<Value = RealmId> {
    prop::sample::select(&REALMS[..]).prop_map(id)
}

fn user() -> impl Strategy<Value = UserId> {
    prop::sample::select(&USERS[..]).prop_map(id)
}

fn role() -> impl Strategy<Value = Role> {
    prop::sample::select(&[Role::Operator, Role::Admin, Role::RealmAdmin, Role::Member, Role::Viewer][..])
}

fn allowed() -> impl Strategy<Value = Allowed> {
    prop::sample::select(&["*", "gpt", "x/*", "y"][..]).prop_map(|pattern| match pattern {
        "*" => Allowed::All,
        pattern => only([pattern]),
    })
}

fn kind() -> impl Strategy<Value = KeyKind> {
    prop_oneof![4 => Just(KeyKind::Default), 1 => Just(KeyKind::Management), 1 => Just(KeyKind::LlmApi)]
}

fn command() -> impl Strategy<Value = Command> {
    let key = || (1..=KEYS).prop_map(key_id);
    prop_oneof![
        3 => (1..=KEYS, realm(), prop::option::of(user()), allowed(), kind()).prop_map(|(number, realm, user, models, kind)| {
            IssueKey { realm, user, models, kind, ..issue_key(number) }.into()
        }),
        3 => (key(), prop::option::of(user()), prop::option::of(allowed()), prop::option::of(kind())).prop_map(
            |(key, user, models, kind)| {
                let set = |user| Patch::Set(user);
                let models = models.map_or(Patch::Keep, Patch::Set);
                let kind = kind.map_or(Patch::Keep, Patch::Set);
                ReviseKey { user: user.map_or(Patch::Clear, set), models, kind, ..ReviseKey::nothing(key) }.into()
            }
        ),
        1 => (key(), 0..1_000_u32).prop_map(|(key, secret)| {
            let hash = KeyHash::of_secret(&format!("sk-{secret}"));
            RotateKey { key, hash, shown: "sk-...".to_owned(), old_until: None }.into()
        }),
        2 => (user(), prop::option::of(realm()), role(), realm(), role()).prop_map(|(user, realm, role, of, member)| {
            RegisterUser { realm, role, memberships: [(of, member)].into(), ..register_user(user.as_str()) }.into()
        }),
        2 => (user(), role(), allowed()).prop_map(|(user, role, models)| {
            ReviseUser { role: Patch::Set(role), models: Patch::Set(models), ..ReviseUser::nothing(user) }.into()
        }),
        2 => (realm(), user(), role()).prop_map(|(realm, user, role)| AddMember { realm, user, role }.into()),
        1 => (realm(), user()).prop_map(|(realm, user)| RemoveMember { realm, user }.into()),
        1 => (user(), 0..4_u8).prop_map(|(user, word)| {
            SetPassword { user, password: Some(password(&word.to_string())) }.into()
        }),
        1 => (user(), 50..60_u128).prop_map(|(user, number)| {
            StartSession { with: With::Password(user), ..start_session(number) }.into()
        }),
        1 => (realm(), prop::option::of(realm())).prop_map(|(realm, parent)| {
            RegisterRealm { parent, models: Some(Allowed::All), ..register_realm(realm.as_str()) }.into()
        }),
    ]
}

/// What a user may manage, said as a set: realms by name, and `*` for all there will ever be.
fn managed(control: &Control, user: &UserId) -> BTreeSet<String> {
    let Some(user) = control.user(user) else { return BTreeSet::new() };
    let realms = control.realms.iter().filter(|(realm, _)| manages(control, user, realm));
    let mut all: BTreeSet<String> = realms.map(|(realm, _)| realm.to_string()).collect();
    all.extend((user.role <= Role::Admin).then(|| "*".to_owned()));
    all.extend((user.role == Role::Operator).then(|| "models".to_owned()));
    all
}

/// What a key may call, and in which realm it is paid for.
fn callable(control: &Control, key: KeyId) -> BTreeSet<(RealmId, ModelName)> {
    let Some(key) = control.keys.get(&key).filter(|key| key.kind != KeyKind::Management) else {
        return BTreeSet::new();
    };
    let user = key.user.as_ref().and_then(|user| control.user(user));
    let names = MODELS.iter().map(|name| id::<ModelName>(name));
    names
        .filter(|name| key.models.allows(name) && user.is_none_or(|user| user.models.allows(name)))
        .filter(|name| control.realm_may_call(&key.realm, name))
        .map(|name| (key.realm.clone(), name))
        .collect()
}

/// What comes with a key's secret: the realms that its user manages, if the key is one that manages.
fn powers(control: &Control, key: KeyId) -> BTreeSet<String> {
    let key = control.keys.get(&key).filter(|key| matches!(key.kind, KeyKind::Default | KeyKind::Management));
    key.and_then(|key| key.user.as_ref()).map(|user| managed(control, user)).unwrap_or_default()
}

/// The realm that the user of a key belongs to.
fn home(before: &Control, after: &Control, key: KeyId) -> Option<RealmId> {
    let user = after.keys.get(&key)?.user.as_ref()?;
    before.user(user)?.realm.clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_rights_of_anything_created_are_a_subset_of_its_creators(
        asked in prop::collection::vec((asker(), command()), 1..12),
    ) {
        let mut world = signed_in();
        for (asker, command) in asked {
            let Some(before) = before(&mut world, asker.actor(), &command) else { continue };
            let after = &world.control;
            let own = asker.powers(&before);
            let is_operator = own.contains("models");
            // A realm that is born within the creator's is the creator's: what counts is what was there.
            let there = |name: &String| name == "*" || name == "models" || before.realms.contains(name.as_str());
            for user in USERS.map(id::<UserId>) {
                let more: BTreeSet<_> =
                    managed(after, &user).difference(&managed(&before, &user)).filter(|name| there(name)).cloned().collect();
                prop_assert!(more.is_subset(&own), "{command:?} gives {user} {more:?}, and {asker:?} has {own:?}");
                // Who has a new password of somebody's is that somebody.
                if before.passwords.get(&user) != after.passwords.get(&user) {
                    let power = managed(after, &user);
                    prop_assert!(power.is_subset(&own), "{command:?} tells {power:?}, and {asker:?} has {own:?}");
                    let at_home = before.user(&user).and_then(|user| user.realm.clone()).is_some_and(|home| own.contains(home.as_str()));
                    let all = own.contains("*") || at_home || names_of(after, &user).is_subset(&asker.callable(&before));
                    prop_assert!(all, "{command:?} tells what calls more than {asker:?}");
                }
            }
            let started = after.sessions.iter().any(|(id, _)| !before.sessions.contains(id));
            prop_assert!(!started || is_operator, "{asker:?} has {command:?} carried out");
            let callers = asker.callable(&before);
            for key in (1..=KEYS).map(key_id) {
                let secret_is_new = before.keys.get(&key).is_none_or(|old| old.hash != after.keys.get(&key).unwrap().hash);
                let new_powers: BTreeSet<_> = if secret_is_new && asker.key() != Some(key) {
                    powers(after, key)
                } else {
                    powers(after, key).difference(&powers(&before, key)).cloned().collect()
                };
                let new_powers: BTreeSet<_> = new_powers.into_iter().filter(|name| there(name)).collect();
                prop_assert!(new_powers.is_subset(&own), "{command:?} gives {key} {new_powers:?}, and {asker:?} has {own:?}");
                // A realm's admin gives what the realm may; a member gives what the key that asks may.
                let before_it = if secret_is_new && asker.key() != Some(key) { BTreeSet::new() } else { callable(&before, key) };
                for (realm, name) in callable(after, key).difference(&before_it) {
                    let of_realm = own.contains(realm.as_str()) || is_operator || !before.realms.contains(realm);
                    // What a user may at all is for whoever manages them, wherever their keys are.
                    let of_realm = of_realm || home(&before, after, key).is_some_and(|home| own.contains(home.as_str()));
                    let of_key = callers.contains(name);
                    prop_assert!(of_realm || of_key, "{command:?} of {asker:?} lets {key} call {name} in {realm}");
                }
            }
        }
    }
}
