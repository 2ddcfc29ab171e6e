//! Models come and go.

mod deployments;

use super::{
    DEPLOYMENTS_MAX, DeploymentAdded, DistrustModel, Event, ModelDistrusted, ModelRegistered, ModelRetired,
    ModelTrusted, NewDeployment, PriceInForce, PriceRevised, RegisterModel, Rejection, RetireModel, RoutingSet,
    SetRouting, TrustModel,
};
use crate::control::Control;
use crate::id::{ModelName, RealmId};
use crate::model_pattern::Allowed;
use crate::money::NanoUsd;
use crate::realm;
use crate::routing::{InvalidRouting, Routing, Strategy};
use crate::scope::Scope;
use crate::selection::{ClearSelection, SelectModel};
use crate::stream::{Position, StreamId};
use crate::testing::given::given;
use crate::testing::samples::{
    credential_id, id, json, model_id, new_deployment, price, register_model, store_credential,
};
use crate::testing::world::World;

fn registered(number: u128, name: &str) -> Event {
    Event::Registered(ModelRegistered { model: model_id(number), realm: RealmId::default_realm(), name: id(name) })
}

/// What happens when [`new_deployment`] is added, its price apart.
fn added(number: u128, deployment: &str) -> DeploymentAdded {
    let new = new_deployment(deployment);
    DeploymentAdded {
        model: model_id(number),
        deployment: new.id,
        vendor: new.vendor,
        upstream_model: new.upstream_model,
        base_url: None,
        credential: None,
        weight: new.weight,
        max_output_tokens: new.max_output_tokens,
        info: new.info,
        params: new.params,
    }
}

fn priced(number: u128, deployment: &str) -> Event {
    Event::PriceRevised(PriceRevised { model: model_id(number), deployment: id(deployment), price: Some(price()) })
}

fn retire(number: u128) -> RetireModel {
    RetireModel { model: model_id(number) }
}

fn unpriced(deployment: &str) -> NewDeployment {
    NewDeployment { price: None, ..new_deployment(deployment) }
}

fn visible<'a>(control: &'a Control, realm: &str, name: &str) -> Option<&'a crate::registry::Model> {
    control.visible_model(&id(realm), &id(name)).map(AsRef::as_ref)
}

