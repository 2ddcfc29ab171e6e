//! Deployments and prices of a model.

use super::{added, priced, retire, unpriced};
use crate::credential;
use crate::id::RealmId;
use crate::json::Json;
use crate::patch::Patch;
use crate::registry::{
    AddDeployment, DEPLOYMENTS_MAX, DeploymentAdded, DeploymentRemoved, DeploymentRevised, Event, ModelRetired,
    NewDeployment, PriceInForce, PriceRevised, RegisterModel, Rejection, RemoveDeployment, ReviseDeployment,
    RevisePrice, WEIGHT_MAX,
};
use crate::stream::Position;
use crate::testing::given::given;
use crate::testing::samples::{
    credential_id, id, json, model_id, new_deployment, price, register_model, revise_deployment, store_credential,
};
use crate::testing::world::World;

fn add(deployment: NewDeployment) -> AddDeployment {
    AddDeployment { model: model_id(1), deployment }
}

fn remove(deployment: &str) -> RemoveDeployment {
    RemoveDeployment { model: model_id(1), deployment: id(deployment) }
}

fn revise() -> ReviseDeployment {
    revise_deployment(model_id(1), "gpt")
}

fn revise_price(price: Option<crate::price::Price>) -> RevisePrice {
    RevisePrice { model: model_id(1), deployment: id("gpt"), price }
}

fn field(field: &'static str, expected: &'static str) -> Rejection {
    Rejection::Field { field, expected }
}

/// What is wrong with a deployment, and the rejection that says so. Each holds for a new one and for a revision.
fn wrong() -> Vec<(NewDeployment, ReviseDeployment, Rejection)> {
    let new = || new_deployment("new");
    let url = "is an http or https URL of at most 1024 bytes, without user name, query or fragment, to a host and port that may be called";
    let name = "is a name of 1 to 256 visible characters";
    let base_url = |text: &str| {
        let new = NewDeployment { base_url: Some(text.to_owned()), ..new() };
        (new, ReviseDeployment { base_url: Patch::Set(text.to_owned()), ..revise() }, field("base_url", url))
    };
    let upstream = |text: &str| {
        let new = NewDeployment { upstream_model: text.to_owned(), ..new() };
        (
            new,
            ReviseDeployment { upstream_model: Patch::Set(text.to_owned()), ..revise() },
            field("upstream_model", name),
        )
    };
    vec![
        (
            NewDeployment { vendor: id("nobody"), ..new() },
            ReviseDeployment { vendor: Patch::Set(id("nobody")), ..revise() },
            Rejection::UnknownVendor(id("nobody")),
        ),
        upstream(""),
        upstream("a\nb"),
        upstream(&"x".repeat(257)),
        base_url(""),
        base_url("acme.example"),
        base_url("https://user:password@acme.example"),
        base_url("https://acme.example/v1?key=1"),
        base_url("http://169.254.169.254/latest"),
        base_url("https://metadata.google.internal/v1"),
        base_url("http://localhost:4222"),
        (
            NewDeployment { weight: WEIGHT_MAX + 1, ..new() },
            ReviseDeployment { weight: Patch::Set(WEIGHT_MAX + 1), ..revise() },
            field("weight", "is at most 1000000"),
        ),
        (
            NewDeployment { max_output_tokens: Some(0), ..new() },
            ReviseDeployment { max_output_tokens: Patch::Set(0), ..revise() },
            field("max_output_tokens", "is at least 1"),
        ),
        (
            NewDeployment { credential: Some(credential_id(9)), ..new() },
            ReviseDeployment { credential: Patch::Set(credential_id(9)), ..revise() },
            Rejection::Credential(credential::Rejection::NotStored(credential_id(9))),
        ),
    ]
}

#[test]
fn a_deployment_is_added_to_a_model_with_its_price() {
    given(World::small())
        .when(add(new_deployment("eu")))
        .then([Event::DeploymentAdded(added(1, "eu")), priced(1, "eu")])
        .then_planned(|planned| assert_eq!(planned[0].cause, [Position::new(5)]))
        .then_state(|control| {
            let model = control.models.get(&model_id(1)).unwrap();
            let ids: Vec<_> = model.deployments.iter().map(|deployment| deployment.id.as_str()).collect();
            assert_eq!((ids.as_slice(), model.trail.version), (["gpt", "eu"].as_slice(), 5));
            assert_eq!(control.deployments.get("eu").map(|model| **model), Some(model_id(1)));
        })
        .when(add(unpriced("us")))
        .then([Event::DeploymentAdded(DeploymentAdded { deployment: id("us"), ..added(1, "us") })]);
}

