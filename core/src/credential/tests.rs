use std::collections::BTreeSet;

use super::{
    Event, HOSTS_MAX, Rejection, RemoveCredential, Removed, ReplaceSecret, SecretReplaced, StoreCredential, Stored,
};
use crate::realm;
use crate::registry::{NewDeployment, RegisterModel, RemoveDeployment, RetireModel, ReviseDeployment};
use crate::secret::{SealedSecret, SecretSource};
use crate::stream::{Position, StreamId};
use crate::testing::given::given;
use crate::testing::samples::{
    credential_id, id, model_id, new_deployment, register_model, revise_deployment, store_credential,
};
use crate::testing::world::World;

fn sealed() -> SecretSource {
    SecretSource::Sealed(SealedSecret { key_id: "ab".to_owned(), nonce: [7; 24], ciphertext: vec![1, 2, 3] })
}

fn remove(number: u128) -> RemoveCredential {
    RemoveCredential { credential: credential_id(number) }
}

fn replace_secret(number: u128) -> ReplaceSecret {
    ReplaceSecret { credential: credential_id(number), secret: sealed() }
}

fn stored(world: World) -> World {
    world.with(store_credential(1))
}

/// A model of number 1 whose deployments `a` and `b` use the credential of number 1.
fn in_use() -> World {
    let with = |deployment| NewDeployment { credential: Some(credential_id(1)), ..new_deployment(deployment) };
    let model = RegisterModel { deployments: vec![with("a"), with("b")], ..register_model(1, "gpt") };
    stored(World::new()).with(model)
}

#[test]
fn a_stored_credential_is_all_that_was_asked_for() {
    let hosts = BTreeSet::from(["api.acme.example".to_owned(), "models:11434".to_owned(), "[::1]:8080".to_owned()]);
    let store = StoreCredential {
        realm: id("acme"),
        name: "Acme".to_owned(),
        secret: sealed(),
        hosts: hosts.clone(),
        ..store_credential(1)
    };
    given(World::empty().with_realm("acme", None))
        .when(store)
        .then([Event::Stored(Stored {
            credential: credential_id(1),
            realm: id("acme"),
            name: "Acme".to_owned(),
            secret: sealed(),
            hosts: hosts.clone(),
        })])
        .then_planned(|planned| {
            assert_eq!(planned[0].recorded.stream, StreamId::credential(credential_id(1)));
            assert_eq!(planned[0].recorded.realm, Some(id("acme")));
            assert_eq!(planned[0].cause, [Position::new(1)]);
        })
        .then_state(|control| {
            let credential = control.credentials.get(&credential_id(1)).unwrap();
            assert_eq!((credential.realm.as_str(), credential.name.as_str()), ("acme", "Acme"));
            assert_eq!((&credential.secret, &credential.hosts), (&Some(sealed()), &hosts));
            assert_eq!(credential.trail.version, 1);
        });
}

#[test]
fn a_credential_belongs_to_a_realm_that_is_registered() {
    let homeless = StoreCredential { realm: id("gone"), ..store_credential(1) };
    let unknown = Rejection::Realm(realm::Rejection::NotRegistered(id("gone")));
    given(World::new()).when(homeless).then_rejected(unknown);
}

#[test]
fn the_id_of_a_credential_is_taken_for_ever() {
    let taken = || Rejection::AlreadyStored(credential_id(1));
    given(stored(World::new())).when(store_credential(1)).then_rejected(taken());
    given(stored(World::new())).and(remove(1)).when(store_credential(1)).then_rejected(taken());
}

#[test]
fn a_credential_is_bound_to_hosts_and_to_nothing_else() {
    let of = |hosts: Vec<String>| StoreCredential { hosts: hosts.into_iter().collect(), ..store_credential(1) };
    for wrong in ["", "API.acme.example", "https://api.acme.example", "acme.example/v1", "me@acme.example", "a b", "ä"]
    {
        given(World::new()).when(of(vec![wrong.to_owned()])).then_rejected(Rejection::Hosts);
    }
    let many = |count: usize| (0..count).map(|number| format!("host-{number}.example")).collect::<Vec<_>>();
    given(World::new()).when(of(Vec::new())).then_rejected(Rejection::Hosts);
    given(World::new()).when(of(many(HOSTS_MAX + 1))).then_rejected(Rejection::Hosts);
    given(World::new()).when(of(vec!["x".repeat(261)])).then_rejected(Rejection::Hosts);
    assert!(World::new().try_carry_out(of(many(HOSTS_MAX))).is_ok());
}

#[test]
fn the_name_of_a_credential_has_a_length() {
    for name in [String::new(), "x".repeat(257)] {
        let command = StoreCredential { name, ..store_credential(1) };
        given(World::new()).when(command).then_rejected(Rejection::Name);
    }
    let longest = StoreCredential { name: "模".repeat(256), ..store_credential(1) };
    assert!(World::new().try_carry_out(longest).is_ok());
}

#[test]
fn a_secret_is_replaced_and_the_hosts_stay() {
    given(stored(World::new()))
        .when(replace_secret(1))
        .then([Event::SecretReplaced(SecretReplaced { credential: credential_id(1), secret: sealed() })])
        .then_planned(|planned| assert_eq!(planned[0].cause, [Position::new(3)]))
        .then_state(|control| {
            let credential = control.credentials.get(&credential_id(1)).unwrap();
            assert_eq!(credential.secret, Some(sealed()));
            assert_eq!(credential.hosts, store_credential(1).hosts);
            assert_eq!(credential.trail.version, 2);
        });
}

#[test]
fn a_removed_credential_keeps_its_row_and_loses_its_secret() {
    given(stored(World::new()))
        .when(remove(1))
        .then([Event::Removed(Removed { credential: credential_id(1) })])
        .then_state(|control| {
            let credential = control.credentials.get(&credential_id(1)).unwrap();
            assert_eq!((&credential.secret, credential.trail.version), (&None, 2));
        })
        .when(remove(1))
        .then_rejected(Rejection::NotStored(credential_id(1)));
}

#[test]
fn nothing_is_asked_of_a_credential_that_is_not_there() {
    let gone = |world| given(world);
    gone(World::new()).when(replace_secret(1)).then_rejected(Rejection::NotStored(credential_id(1)));
    gone(World::new()).when(remove(1)).then_rejected(Rejection::NotStored(credential_id(1)));
    gone(stored(World::new()).with(remove(1)))
        .when(replace_secret(1))
        .then_rejected(Rejection::NotStored(credential_id(1)));
}

#[test]
fn a_credential_stays_while_a_deployment_uses_it() {
    let in_use_by = |deployment| Rejection::InUse { credential: credential_id(1), deployment: id(deployment) };
    let remove_deployment = |deployment| RemoveDeployment { model: model_id(1), deployment: id(deployment) };
    given(in_use()).when(remove(1)).then_rejected(in_use_by("a"));
    given(in_use()).and(remove_deployment("a")).when(remove(1)).then_rejected(in_use_by("b"));
    let all_removed = in_use().with(remove_deployment("a")).with(remove_deployment("b"));
    let model_retired = in_use().with(RetireModel { model: model_id(1) });
    let without = |deployment| ReviseDeployment {
        credential: crate::patch::Patch::Clear,
        ..revise_deployment(model_id(1), deployment)
    };
    let changed_over = in_use().with(without("a")).with(without("b"));
    for world in [all_removed, model_retired, changed_over] {
        given(world).when(remove(1)).then([Event::Removed(Removed { credential: credential_id(1) })]);
    }
}
