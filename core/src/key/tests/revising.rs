//! What a revision of a key changes.

use super::{alias, aliases, named, revoke};
use crate::id::KeyId;
use crate::json::Json;
use crate::key::{Event, IssueKey, KeyKind, Rejection, ReviseKey, Revised};
use crate::limits::{Limits, LimitsPatch};
use crate::model_pattern::Allowed;
use crate::patch::Patch;
use crate::stream::Position;
use crate::testing::given::given;
use crate::testing::samples::{id, issue_key, json, key_id, only};
use crate::testing::world::World;
use crate::time::Timestamp;

const KEY: KeyId = key_id(2);

fn later() -> Timestamp {
    id("2030-01-01T00:00:00Z")
}

/// A key of number 2, issued by the seventh event, none of whose fields is empty.
fn full() -> World {
    World::small().with(IssueKey {
        alias: Some(alias("ci")),
        user: Some(id("ada")),
        models: only(["gpt"]),
        aliases: aliases([("fast", "gpt")]),
        limits: Limits { requests_per_minute: Some(1), tokens_per_minute: Some(2), parallel_requests: Some(3) },
        expires_at: Some(later()),
        kind: KeyKind::ReadOnly,
        metadata: json(r#"{"a":1}"#),
        ..issue_key(2)
    })
}

fn nothing() -> ReviseKey {
    ReviseKey::nothing(KEY)
}

fn cleared() -> ReviseKey {
    ReviseKey {
        key: KEY,
        alias: Patch::Clear,
        user: Patch::Clear,
        models: Patch::Clear,
        aliases: Patch::Clear,
        limits: LimitsPatch {
            requests_per_minute: Patch::Clear,
            tokens_per_minute: Patch::Clear,
            parallel_requests: Patch::Clear,
        },
        expires_at: Patch::Clear,
        kind: Patch::Clear,
        metadata: Patch::Clear,
    }
}

fn revised(command: ReviseKey) -> Event {
    let ReviseKey { key, alias, user, models, aliases, limits, expires_at, kind, metadata } = command;
    Event::Revised(Revised { key, alias, user, models, aliases, limits, expires_at, kind, metadata })
}

#[test]
fn every_field_can_be_set() {
    let set = ReviseKey {
        key: KEY,
        alias: Patch::Set(alias("cd")),
        user: Patch::Set(id("bob")),
        models: Patch::Set(Allowed::All),
        aliases: Patch::Set(aliases([("slow", "claude")])),
        limits: LimitsPatch {
            requests_per_minute: Patch::Set(10),
            tokens_per_minute: Patch::Set(20),
            parallel_requests: Patch::Set(30),
        },
        expires_at: Patch::Set(id("2031-01-01T00:00:00Z")),
        kind: Patch::Set(KeyKind::Management),
        metadata: Patch::Set(json(r#"{"b":2}"#)),
    };
    given(full())
        .when(set.clone())
        .then([revised(set)])
        .then_planned(|planned| assert_eq!(planned[0].cause, [Position::new(7)]))
        .then_state(|control| {
            let key = control.keys.get(&KEY).unwrap();
            let here = Position::new(8);
            assert_eq!((&key.alias, &key.user), (&Some(alias("cd")), &Some(id("bob"))));
            assert_eq!((&key.models, key.models_set), (&Allowed::All, here));
            assert_eq!((&key.aliases, key.kind), (&aliases([("slow", "claude")]), KeyKind::Management));
            let limits =
                Limits { requests_per_minute: Some(10), tokens_per_minute: Some(20), parallel_requests: Some(30) };
            assert_eq!((key.limits, &key.metadata), (limits, &json(r#"{"b":2}"#)));
            assert_eq!((key.expires_at, key.expiry_set), (Some(id("2031-01-01T00:00:00Z")), here));
            assert_eq!((key.trail.version, key.trail.changed.position), (2, here));
            assert!(!control.key_aliases.contains("ci"), "the old alias is free");
            assert_eq!(control.key_aliases.get("cd").map(|key| **key), Some(KEY));
        });
}

#[test]
fn every_field_can_be_cleared() {
    given(full()).when(cleared()).then([revised(cleared())]).then_state(|control| {
        let key = control.keys.get(&KEY).unwrap();
        let here = Position::new(8);
        assert_eq!((&key.alias, &key.user), (&None, &None));
        assert_eq!((&key.models, key.models_set), (&Allowed::none(), here), "cleared models are none, never all");
        assert!(key.aliases.is_empty());
        assert_eq!((key.limits, key.kind, &key.metadata), (Limits::default(), KeyKind::Default, &Json::empty()));
        assert_eq!((key.expires_at, key.expiry_set), (None, here));
        assert!(control.key_aliases.is_empty());
    });
}

#[test]
fn a_revision_says_only_what_changes_and_leaves_the_rest() {
    let command = ReviseKey {
        alias: Patch::Set(alias("ci")),
        user: Patch::Set(id("bob")),
        models: Patch::Set(only(["gpt"])),
        expires_at: Patch::Set(later()),
        limits: LimitsPatch {
            requests_per_minute: Patch::Set(1),
            tokens_per_minute: Patch::Clear,
            parallel_requests: Patch::Keep,
        },
        ..nothing()
    };
    let said = ReviseKey {
        user: Patch::Set(id("bob")),
        limits: LimitsPatch { tokens_per_minute: Patch::Clear, ..LimitsPatch::default() },
        ..nothing()
    };
    given(full()).when(command).then([revised(said)]).then_state(|control| {
        let key = control.keys.get(&KEY).unwrap();
        let limits = Limits { requests_per_minute: Some(1), tokens_per_minute: None, parallel_requests: Some(3) };
        assert_eq!((key.limits, &key.alias), (limits, &Some(alias("ci"))));
        let born = Position::new(7);
        assert_eq!((key.models_set, key.expiry_set), (born, born), "the models and the expiry were set before");
        assert_eq!(control.key_aliases.get("ci").map(|key| **key), Some(KEY));
    });
}

#[test]
fn a_revision_that_changes_nothing_is_refused() {
    let the_same = ReviseKey {
        alias: Patch::Set(alias("ci")),
        models: Patch::Set(only(["gpt"])),
        kind: Patch::Set(KeyKind::ReadOnly),
        metadata: Patch::Set(json(r#"{ "a" : 1 }"#)),
        ..nothing()
    };
    for command in [nothing(), the_same] {
        given(full()).when(command).then_rejected(Rejection::NoChange(KEY));
    }
    given(full()).and(cleared()).when(cleared()).then_rejected(Rejection::NoChange(KEY));
}

#[test]
fn an_alias_is_taken_over_only_once_it_is_free() {
    let world = full().with(named(3, "cd"));
    let take = || ReviseKey { alias: Patch::Set(alias("cd")), ..nothing() };
    given(world.clone()).when(take()).then_rejected(Rejection::AliasTaken(alias("cd")));
    let renamed = world.clone().with(ReviseKey { alias: Patch::Set(alias("ef")), ..ReviseKey::nothing(key_id(3)) });
    for world in [renamed, world.with(revoke(3))] {
        given(world)
            .when(take())
            .then([revised(take())])
            .then_state(|control| assert_eq!(control.key_aliases.get("cd").map(|key| **key), Some(KEY)));
    }
}
