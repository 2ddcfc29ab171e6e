//! Keys come and go.

mod revising;
mod rotating;

use std::collections::BTreeMap;

use super::{
    ALIASES_MAX, BlockKey, Blocked, Event, IssueKey, Issued, KeyHash, KeyKind, Rejection, ReviseKey, RevokeKey,
    Revoked, RotateKey, Rotated, UnblockKey, Unblocked,
};
use crate::id::{KeyAlias, ModelName};
use crate::limits::Limits;
use crate::model_pattern::{Allowed, ModelPattern, PATTERNS_MAX};
use crate::patch::Patch;
use crate::realm::{self, ResumeRealm, SuspendRealm};
use crate::stream::{Position, StreamId};
use crate::testing::given::given;
use crate::testing::samples::{id, issue_key, json, key_id, only, secret};
use crate::testing::world::World;
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_795_169_730_123);

fn rotate(number: u128, secret: &str) -> RotateKey {
    RotateKey { key: key_id(number), hash: KeyHash::of_secret(secret), shown: "sk-...new1".to_owned(), old_until: None }
}

fn block() -> BlockKey {
    BlockKey { key: key_id(1) }
}

fn unblock() -> UnblockKey {
    UnblockKey { key: key_id(1) }
}

fn revoke(number: u128) -> RevokeKey {
    RevokeKey { key: key_id(number) }
}

fn alias(text: &str) -> KeyAlias {
    id(text)
}

fn named(number: u128, name: &str) -> IssueKey {
    IssueKey { alias: Some(alias(name)), ..issue_key(number) }
}

fn models(count: usize) -> Allowed {
    Allowed::Only((0..count).map(|number| ModelPattern::new(format!("model-{number}")).unwrap()).collect())
}

fn aliases<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> BTreeMap<ModelName, ModelName> {
    pairs.into_iter().map(|(alias, model)| (id(alias), id(model))).collect()
}

fn field(field: &'static str) -> impl Fn(Rejection) -> bool {
    move |rejection| matches!(rejection, Rejection::Field { field: found, .. } if found == field)
}

