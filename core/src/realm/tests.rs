use super::{
    DEPTH_MAX, Event, NAME_MAX_CHARACTERS, RegisterRealm, Registered, Rejection, ResumeRealm, Resumed, ReviseRealm,
    Revised, SuspendRealm, Suspended,
};
use crate::grant;
use crate::id::RealmId;
use crate::json::Json;
use crate::limits::{Limits, LimitsPatch};
use crate::model_pattern::{Allowed, ModelPattern, PATTERNS_MAX};
use crate::patch::Patch;
use crate::stream::{Position, StreamId};
use crate::testing::given::given;
use crate::testing::samples::{id, json, only, register_realm};
use crate::testing::world::World;

fn registered(realm: &str) -> Registered {
    Registered { realm: id(realm), name: None, parent: None, limits: Limits::default(), metadata: Json::empty() }
}

fn revise(realm: &str) -> ReviseRealm {
    ReviseRealm { realm: id(realm), name: Patch::Keep, limits: LimitsPatch::default(), metadata: Patch::Keep }
}

fn suspend(realm: &str) -> SuspendRealm {
    SuspendRealm { realm: id(realm) }
}

fn resume(realm: &str) -> ResumeRealm {
    ResumeRealm { realm: id(realm) }
}

/// Realms `1` to `depth`, each in the one before.
fn nested(depth: usize) -> World {
    let within = |world: World, level: usize| {
        let parent = (level > 1).then(|| (level - 1).to_string());
        world.with_realm(&level.to_string(), parent.as_deref())
    };
    (1..=depth).fold(World::empty(), within)
}

