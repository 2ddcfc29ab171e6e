//! A secret that goes on working for a while after it was rotated away.

use super::{NOW, rotate};
use crate::admission::authenticate;
use crate::key::{BlockKey, Earlier, Event, KeyHash, OLD_SECRET_MAX_SECONDS, Rejection, RotateKey, Rotated};
use crate::testing::given::given;
use crate::testing::samples::{key_id, secret};
use crate::testing::world::World;
use crate::time::Timestamp;

fn hash(secret: &str) -> KeyHash {
    KeyHash::of_secret(secret)
}

fn in_seconds(seconds: u64) -> Timestamp {
    NOW.plus_seconds(seconds).unwrap()
}

fn with_grace(secret: &str, seconds: u64) -> RotateKey {
    RotateKey { old_until: Some(in_seconds(seconds)), ..rotate(1, secret) }
}

fn works(world: &World, secret: &str, at: Timestamp) -> bool {
    authenticate(&world.control, world.key(1), &hash(secret), at).is_ok()
}

#[test]
fn both_secrets_work_until_the_old_one_ends() {
    let until = in_seconds(60);
    given(World::small())
        .when(with_grace("sk-b", 60))
        .then([Event::Rotated(Rotated {
            key: key_id(1),
            hash: hash("sk-b"),
            shown: "sk-...new1".to_owned(),
            old_until: Some(until),
        })])
        .then_state(|control| {
            let earlier = control.keys.get(&key_id(1)).unwrap().earlier;
            assert_eq!(earlier, Some(Earlier { hash: hash(&secret(1)), until }));
        });
    let world = World::small().with(with_grace("sk-b", 60));
    assert!(works(&world, &secret(1), in_seconds(59)) && works(&world, "sk-b", in_seconds(59)));
    assert!(!works(&world, &secret(1), until) && works(&world, "sk-b", until));
}

#[test]
fn a_second_rotation_ends_the_secret_before_the_last_one() {
    let world = World::small().with(with_grace("sk-b", 60)).with(with_grace("sk-c", 60));
    assert!(!works(&world, &secret(1), NOW) && works(&world, "sk-b", NOW) && works(&world, "sk-c", NOW));
    let world = world.with(rotate(1, "sk-d"));
    assert!(!works(&world, "sk-c", NOW) && works(&world, "sk-d", NOW));
}

#[test]
fn a_blocked_key_is_refused_under_both_secrets() {
    let world = World::small().with(with_grace("sk-b", 60)).with(BlockKey { key: key_id(1) });
    assert!(!works(&world, &secret(1), NOW) && !works(&world, "sk-b", NOW));
}

#[test]
fn the_old_secret_ends_within_a_month_and_not_in_the_past() {
    let refused = |command: RotateKey| {
        given(World::small())
            .when(command)
            .then_rejected(Rejection::Field { field: "old_until", expected: "is a moment of the next 31 days" });
    };
    refused(RotateKey { old_until: Some(NOW), ..rotate(1, "sk-b") });
    refused(with_grace("sk-b", OLD_SECRET_MAX_SECONDS + 1));
    let _ = World::small().with(with_grace("sk-b", OLD_SECRET_MAX_SECONDS));
}