/// The rejection of a command about a key in a world where the key of number 1 is there.
fn refused(command: impl Into<crate::command::Command>) -> Rejection {
    match World::small().try_carry_out(command) {
        Err(crate::command::Rejection::Key(rejection)) => rejection,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_issued_key_is_all_that_was_asked_for() {
    let limits = Limits { requests_per_minute: Some(1), tokens_per_minute: Some(2), parallel_requests: Some(3) };
    let issue = IssueKey {
        key: key_id(7),
        hash: KeyHash::of_secret("sk-7"),
        shown: "sk-...cafe".to_owned(),
        realm: id("acme"),
        alias: Some(alias("ci")),
        user: Some(id("ada")),
        models: only(["gpt", "acme/*"]),
        aliases: aliases([("fast", "gpt")]),
        limits,
        expires_at: Some(NOW.plus_seconds(1).unwrap()),
        blocked: true,
        kind: KeyKind::LlmApi,
        metadata: json(r#"{"team":"x"}"#),
    };
    let issued = Event::Issued(Issued {
        key: key_id(7),
        hash: KeyHash::of_secret("sk-7"),
        shown: "sk-...cafe".to_owned(),
        realm: id("acme"),
        alias: Some(alias("ci")),
        user: Some(id("ada")),
        models: only(["gpt", "acme/*"]),
        aliases: aliases([("fast", "gpt")]),
        limits,
        expires_at: Some(NOW.plus_seconds(1).unwrap()),
        blocked: true,
        kind: KeyKind::LlmApi,
        metadata: json(r#"{"team":"x"}"#),
    });
    given(World::empty().with_realm("acme", None))
        .when(issue)
        .then([issued])
        .then_planned(|planned| {
            assert_eq!(planned[0].recorded.stream, StreamId::key(key_id(7)));
            assert_eq!(planned[0].recorded.realm, Some(id("acme")));
            assert_eq!(planned[0].cause, [Position::new(1)]);
        })
        .then_state(|control| {
            let key = control.keys.get(&key_id(7)).unwrap();
            let here = Position::new(3);
            assert_eq!((key.id, key.hash, key.shown.as_str()), (key_id(7), KeyHash::of_secret("sk-7"), "sk-...cafe"));
            assert_eq!((key.realm.as_str(), &key.alias, &key.user), ("acme", &Some(alias("ci")), &Some(id("ada"))));
            assert_eq!((&key.models, key.models_set), (&only(["gpt", "acme/*"]), here));
            assert_eq!((&key.aliases, key.limits), (&aliases([("fast", "gpt")]), limits));
            assert_eq!((key.expires_at, key.expiry_set), (Some(NOW.plus_seconds(1).unwrap()), here));
            assert_eq!((key.blocked, key.revoked, key.kind), (Some(here), None, KeyKind::LlmApi));
            assert_eq!((&key.metadata, key.trail.version), (&json(r#"{"team":"x"}"#), 1));
            assert_eq!(control.key_hashes.get(&KeyHash::of_secret("sk-7")).map(|key| **key), Some(key_id(7)));
            assert_eq!(control.key_aliases.get("ci").map(|key| **key), Some(key_id(7)));
        });
}

#[test]
fn a_key_belongs_to_a_realm_that_is_registered_and_served() {
    let unknown = Rejection::Realm(realm::Rejection::NotRegistered(id("gone")));
    given(World::new()).when(IssueKey { realm: id("gone"), ..issue_key(1) }).then_rejected(unknown);
    let nested = World::new().with_realm("root", None).with_realm("leaf", Some("root"));
    let in_leaf = || IssueKey { realm: id("leaf"), ..issue_key(1) };
    for suspended in ["leaf", "root"] {
        let world = nested.clone().with(SuspendRealm { realm: id(suspended) });
        given(world.clone()).when(in_leaf()).then_rejected(Rejection::RealmSuspended(id("leaf")));
        assert!(world.with(ResumeRealm { realm: id(suspended) }).try_carry_out(in_leaf()).is_ok());
    }
    assert!(nested.with(SuspendRealm { realm: id("default") }).try_carry_out(in_leaf()).is_ok());
}

#[test]
fn the_id_of_a_key_is_taken_for_ever() {
    let again = || IssueKey { hash: KeyHash::of_secret("sk-other"), ..issue_key(1) };
    given(World::small()).when(again()).then_rejected(Rejection::AlreadyIssued(key_id(1)));
    given(World::small()).and(revoke(1)).when(again()).then_rejected(Rejection::AlreadyIssued(key_id(1)));
}

#[test]
fn a_secret_is_one_keys_for_ever_even_after_rotation_and_revocation() {
    let same_secret = || IssueKey { hash: KeyHash::of_secret(&secret(1)), ..issue_key(2) };
    given(World::small()).when(same_secret()).then_rejected(Rejection::HashTaken);
    given(World::small()).and(revoke(1)).when(same_secret()).then_rejected(Rejection::HashTaken);
    given(World::small()).and(rotate(1, "sk-b")).when(same_secret()).then_rejected(Rejection::HashTaken);
    given(World::small()).when(rotate(1, &secret(1))).then_rejected(Rejection::HashTaken);
    let rotated_twice = World::small().with(rotate(1, "sk-b")).with(rotate(1, "sk-c"));
    given(rotated_twice).when(rotate(1, &secret(1))).then_rejected(Rejection::HashTaken);
}

#[test]
fn an_alias_is_unique_over_all_realms_until_its_key_is_revoked() {
    let world = || World::small().with_realm("acme", None).with(named(2, "ci"));
    let elsewhere = || IssueKey { realm: id("acme"), ..named(3, "ci") };
    given(world()).when(elsewhere()).then_rejected(Rejection::AliasTaken(alias("ci")));
    let mut freed = world().with(revoke(2));
    assert!(!freed.control.key_aliases.contains("ci"));
    freed.carry_out(elsewhere());
    assert_eq!(freed.control.key_aliases.get("ci").map(|key| **key), Some(key_id(3)));
    assert_eq!(freed.key(2).alias, Some(alias("ci")), "what the revoked key was called can still be told");
}

#[test]
fn only_the_last_four_characters_of_a_secret_may_be_shown() {
    for shown in ["", "sk-", "sk-...12345", "sk-secret-of-key", "sk-...a b", "sk-...ä", "...abcd"] {
        let issue = IssueKey { shown: shown.to_owned(), ..issue_key(2) };
        assert!(field("shown")(refused(issue)), "{shown:?}");
        let rotate = RotateKey { shown: shown.to_owned(), ..rotate(1, "sk-b") };
        assert!(field("shown")(refused(rotate)), "{shown:?}");
    }
    for shown in ["sk-...", "sk-...a", "sk-...abcd"] {
        let issue = IssueKey { shown: shown.to_owned(), ..issue_key(2) };
        assert!(World::small().try_carry_out(issue).is_ok(), "{shown:?}");
    }
}

#[test]
fn a_key_has_as_many_models_and_aliases_as_there_may_be_and_no_more() {
    let pairs = |count: usize| -> BTreeMap<ModelName, ModelName> {
        (0..count).map(|number| (id(&format!("alias-{number}")), id("gpt"))).collect()
    };
    assert!(field("models")(refused(IssueKey { models: models(PATTERNS_MAX + 1), ..issue_key(2) })));
    assert!(field("aliases")(refused(IssueKey { aliases: pairs(ALIASES_MAX + 1), ..issue_key(2) })));
    let full = IssueKey { models: models(PATTERNS_MAX), aliases: pairs(ALIASES_MAX), ..issue_key(2) };
    assert!(World::small().try_carry_out(full).is_ok());
    let revision = || ReviseKey::nothing(key_id(1));
    assert!(field("models")(refused(ReviseKey { models: Patch::Set(models(PATTERNS_MAX + 1)), ..revision() })));
    assert!(field("aliases")(refused(ReviseKey { aliases: Patch::Set(pairs(ALIASES_MAX + 1)), ..revision() })));
}

#[test]
fn an_alias_of_a_model_leads_to_a_model_and_never_to_an_alias() {
    for chain in [aliases([("a", "b"), ("b", "gpt")]), aliases([("a", "a")]), aliases([("a", "b"), ("b", "a")])] {
        assert!(field("aliases")(refused(IssueKey { aliases: chain.clone(), ..issue_key(2) })));
        let revision = ReviseKey { aliases: Patch::Set(chain), ..ReviseKey::nothing(key_id(1)) };
        assert!(field("aliases")(refused(revision)));
    }
}

#[test]
fn a_key_expires_later_than_now() {
    for expires_at in [NOW, Timestamp::from_millis(NOW.millis() - 1), Timestamp::from_millis(0)] {
        let issue = IssueKey { expires_at: Some(expires_at), ..issue_key(2) };
        assert_eq!(refused(issue), Rejection::ExpiryInPast { expires_at, now: NOW });
        let revision = ReviseKey { expires_at: Patch::Set(expires_at), ..ReviseKey::nothing(key_id(1)) };
        assert_eq!(refused(revision), Rejection::ExpiryInPast { expires_at, now: NOW });
    }
    let soonest = IssueKey { expires_at: Some(Timestamp::from_millis(NOW.millis() + 1)), ..issue_key(2) };
    assert!(World::small().try_carry_out(soonest).is_ok());
}

#[test]
fn a_rotated_key_has_the_new_secret_and_still_owns_the_old_one() {
    let (old, new) = (KeyHash::of_secret(&secret(1)), KeyHash::of_secret("sk-b"));
    given(World::small())
        .when(rotate(1, "sk-b"))
        .then([Event::Rotated(Rotated { key: key_id(1), hash: new, shown: "sk-...new1".to_owned(), old_until: None })])
        .then_planned(|planned| assert_eq!(planned[0].cause, [Position::new(6)]))
        .then_state(|control| {
            let key = control.keys.get(&key_id(1)).unwrap();
            assert_eq!((key.hash, key.shown.as_str(), key.trail.version), (new, "sk-...new1", 2));
            for hash in [old, new] {
                assert_eq!(control.key_hashes.get(&hash).map(|key| **key), Some(key_id(1)));
            }
        });
}

#[test]
fn a_key_is_blocked_and_unblocked_by_turns() {
    given(World::small())
        .when(block())
        .then([Event::Blocked(Blocked { key: key_id(1) })])
        .then_state(|control| {
            let key = control.keys.get(&key_id(1)).unwrap();
            assert_eq!((key.blocked, key.trail.version), (Some(key.trail.changed.position), 2));
        })
        .when(unblock())
        .then([Event::Unblocked(Unblocked { key: key_id(1) })])
        .then_state(|control| assert_eq!(control.keys.get(&key_id(1)).unwrap().blocked, None))
        .when(unblock())
        .then_rejected(Rejection::NotBlocked(key_id(1)));
    given(World::small()).and(block()).when(block()).then_rejected(Rejection::AlreadyBlocked(key_id(1)));
    let born_blocked = World::small().with(IssueKey { blocked: true, ..issue_key(2) });
    given(born_blocked).when(UnblockKey { key: key_id(2) }).then([Event::Unblocked(Unblocked { key: key_id(2) })]);
}

#[test]
fn a_revoked_key_stays_revoked() {
    given(World::small())
        .when(revoke(1))
        .then([Event::Revoked(Revoked { key: key_id(1) })])
        .then_state(|control| {
            let key = control.keys.get(&key_id(1)).unwrap();
            assert_eq!((key.revoked, key.trail.version), (Some(key.trail.changed.position), 2));
            assert_eq!(control.key_hashes.get(&key.hash).map(|key| **key), Some(key_id(1)));
        })
        .when(revoke(1))
        .then_rejected(Rejection::NotIssued(key_id(1)));
}

#[test]
fn nothing_is_asked_of_a_key_that_is_not_there() {
    for (world, number) in [(World::small(), 9), (World::small().with(revoke(1)), 1)] {
        let key = key_id(number);
        let gone = || Rejection::NotIssued(key);
        given(world.clone())
            .when(ReviseKey { user: Patch::Set(id("ada")), ..ReviseKey::nothing(key) })
            .then_rejected(gone());
        given(world.clone()).when(rotate(number, "sk-b")).then_rejected(gone());
        given(world.clone()).when(BlockKey { key }).then_rejected(gone());
        given(world.clone()).when(UnblockKey { key }).then_rejected(gone());
        given(world).when(RevokeKey { key }).then_rejected(gone());
    }
}