#[test]
fn a_model_is_registered_with_its_deployments_and_their_prices_as_one_command() {
    let full = NewDeployment {
        base_url: Some("https://eu.acme.example/v1".to_owned()),
        credential: Some(credential_id(1)),
        weight: 5,
        max_output_tokens: None,
        info: json(r#"{"tier":"paid"}"#),
        params: json(r#"{"timeout":30}"#),
        ..new_deployment("eu")
    };
    let register = RegisterModel { deployments: vec![full, unpriced("us")], ..register_model(1, "gpt") };
    given(World::new().with(store_credential(1)))
        .when(register)
        .then([
            registered(1, "gpt"),
            Event::DeploymentAdded(DeploymentAdded {
                base_url: Some("https://eu.acme.example/v1".to_owned()),
                credential: Some(credential_id(1)),
                weight: 5,
                max_output_tokens: None,
                info: json(r#"{"tier":"paid"}"#),
                params: json(r#"{"timeout":30}"#),
                ..added(1, "eu")
            }),
            priced(1, "eu"),
            Event::DeploymentAdded(added(1, "us")),
        ])
        .then_planned(|planned| {
            assert!(planned.iter().all(|planned| planned.recorded.stream == StreamId::model(model_id(1))));
            assert!(planned.iter().all(|planned| planned.recorded.realm == Some(RealmId::default_realm())));
            assert_eq!(planned[0].cause, [Position::new(1)], "the realm decided");
            assert_eq!(planned[1].cause, [Position::new(3)], "the credential decided");
        })
        .then_state(|control| {
            let model = control.models.get(&model_id(1)).unwrap();
            assert_eq!((model.name.as_str(), model.trail.version, model.retired), ("gpt", 4, None));
            let [eu, us] = &model.deployments[..] else { panic!("two deployments") };
            assert_eq!(eu.price, Some(PriceInForce { position: Position::new(6), price: price() }));
            assert_eq!((eu.added.position, eu.changed.position), (Position::new(5), Position::new(6)));
            assert_eq!((eu.credential, eu.weight, eu.max_output_tokens), (Some(credential_id(1)), 5, None));
            assert_eq!((&eu.info, &eu.params), (&json(r#"{"tier":"paid"}"#), &json(r#"{"timeout":30}"#)));
            assert_eq!((us.price.as_ref(), us.max_output_tokens, us.weight), (None, Some(4_096), 1));
            assert_eq!(control.deployments.get("eu").map(|model| **model), Some(model_id(1)));
            assert_eq!(visible(control, "default", "gpt").map(|model| model.id), Some(model_id(1)));
        });
}

#[test]
fn a_model_is_registered_once_in_a_realm() {
    let rejection = || Rejection::AlreadyRegistered { realm: RealmId::default_realm(), name: id("gpt") };
    given(World::small()).when(register_model(2, "gpt")).then_rejected(rejection());
    let same_id = RegisterModel { deployments: vec![new_deployment("other")], ..register_model(1, "other") };
    let taken = Rejection::AlreadyRegistered { realm: RealmId::default_realm(), name: id("other") };
    given(World::small()).when(same_id.clone()).then_rejected(taken.clone());
    given(World::small()).and(retire(1)).when(same_id).then_rejected(taken);
    assert!(World::small().with_realm("acme", None).with_model(2, "acme", "gpt").control.models.len() == 2);
}

#[test]
fn a_model_belongs_to_a_realm_that_is_registered() {
    let homeless = RegisterModel { realm: id("gone"), ..register_model(1, "gpt") };
    let unknown = Rejection::Realm(realm::Rejection::NotRegistered(id("gone")));
    given(World::new()).when(homeless).then_rejected(unknown);
}

#[test]
fn a_model_has_a_deployment_at_least_and_a_hundred_at_most() {
    let with = |count: usize| RegisterModel {
        deployments: (0..count).map(|number| new_deployment(&format!("d-{number}"))).collect(),
        ..register_model(1, "gpt")
    };
    given(World::new()).when(with(0)).then_rejected(Rejection::DeploymentCount);
    given(World::new()).when(with(DEPLOYMENTS_MAX + 1)).then_rejected(Rejection::DeploymentCount);
    let planned = World::new().try_carry_out(with(DEPLOYMENTS_MAX)).unwrap();
    assert_eq!(planned.len(), 1 + 2 * DEPLOYMENTS_MAX);
}

#[test]
fn a_deployment_is_one_of_one_model() {
    let twice = RegisterModel { deployments: vec![unpriced("a"), unpriced("a")], ..register_model(1, "gpt") };
    given(World::new()).when(twice).then_rejected(Rejection::DeploymentExists(id("a")));
    let elsewhere = RegisterModel { deployments: vec![unpriced("gpt")], ..register_model(2, "other") };
    given(World::small()).when(elsewhere).then_rejected(Rejection::DeploymentExists(id("gpt")));
}

#[test]
fn a_model_does_not_take_the_name_of_a_slot_that_leads_somewhere() {
    let slot = || id::<crate::id::SlotName>("fast");
    let select = SelectModel { scope: Scope::Gateway, slot: slot(), model: id("gpt") };
    let selected = World::small().with(select);
    let named_so = || RegisterModel { deployments: vec![unpriced("x")], ..register_model(2, "fast") };
    given(selected.clone()).when(named_so()).then_rejected(Rejection::NameIsSlot(id("fast")));
    given(selected).and(ClearSelection { scope: Scope::Gateway, slot: slot() }).when(named_so()).then([
        registered(2, "fast"),
        Event::DeploymentAdded(DeploymentAdded { deployment: id("x"), ..added(2, "x") }),
    ]);
}

#[test]
fn a_retired_model_frees_its_name_and_its_deployments() {
    given(World::small())
        .when(retire(1))
        .then([Event::Retired(ModelRetired { model: model_id(1) })])
        .then_planned(|planned| assert_eq!(planned[0].cause, [Position::new(5)]))
        .then_state(|control| {
            let model = control.models.get(&model_id(1)).unwrap();
            assert_eq!(model.retired, Some(model.trail.changed.position));
            assert_eq!(model.trail.version, 4);
            assert!(visible(control, "default", "gpt").is_none());
            assert!(control.model_names.is_empty() && control.deployments.is_empty());
        })
        .when(register_model(2, "gpt"))
        .then([registered(2, "gpt"), Event::DeploymentAdded(added(2, "gpt")), priced(2, "gpt")])
        .then_state(|control| {
            assert_eq!(visible(control, "default", "gpt").map(|model| model.id), Some(model_id(2)));
            assert_eq!(control.deployments.get("gpt").map(|model| **model), Some(model_id(2)));
        });
}

#[test]
fn nothing_is_asked_of_a_model_that_is_not_there() {
    let retired = || World::small().with(retire(1));
    given(World::new()).when(retire(1)).then_rejected(Rejection::NotRegistered(model_id(1)));
    given(retired()).when(retire(1)).then_rejected(Rejection::NotRegistered(model_id(1)));
}

#[test]
fn a_realm_sees_its_own_model_before_its_parents_and_those_before_the_default_one() {
    let world = World::new()
        .with_realm("root", None)
        .with_realm("leaf", Some("root"))
        .with_realm("other", None)
        .with_model(1, "default", "gpt")
        .with_model(2, "root", "gpt")
        .with_model(3, "leaf", "gpt");
    let seen = |world: &World, realm: &str| visible(&world.control, realm, "gpt").map(|model| model.id);
    assert_eq!(seen(&world, "leaf"), Some(model_id(3)));
    assert_eq!(seen(&world, "root"), Some(model_id(2)));
    assert_eq!(seen(&world, "other"), Some(model_id(1)), "models of `default` are for everyone who is granted them");
    let world = world.with(retire(3));
    assert_eq!(seen(&world, "leaf"), Some(model_id(2)));
    let world = world.with(retire(2));
    assert_eq!(seen(&world, "leaf"), Some(model_id(1)));
    let world = world.with(retire(1));
    assert_eq!(seen(&world, "leaf"), None);
}

#[test]
fn a_realm_never_sees_a_model_of_its_child_or_its_sibling() {
    let world = World::new()
        .with_realm("root", None)
        .with_realm("leaf", Some("root"))
        .with_realm("sibling", Some("root"))
        .with_model(1, "leaf", "gpt");
    for realm in ["root", "sibling", "default", "gone"] {
        assert!(visible(&world.control, realm, "gpt").is_none(), "{realm}");
    }
}

#[test]
fn callable_models_are_those_that_calls_would_reach_in_the_order_of_their_names() {
    let world = World::new()
        .with_realm("acme", None)
        .with_model(1, "default", "z")
        .with_model(2, "acme", "b")
        .with_model(3, "default", "b")
        .with_model(4, "acme", "m")
        .with_model(5, "default", "a")
        .with(retire(4));
    let names = |realm: &str, allowed: &Allowed| {
        let realm = id(realm);
        let models = world.control.callable_models(&realm, allowed);
        models.map(|model| (model.name.to_string(), model.id)).collect::<Vec<_>>()
    };
    let entry = |name: &str, number| (name.to_owned(), model_id(number));
    assert_eq!(names("acme", &Allowed::All), [entry("a", 5), entry("b", 2), entry("z", 1)]);
    assert_eq!(names("default", &Allowed::All), [entry("a", 5), entry("b", 3), entry("z", 1)]);
    assert_eq!(names("acme", &crate::testing::samples::only(["z", "m"])), [entry("z", 1)]);
    assert_eq!(names("acme", &Allowed::none()), []);
    assert_eq!(names("gone", &Allowed::All), []);
}

#[test]
fn the_longest_model_name_fits() {
    let name = "x".repeat(crate::id::TEXT_ID_MAX_BYTES);
    let world = World::new().with(RegisterModel { name: id(&name), ..register_model(1, "d") });
    assert_eq!(world.model(1).name, ModelName::new(name).unwrap());
}

#[test]
fn a_model_whose_bound_did_not_hold_is_distrusted_until_an_operator_says_otherwise() {
    let request = crate::id::RequestId::new(uuid::Uuid::from_u128(1));
    let (held_nano_usd, cost_nano_usd) = (NanoUsd::new(10), NanoUsd::new(11));
    let distrust = DistrustModel { model: model_id(1), request, held_nano_usd, cost_nano_usd };
    let distrusted = ModelDistrusted { model: model_id(1), request, held_nano_usd, cost_nano_usd };
    let trust = TrustModel { model: model_id(1) };
    given(World::small()).when(trust).then_rejected(Rejection::NoChange(model_id(1)));
    given(World::small())
        .when(distrust)
        .then([Event::Distrusted(distrusted)])
        .then_state(|control| {
            let model = control.models.get(&model_id(1)).unwrap();
            assert_eq!(model.distrusted, Some(model.trail.changed.position));
        })
        .when(distrust)
        .then_rejected(Rejection::NoChange(model_id(1)));
    given(World::small().with(distrust))
        .when(trust)
        .then([Event::Trusted(ModelTrusted { model: model_id(1) })])
        .then_state(|control| assert_eq!(control.models.get(&model_id(1)).unwrap().distrusted, None));
}

#[test]
fn a_models_routing_is_set_as_a_whole_and_taken_back_to_the_default() {
    let routing = || Routing { strategy: Strategy::Ordered, fallbacks: vec![id("other")], ..Routing::default() };
    let set = |routing| SetRouting { model: model_id(1), routing };
    let happened = |routing| Event::RoutingSet(RoutingSet { model: model_id(1), routing });
    let in_force = |control: &Control| control.models.get(&model_id(1)).unwrap().routing_in_force().clone();
    given(World::small()).when(set(None)).then_rejected(Rejection::NoChange(model_id(1)));
    given(World::small())
        .when(set(Some(routing())))
        .then([happened(Some(routing()))])
        .then_planned(|planned| assert_eq!(planned[0].recorded.stream, StreamId::model(model_id(1))))
        .then_state(|control| assert_eq!(in_force(control), routing()))
        .when(set(Some(routing())))
        .then_rejected(Rejection::NoChange(model_id(1)));
    given(World::small().with(set(Some(routing()))))
        .when(set(None))
        .then([happened(None)])
        .then_state(|control| assert_eq!(in_force(control), Routing::default()));
}

#[test]
fn a_routing_outside_its_limits_or_of_no_model_is_refused() {
    let set = |fallback: &str| SetRouting {
        model: model_id(1),
        routing: Some(Routing { fallbacks: vec![id(fallback)], ..Routing::default() }),
    };
    let itself = Rejection::Routing(InvalidRouting::Itself("fallbacks"));
    given(World::small()).when(set("gpt")).then_rejected(itself);
    given(World::new()).when(set("other")).then_rejected(Rejection::NotRegistered(model_id(1)));
    given(World::small().with(retire(1))).when(set("other")).then_rejected(Rejection::NotRegistered(model_id(1)));
}