#[test]
fn a_deployment_is_not_added_twice_nor_to_a_full_model_nor_to_none() {
    given(World::small()).when(add(new_deployment("gpt"))).then_rejected(Rejection::DeploymentExists(id("gpt")));
    let full = RegisterModel {
        deployments: (0..DEPLOYMENTS_MAX).map(|number| unpriced(&number.to_string())).collect(),
        ..register_model(1, "gpt")
    };
    given(World::new().with(full)).when(add(new_deployment("eu"))).then_rejected(Rejection::DeploymentCount);
    given(World::new()).when(add(new_deployment("eu"))).then_rejected(Rejection::NotRegistered(model_id(1)));
    given(World::small().with(retire(1)))
        .when(add(new_deployment("eu")))
        .then_rejected(Rejection::NotRegistered(model_id(1)));
}

#[test]
fn a_field_out_of_range_is_refused_in_every_command_that_sets_it() {
    for (new, revision, rejection) in wrong() {
        let register = RegisterModel { deployments: vec![new.clone()], ..register_model(2, "other") };
        given(World::small()).when(register).then_rejected(rejection.clone());
        given(World::small()).when(add(new)).then_rejected(rejection.clone());
        given(World::small()).when(revision).then_rejected(rejection);
    }
    let widest = NewDeployment { weight: WEIGHT_MAX, max_output_tokens: Some(u64::MAX), ..new_deployment("new") };
    assert!(World::small().try_carry_out(add(widest)).is_ok());
}

#[test]
fn a_deployment_uses_a_credential_of_its_realm_or_a_parent_and_of_no_other_tenant() {
    let world = || World::new().with_realm("root", None).with_realm("leaf", Some("root")).with_realm("other", None);
    let stored_in = |realm: &str| {
        let store = credential::StoreCredential { realm: id(realm), ..store_credential(1) };
        world().with(store)
    };
    let deployment = || NewDeployment { credential: Some(credential_id(1)), ..new_deployment("d") };
    let register = || RegisterModel { realm: id("leaf"), deployments: vec![deployment()], ..register_model(1, "gpt") };
    for realm in ["leaf", "root"] {
        assert!(stored_in(realm).try_carry_out(register()).is_ok(), "{realm}");
    }
    for realm in ["other", "default"] {
        let hidden = || Rejection::Credential(credential::Rejection::NotStored(credential_id(1)));
        given(stored_in(realm)).when(register()).then_rejected(hidden());
        let bare = stored_in(realm).with_model(1, "leaf", "gpt");
        given(bare.clone()).when(add(deployment())).then_rejected(hidden());
        let revision =
            ReviseDeployment { credential: Patch::Set(credential_id(1)), ..revise_deployment(model_id(1), "leaf/gpt") };
        given(bare).when(revision).then_rejected(hidden());
    }
}