#[test]
fn a_registered_realm_is_all_that_was_asked_for() {
    let limits = Limits { requests_per_minute: Some(60), tokens_per_minute: Some(0), parallel_requests: Some(7) };
    given(World::empty().with_realm("acme", None))
        .when(RegisterRealm {
            realm: id("acme/research"),
            name: Some("Research".to_owned()),
            parent: Some(id("acme")),
            models: None,
            limits,
            metadata: json(r#"{"cost_center":7}"#),
        })
        .then([Event::Registered(Registered {
            realm: id("acme/research"),
            name: Some("Research".to_owned()),
            parent: Some(id("acme")),
            limits,
            metadata: json(r#"{"cost_center":7}"#),
        })])
        .then_planned(|planned| {
            assert_eq!(planned[0].recorded.stream, StreamId::realm(&id("acme/research")));
            assert_eq!(planned[0].recorded.realm, Some(id("acme/research")));
            assert_eq!(planned[0].cause, [Position::new(1)]);
        })
        .then_state(|control| {
            let realm = control.realms.get("acme/research").unwrap();
            assert_eq!(realm.name.as_deref(), Some("Research"));
            assert_eq!(realm.parent, Some(id("acme")));
            assert_eq!(realm.limits, limits);
            assert_eq!(realm.metadata, json(r#"{"cost_center":7}"#));
            assert_eq!(realm.suspended, None);
            assert_eq!(realm.trail.version, 1);
            assert_eq!(realm.trail.created, realm.trail.changed);
            assert!(!control.grants.contains("acme/research"), "it is granted nothing unless asked for");
        });
}

#[test]
fn a_realm_registered_with_models_is_granted_them_by_a_second_event() {
    given(World::empty())
        .when(RegisterRealm { models: Some(only(["gpt", "acme/*"])), ..register_realm("acme") })
        .then([
            crate::event::Event::from(Event::Registered(registered("acme"))),
            grant::Event::Replaced(grant::Replaced { realm: id("acme"), models: only(["gpt", "acme/*"]) }).into(),
        ])
        .then_planned(|planned| assert_eq!(planned[1].recorded.stream, StreamId::grant(&id("acme"))))
        .then_state(|control| assert_eq!(control.grants.get("acme").unwrap().allowed, only(["gpt", "acme/*"])));
}

#[test]
fn a_realm_is_registered_once() {
    let rejection = Rejection::AlreadyRegistered(id("default"));
    given(World::new()).when(register_realm("default")).then_rejected(rejection.clone());
    given(World::new()).and(suspend("default")).when(register_realm("default")).then_rejected(rejection);
}

#[test]
fn a_realm_nests_only_in_one_that_is_registered() {
    let orphan = RegisterRealm { parent: Some(id("gone")), ..register_realm("acme") };
    given(World::new()).when(orphan).then_rejected(Rejection::NotRegistered(id("gone")));
    let own_parent = RegisterRealm { parent: Some(id("acme")), ..register_realm("acme") };
    given(World::new()).when(own_parent).then_rejected(Rejection::NotRegistered(id("acme")));
}

#[test]
fn realms_nest_to_the_limit_and_no_deeper() {
    let deepest = RegisterRealm { parent: Some(id(&(DEPTH_MAX - 1).to_string())), ..register_realm("deepest") };
    given(nested(DEPTH_MAX - 1))
        .when(deepest)
        .then([Event::Registered(Registered {
            parent: Some(id(&(DEPTH_MAX - 1).to_string())),
            ..registered("deepest")
        })])
        .then_planned(|planned| assert_eq!(planned[0].cause.len(), DEPTH_MAX - 1, "each ancestor decided"))
        .then_state(|control| assert_eq!(control.chain(&id("deepest")).count(), DEPTH_MAX))
        .when(RegisterRealm { parent: Some(id("deepest")), ..register_realm("deeper") })
        .then_rejected(Rejection::TooDeep(id("deepest")));
}

#[test]
fn the_name_of_a_realm_has_a_length() {
    for name in [String::new(), "x".repeat(NAME_MAX_CHARACTERS + 1)] {
        let named = RegisterRealm { name: Some(name.clone()), ..register_realm("acme") };
        given(World::new()).when(named).then_rejected(Rejection::Name);
        let renamed = ReviseRealm { name: Patch::Set(name), ..revise("default") };
        given(World::new()).when(renamed).then_rejected(Rejection::Name);
    }
    let longest = "模".repeat(NAME_MAX_CHARACTERS);
    let named = RegisterRealm { name: Some(longest.clone()), ..register_realm("acme") };
    given(World::new()).when(named).then([Event::Registered(Registered { name: Some(longest), ..registered("acme") })]);
}

#[test]
fn a_realm_is_registered_with_as_many_models_as_can_be_granted_and_no_more() {
    let models = |count: usize| {
        let pattern = |number: usize| ModelPattern::new(format!("model-{number}")).unwrap();
        Allowed::Only((0..count).map(pattern).collect())
    };
    let register = |count| RegisterRealm { models: Some(models(count)), ..register_realm("acme") };
    given(World::new()).when(register(PATTERNS_MAX + 1)).then_rejected(Rejection::TooManyPatterns);
    assert!(World::new().try_carry_out(register(PATTERNS_MAX)).is_ok());
}

#[test]
fn a_revision_says_only_what_changes() {
    let before = RegisterRealm {
        name: Some("Acme".to_owned()),
        limits: Limits { requests_per_minute: Some(60), tokens_per_minute: Some(9), parallel_requests: None },
        metadata: json(r#"{"a":1}"#),
        ..register_realm("acme")
    };
    let limits = LimitsPatch {
        requests_per_minute: Patch::Set(60),
        tokens_per_minute: Patch::Clear,
        parallel_requests: Patch::Set(3),
    };
    let revised =
        LimitsPatch { tokens_per_minute: Patch::Clear, parallel_requests: Patch::Set(3), ..LimitsPatch::default() };
    given(World::empty().with(before))
        .when(ReviseRealm {
            name: Patch::Set("Acme".to_owned()),
            limits,
            metadata: Patch::Set(json(r#"{"a":2}"#)),
            ..revise("acme")
        })
        .then([Event::Revised(Revised {
            realm: id("acme"),
            name: Patch::Keep,
            limits: revised,
            metadata: Patch::Set(json(r#"{"a":2}"#)),
        })])
        .then_planned(|planned| assert_eq!(planned[0].cause, [Position::new(1)]))
        .then_state(|control| {
            let realm = control.realms.get("acme").unwrap();
            let limits = Limits { requests_per_minute: Some(60), tokens_per_minute: None, parallel_requests: Some(3) };
            assert_eq!((realm.name.as_deref(), realm.limits), (Some("Acme"), limits));
            assert_eq!(realm.metadata, json(r#"{"a":2}"#));
            assert_eq!(
                (realm.trail.created.position, realm.trail.changed.position),
                (Position::new(1), Position::new(2))
            );
        })
        .when(ReviseRealm { name: Patch::Clear, metadata: Patch::Clear, ..revise("acme") })
        .then([Event::Revised(Revised {
            realm: id("acme"),
            name: Patch::Clear,
            limits: LimitsPatch::default(),
            metadata: Patch::Clear,
        })])
        .then_state(|control| {
            let realm = control.realms.get("acme").unwrap();
            assert_eq!((realm.name.as_deref(), &realm.metadata), (None, &Json::empty()));
        });
}

#[test]
fn a_revision_that_changes_nothing_is_refused() {
    let nothing_to_clear = ReviseRealm {
        name: Patch::Clear,
        limits: LimitsPatch { requests_per_minute: Patch::Clear, ..LimitsPatch::default() },
        metadata: Patch::Clear,
        ..revise("default")
    };
    let the_same = ReviseRealm { metadata: Patch::Set(Json::empty()), ..revise("default") };
    for command in [revise("default"), nothing_to_clear, the_same] {
        given(World::new()).when(command).then_rejected(Rejection::NoChange(RealmId::default_realm()));
    }
}

#[test]
fn a_realm_is_suspended_and_resumed_by_turns() {
    given(World::new())
        .when(suspend("default"))
        .then([Event::Suspended(Suspended { realm: RealmId::default_realm() })])
        .then_state(|control| {
            let realm = control.realms.get("default").unwrap();
            assert_eq!((realm.suspended, realm.trail.version), (Some(realm.trail.changed.position), 2));
        })
        .when(resume("default"))
        .then([Event::Resumed(Resumed { realm: RealmId::default_realm() })])
        .then_state(|control| {
            let realm = control.realms.get("default").unwrap();
            assert_eq!((realm.suspended, realm.trail.version), (None, 3));
        })
        .when(resume("default"))
        .then_rejected(Rejection::NotSuspended(RealmId::default_realm()));
    given(World::new())
        .and(suspend("default"))
        .when(suspend("default"))
        .then_rejected(Rejection::AlreadySuspended(RealmId::default_realm()));
}

#[test]
fn nothing_is_asked_of_a_realm_that_is_not_registered() {
    let unknown = || Rejection::NotRegistered(id("gone"));
    given(World::new()).when(revise("gone")).then_rejected(unknown());
    given(World::new()).when(suspend("gone")).then_rejected(unknown());
    given(World::new()).when(resume("gone")).then_rejected(unknown());
}

#[test]
fn what_happens_to_a_realm_that_is_not_there_changes_nothing() {
    let mut world = World::empty();
    let realm = RealmId::default_realm();
    for event in [
        Event::Revised(Revised {
            realm: realm.clone(),
            name: Patch::Clear,
            limits: LimitsPatch::default(),
            metadata: Patch::Keep,
        }),
        Event::Suspended(Suspended { realm: realm.clone() }),
        Event::Resumed(Resumed { realm: realm.clone() }),
    ] {
        world.happen(Some(realm.clone()), StreamId::realm(&realm), event);
    }
    assert!(world.control.realms.is_empty());
}