#[test]
fn a_revision_says_only_what_changes() {
    let url = || Patch::Set("http://localhost:9000/v1".to_owned());
    given(World::small().with(store_credential(1)))
        .when(ReviseDeployment {
            vendor: Patch::Set(id("acme")),
            upstream_model: Patch::Set("newer".to_owned()),
            base_url: url(),
            credential: Patch::Set(credential_id(1)),
            weight: Patch::Set(9),
            max_output_tokens: Patch::Clear,
            info: Patch::Set(json(r#"{"a":1}"#)),
            params: Patch::Clear,
            ..revise()
        })
        .then([Event::DeploymentRevised(DeploymentRevised {
            model: model_id(1),
            deployment: id("gpt"),
            vendor: Patch::Keep,
            upstream_model: Patch::Set("newer".to_owned()),
            base_url: url(),
            credential: Patch::Set(credential_id(1)),
            weight: Patch::Set(9),
            max_output_tokens: Patch::Clear,
            info: Patch::Set(json(r#"{"a":1}"#)),
            params: Patch::Keep,
        })])
        .then_planned(|planned| assert_eq!(planned[0].cause, [Position::new(7), Position::new(5)]))
        .then_state(|control| {
            let model = control.models.get(&model_id(1)).unwrap();
            let deployment = &model.deployments[0];
            assert_eq!(deployment.upstream_model, "newer");
            assert_eq!(deployment.base_url.as_deref(), Some("http://localhost:9000/v1"));
            assert_eq!((deployment.credential, deployment.weight), (Some(credential_id(1)), 9));
            assert_eq!((deployment.max_output_tokens, &deployment.info), (None, &json(r#"{"a":1}"#)));
            assert_eq!((deployment.added.position, deployment.changed.position), (Position::new(4), Position::new(8)));
            assert_eq!(deployment.price.as_ref().map(|price| price.position), Some(Position::new(5)));
            assert_eq!(model.trail.version, 4);
        })
        .when(ReviseDeployment {
            base_url: Patch::Clear,
            credential: Patch::Clear,
            weight: Patch::Clear,
            info: Patch::Clear,
            ..revise()
        })
        .then([Event::DeploymentRevised(DeploymentRevised {
            model: model_id(1),
            deployment: id("gpt"),
            vendor: Patch::Keep,
            upstream_model: Patch::Keep,
            base_url: Patch::Clear,
            credential: Patch::Clear,
            weight: Patch::Clear,
            max_output_tokens: Patch::Keep,
            info: Patch::Clear,
            params: Patch::Keep,
        })])
        .then_state(|control| {
            let deployment = &control.models.get(&model_id(1)).unwrap().deployments[0];
            assert_eq!((&deployment.base_url, deployment.credential), (&None, None));
            assert_eq!((deployment.weight, &deployment.info), (1, &Json::empty()));
        });
}

#[test]
fn vendors_change_and_params_are_set() {
    let mut world = World::small();
    world.happen(
        Some(RealmId::default_realm()),
        crate::stream::StreamId::model(model_id(1)),
        Event::DeploymentRevised(DeploymentRevised {
            model: model_id(1),
            deployment: id("gpt"),
            vendor: Patch::Set(id("newcomer")),
            upstream_model: Patch::Keep,
            base_url: Patch::Keep,
            credential: Patch::Keep,
            weight: Patch::Keep,
            max_output_tokens: Patch::Set(7),
            info: Patch::Keep,
            params: Patch::Set(json(r#"{"b":2}"#)),
        }),
    );
    let deployment = &world.model(1).deployments[0];
    assert_eq!((deployment.vendor.as_str(), deployment.max_output_tokens), ("newcomer", Some(7)));
    assert_eq!(deployment.params, json(r#"{"b":2}"#));
}

#[test]
fn a_revision_that_changes_nothing_is_refused() {
    let nothing_to_clear = ReviseDeployment {
        base_url: Patch::Clear,
        credential: Patch::Clear,
        weight: Patch::Clear,
        info: Patch::Clear,
        params: Patch::Clear,
        ..revise()
    };
    let the_same =
        ReviseDeployment { weight: Patch::Set(1), upstream_model: Patch::Set("upstream".to_owned()), ..revise() };
    for command in [revise(), nothing_to_clear, the_same] {
        given(World::small()).when(command).then_rejected(Rejection::NoChange(model_id(1)));
    }
}

#[test]
fn what_a_deployment_cannot_do_without_is_not_cleared() {
    let vendor = ReviseDeployment { vendor: Patch::Clear, ..revise() };
    given(World::small()).when(vendor).then_rejected(field("vendor", "cannot be cleared"));
    let upstream = ReviseDeployment { upstream_model: Patch::Clear, ..revise() };
    given(World::small()).when(upstream).then_rejected(field("upstream_model", "cannot be cleared"));
}

#[test]
fn nothing_is_asked_of_a_deployment_that_is_not_there() {
    let none = || Rejection::NoDeployment(id("eu"));
    given(World::small()).when(remove("eu")).then_rejected(none());
    given(World::small()).when(ReviseDeployment { deployment: id("eu"), ..revise() }).then_rejected(none());
    given(World::small()).when(RevisePrice { deployment: id("eu"), ..revise_price(None) }).then_rejected(none());
    let retired = || given(World::small().with(retire(1)));
    let gone = || Rejection::NotRegistered(model_id(1));
    retired().when(remove("gpt")).then_rejected(gone());
    retired().when(revise()).then_rejected(gone());
    retired().when(revise_price(None)).then_rejected(gone());
}

#[test]
fn a_removed_deployment_frees_its_id_and_the_model_goes_on() {
    given(World::small().with(add(unpriced("eu"))))
        .when(remove("gpt"))
        .then([Event::DeploymentRemoved(DeploymentRemoved { model: model_id(1), deployment: id("gpt") })])
        .then_planned(|planned| assert_eq!(planned[0].cause, [Position::new(5)]))
        .then_state(|control| {
            let model = control.models.get(&model_id(1)).unwrap();
            assert_eq!((model.deployments.len(), model.retired, model.trail.version), (1, None, 5));
            assert!(!control.deployments.contains("gpt"));
        })
        .when(add(unpriced("gpt")))
        .then([Event::DeploymentAdded(DeploymentAdded { deployment: id("gpt"), ..added(1, "gpt") })])
        .then_state(|control| {
            let again = control.models.get(&model_id(1)).unwrap().deployment(&id("gpt")).cloned().unwrap();
            assert_eq!(again.price, None, "a new deployment of an old id has no price of the old one");
        });
}

#[test]
fn the_last_deployment_removed_retires_the_model() {
    given(World::small())
        .when(remove("gpt"))
        .then([
            Event::DeploymentRemoved(DeploymentRemoved { model: model_id(1), deployment: id("gpt") }),
            Event::Retired(ModelRetired { model: model_id(1) }),
        ])
        .then_state(|control| {
            let model = control.models.get(&model_id(1)).unwrap();
            assert_eq!((model.deployments.len(), model.trail.version), (0, 5));
            assert_eq!(model.retired, Some(model.trail.changed.position));
            assert!(control.model_names.is_empty() && control.deployments.is_empty());
        });
}

#[test]
fn a_price_is_revised_and_names_its_event() {
    let dearer = price().with(crate::price::Class::Output, crate::money::PicoUsd::new(9));
    let revised = |price| Event::PriceRevised(PriceRevised { model: model_id(1), deployment: id("gpt"), price });
    given(World::small())
        .when(revise_price(Some(dearer.clone())))
        .then([revised(Some(dearer.clone()))])
        .then_planned(|planned| assert_eq!(planned[0].cause, [Position::new(5)]))
        .then_state(|control| {
            let model = control.models.get(&model_id(1)).unwrap();
            let in_force = PriceInForce { position: model.trail.changed.position, price: dearer.clone() };
            assert_eq!(model.deployments[0].price, Some(in_force));
            assert_eq!(model.deployments[0].changed, model.trail.changed);
        })
        .when(revise_price(None))
        .then([revised(None)])
        .then_state(|control| assert_eq!(control.models.get(&model_id(1)).unwrap().deployments[0].price, None))
        .when(revise_price(None))
        .then_rejected(Rejection::NoChange(model_id(1)));
    given(World::small()).when(revise_price(Some(price()))).then_rejected(Rejection::NoChange(model_id(1)));
}

#[test]
fn a_deployment_without_a_price_has_the_one_of_the_list_and_another_one_stays_unpriced() {
    let listed = price().with(crate::price::Class::Output, crate::money::PicoUsd::new(7));
    let of_list =
        Event::PriceRevised(PriceRevised { model: model_id(1), deployment: id("eu"), price: Some(listed.clone()) });
    let world = || World::small().list("gpt-listed", listed.clone());
    let new = |price| NewDeployment { upstream_model: "gpt-listed".to_owned(), price, ..unpriced("eu") };
    given(world()).when(add(new(None))).then([
        Event::DeploymentAdded(DeploymentAdded { upstream_model: "gpt-listed".to_owned(), ..added(1, "eu") }),
        of_list,
    ]);
    given(world()).when(add(new(Some(price())))).then([
        Event::DeploymentAdded(DeploymentAdded { upstream_model: "gpt-listed".to_owned(), ..added(1, "eu") }),
        priced(1, "eu"),
    ]);
    given(world()).when(add(unpriced("eu"))).then([Event::DeploymentAdded(added(1, "eu"))]);
}

#[test]
fn a_price_of_the_list_follows_the_model_and_one_that_somebody_set_stays() {
    let listed = |pico| price().with(crate::price::Class::Output, crate::money::PicoUsd::new(pico));
    let world = || World::small().list("one", listed(1)).list("two", listed(2));
    let revise = |upstream: &str| ReviseDeployment {
        upstream_model: Patch::Set(upstream.to_owned()),
        ..revise_deployment(model_id(1), "eu")
    };
    let serves = |upstream: &str, price| NewDeployment { upstream_model: upstream.to_owned(), price, ..unpriced("eu") };
    let price_after = |new: NewDeployment, upstream: &str| {
        let mut world = world().with(add(new));
        world.carry_out(revise(upstream));
        let model = world.control.models.get(&model_id(1)).unwrap();
        model.deployment(&id("eu")).unwrap().price.as_ref().map(|in_force| in_force.price.clone())
    };
    assert_eq!(price_after(serves("one", None), "two"), Some(listed(2)));
    assert_eq!(price_after(serves("one", None), "unlisted"), None, "the old price is not the new model's");
    assert_eq!(price_after(serves("unlisted", None), "two"), Some(listed(2)));
    assert_eq!(price_after(serves("one", Some(listed(9))), "two"), Some(listed(9)));
}
