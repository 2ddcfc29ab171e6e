mod paying;
mod tagged;

use super::{Payers, Refusal, Rule, authenticate, budgets, end_users, permit, permit_deployment, resolve};
use crate::control::Control;
use crate::credential::StoreCredential;
use crate::grant::ReplaceGrants;
use crate::id::ModelId;
use crate::key::{BlockKey, IssueKey, KeyHash, KeyKind, ReviseKey, RevokeKey, RotateKey, UnblockKey};
use crate::model_pattern::Allowed;
use crate::patch::Patch;
use crate::realm::{ResumeRealm, SuspendRealm};
use crate::registry::RetireModel;
use crate::scope::Scope;
use crate::selection::{ClearSelection, SelectModel};
use crate::stream::{Position, StreamId};
use crate::testing::samples::{
    credential_id, id, issue_key, key_id, model_id, only, revise_deployment, secret, store_credential,
};
use crate::testing::world::World;
use crate::time::Timestamp;

/// Realm `leaf` in `root`, the model `gpt` of the realm `default`, and the key of number 1 in `leaf`.
fn nested() -> World {
    World::new()
        .with_realm("root", None)
        .with_realm("leaf", Some("root"))
        .with_model(1, "default", "gpt")
        .with(IssueKey { realm: id("leaf"), ..issue_key(1) })
}

fn presented(world: &World, secret: &str) -> Result<(), Refusal> {
    authenticate(&world.control, world.key(1), &KeyHash::of_secret(secret), world.now)
}

fn authenticated(world: &World) -> Result<(), Refusal> {
    presented(world, &secret(1))
}

fn resolved(world: &World, name: &str) -> Result<(ModelId, Option<Position>), Refusal> {
    resolve(&world.control, world.key(1), &id(name)).map(|permit| (permit.model.id, permit.selected))
}

fn of_key() -> Option<Scope> {
    Some(Scope::Key(key_id(1)))
}

fn of_realm(realm: &str) -> Option<Scope> {
    Some(Scope::Realm(id(realm)))
}

/// A refusal for the last event of the world.
fn refused(world: &World, rule: Rule, scope: Option<Scope>) -> Refusal {
    Refusal { rule, scope, model: None, cause: vec![world.position()] }
}

fn replace(realm: &str, models: Allowed) -> ReplaceGrants {
    ReplaceGrants { realm: id(realm), models }
}

fn revise(change: impl FnOnce(&mut ReviseKey)) -> ReviseKey {
    let mut command = ReviseKey::nothing(key_id(1));
    change(&mut command);
    command
}

fn select(scope: Scope, slot: &str, model: &str) -> SelectModel {
    SelectModel { scope, slot: id(slot), model: id(model) }
}

/// The state without what happened in a stream, as where its first event cannot be read.
fn without(world: &World, stream: &StreamId) -> Control {
    let mut control = Control::default();
    world.history().iter().filter(|recorded| recorded.stream != *stream).for_each(|recorded| control.evolve(recorded));
    control
}

#[test]
fn a_key_is_known_by_its_present_secret_alone() {
    let world = nested();
    assert_eq!(authenticated(&world), Ok(()));
    assert_eq!(presented(&world, "sk-other"), Err(refused(&world, Rule::KeyUnknown, None)));
    let rotate =
        RotateKey { key: key_id(1), hash: KeyHash::of_secret("sk-new"), shown: "sk-...".to_owned(), old_until: None };
    let world = world.with(rotate);
    assert_eq!(authenticated(&world), Err(refused(&world, Rule::KeyUnknown, None)), "the secret before");
    assert_eq!(presented(&world, "sk-new"), Ok(()));
}

#[test]
fn a_key_is_refused_while_it_is_blocked_and_for_ever_when_it_is_revoked() {
    let blocked = nested().with(BlockKey { key: key_id(1) });
    assert_eq!(authenticated(&blocked), Err(refused(&blocked, Rule::KeyBlocked, of_key())));
    assert_eq!(authenticated(&blocked.clone().with(UnblockKey { key: key_id(1) })), Ok(()));
    let revoked = blocked.with(RevokeKey { key: key_id(1) });
    assert_eq!(authenticated(&revoked), Err(refused(&revoked, Rule::KeyRevoked, of_key())));
}

#[test]
fn a_key_is_refused_from_the_moment_it_expires() {
    let expires_at: Timestamp = id("2027-01-01T00:00:00Z");
    let mut world = nested().with(revise(|key| key.expires_at = Patch::Set(expires_at)));
    let expired = refused(&world, Rule::KeyExpired, of_key());
    world = world.with(revise(|key| key.user = Patch::Set(id("ada"))));
    for (millis, expected) in [(-1, Ok(())), (0, Err(expired.clone())), (1, Err(expired))] {
        world.now = Timestamp::from_millis(expires_at.millis() + millis);
        assert_eq!(authenticated(&world), expected, "{millis}");
    }
}

#[test]
fn a_key_is_refused_while_its_realm_or_a_parent_of_it_is_suspended() {
    for realm in ["leaf", "root"] {
        let world = nested().with(SuspendRealm { realm: id(realm) });
        assert_eq!(authenticated(&world), Err(refused(&world, Rule::RealmSuspended, of_realm(realm))));
        assert_eq!(authenticated(&world.with(ResumeRealm { realm: id(realm) })), Ok(()));
    }
    let elsewhere = nested().with(SuspendRealm { realm: id("default") });
    assert_eq!(authenticated(&elsewhere), Ok(()), "`default` is no parent");
}

#[test]
fn what_cannot_be_read_refuses_what_hangs_on_it() {
    for (stream, scope) in [
        (StreamId::key(key_id(1)), of_key()),
        (StreamId::realm(&id("leaf")), of_realm("leaf")),
        (StreamId::grant(&id("leaf")), of_realm("leaf")),
        (StreamId::realm(&id("root")), of_realm("root")),
        (StreamId::grant(&id("root")), of_realm("root")),
    ] {
        let mut world = nested();
        world.control.quarantine(stream.clone(), Position::new(99));
        let refusal = Refusal { rule: Rule::Quarantined, scope, model: None, cause: vec![Position::new(99)] };
        assert_eq!(authenticated(&world), Err(refusal), "{stream}");
    }
    let mut world = nested();
    world.control.quarantine(StreamId::realm(&id("default")), Position::new(99));
    assert_eq!(authenticated(&world), Ok(()), "what hangs on nothing of it goes on");
    world.control.quarantine(StreamId::model(model_id(1)), Position::new(98));
    let model = Some(id("gpt"));
    let refusal = Refusal { rule: Rule::Quarantined, scope: None, model, cause: vec![Position::new(98)] };
    assert_eq!(resolved(&world, "gpt"), Err(refusal));
}

/// What a request for `current` by the key of number 1 meets first: its key, its choice, its deployment, its budgets.
fn admitted(world: &World) -> Result<(), Refusal> {
    let (control, key) = (&world.control, world.key(1));
    authenticated(world)?;
    let model = resolve(control, key, &id("current"))?.model;
    permit_deployment(control, &model, &model.deployments[0])?;
    let end_users = end_users(control, key, Some("customer 7"))?;
    let of_key = control.budget(&Scope::Key(key.id));
    budgets(control, &Payers { key, of_key, end_users: &end_users, tags: &[], model: &model.name }).map(drop)
}

/// [`nested`], where the gateway selected `gpt`, which is called with the credential of number 1.
fn with_credential() -> World {
    let credential = StoreCredential { hosts: ["api.acme.example".to_owned()].into(), ..store_credential(1) };
    let mut revise = revise_deployment(model_id(1), "default/gpt");
    revise.base_url = Patch::Set("https://api.acme.example/v1".to_owned());
    revise.credential = Patch::Set(credential_id(1));
    nested().with(credential).with(revise).with(select(Scope::Gateway, "current", "gpt"))
}

#[test]
fn a_choice_that_cannot_be_read_refuses_where_it_would_decide_and_nowhere_else() {
    let stream = |scope: &Scope| scope.selection_stream(&id("current"));
    for scope in [Scope::Key(key_id(1)), Scope::Realm(id("leaf")), Scope::Realm(id("root")), Scope::Gateway] {
        let mut world = with_credential();
        world.control.quarantine(stream(&scope), Position::new(99));
        let (model, cause) = (Some(id("current")), vec![Position::new(99)]);
        let refusal = Refusal { rule: Rule::Quarantined, scope: Some(scope), model, cause };
        assert_eq!(admitted(&world), Err(refusal));
        assert_eq!(resolved(&world, "gpt"), Ok((model_id(1), None)), "by its name");
    }
    let mut nearer = with_credential().with(select(Scope::Realm(id("leaf")), "current", "gpt"));
    nearer.control.quarantine(stream(&Scope::Gateway), Position::new(99));
    nearer.control.quarantine(Scope::Key(key_id(1)).selection_stream(&id("other")), Position::new(99));
    assert_eq!(admitted(&nearer), Ok(()), "a nearer scope chose, and the other slot is not asked for");
}

#[test]
fn a_first_choice_that_cannot_be_read_is_not_taken_for_none() {
    let mut world = nested();
    world.control.quarantine(Scope::Gateway.selection_stream(&id("current")), Position::new(99));
    assert_eq!(resolved(&world, "current").map_err(|refusal| refusal.rule), Err(Rule::Quarantined));
}

#[test]
fn a_credential_that_cannot_be_read_refuses_the_deployments_that_send_it() {
    let mut world = with_credential();
    world.control.quarantine(StreamId::credential(credential_id(2)), Position::new(98));
    assert_eq!(admitted(&world), Ok(()), "another credential");
    world.control.quarantine(StreamId::credential(credential_id(1)), Position::new(99));
    let (model, cause) = (Some(id("gpt")), vec![Position::new(99)]);
    assert_eq!(admitted(&world), Err(Refusal { rule: Rule::Quarantined, scope: None, model, cause }));
}

#[test]
fn a_chain_with_a_realm_that_is_not_there_refuses() {
    let world = nested();
    for realm in ["leaf", "root"] {
        let control = without(&world, &StreamId::realm(&id(realm)));
        let refusal = Refusal { rule: Rule::RealmUnknown, scope: of_realm(realm), model: None, cause: vec![] };
        let hash = KeyHash::of_secret(&secret(1));
        assert_eq!(authenticate(&control, world.key(1), &hash, world.now), Err(refusal));
    }
}

#[test]
fn only_keys_for_models_call_models() {
    for (kind, calls) in
        [(KeyKind::Default, true), (KeyKind::LlmApi, true), (KeyKind::Management, false), (KeyKind::ReadOnly, false)]
    {
        let world = World::small().with(IssueKey { kind, ..issue_key(2) });
        let key = world.key(2);
        let outcome = resolve(&world.control, key, &id("gpt"));
        let cause = vec![key.trail.changed.position];
        let refusal = Refusal { rule: Rule::KeyKind, scope: Some(Scope::Key(key.id)), model: None, cause };
        assert_eq!(outcome.map(|permit| permit.model.id), if calls { Ok(model_id(1)) } else { Err(refusal) });
    }
}

#[test]
fn the_key_its_realm_and_each_parent_must_allow_the_model() {
    let about = |refusal: Refusal| Refusal { model: Some(id("gpt")), ..refusal };
    assert_eq!(resolved(&nested(), "gpt"), Ok((model_id(1), None)));
    let closed = nested().with(revise(|key| key.models = Patch::Set(only(["claude"]))));
    assert_eq!(resolved(&closed, "gpt"), Err(about(refused(&closed, Rule::ModelNotAllowed, of_key()))));
    for realm in ["leaf", "root"] {
        let closed = nested().with(replace(realm, only(["claude"])));
        let refusal = about(refused(&closed, Rule::ModelNotGranted, of_realm(realm)));
        assert_eq!(resolved(&closed, "gpt"), Err(refusal));
    }
    let elsewhere = nested().with(replace("default", Allowed::none()));
    assert_eq!(resolved(&elsewhere, "gpt"), Ok((model_id(1), None)), "whose model it is does not decide");
}

#[test]
fn a_realm_that_was_never_granted_anything_is_named_with_its_birth() {
    let world = World::new()
        .with(crate::testing::samples::register_realm("bare"))
        .with_model(1, "default", "gpt")
        .with(IssueKey { realm: id("bare"), ..issue_key(1) });
    let cause = vec![Position::new(3)];
    let refusal = Refusal { rule: Rule::ModelNotGranted, scope: of_realm("bare"), model: Some(id("gpt")), cause };
    assert_eq!(resolved(&world, "gpt"), Err(refusal));
}

#[test]
fn a_name_that_leads_nowhere_tells_nothing_to_who_may_not_call_it() {
    let unknown = Refusal { rule: Rule::ModelUnknown, scope: None, model: Some(id("secret")), cause: vec![] };
    assert_eq!(resolved(&nested(), "secret"), Err(unknown));
    let narrow = || nested().with(revise(|key| key.models = Patch::Set(only(["gpt"]))));
    let missing = resolved(&narrow(), "secret");
    let hidden = resolved(&narrow().with_model(2, "default", "secret"), "secret");
    assert_eq!(missing.as_ref().map_err(|refusal| refusal.rule), Err(Rule::ModelNotAllowed));
    assert_eq!(missing, hidden, "whether there is such a model cannot be told apart");
}

#[test]
fn an_alias_leads_to_its_model_and_never_past_what_the_key_may_call() {
    let aliased = |models| {
        nested().with_model(2, "default", "claude").with(revise(|key| {
            key.aliases = Patch::Set([(id("cheap"), id("claude")), (id("gpt"), id("claude"))].into());
            key.models = Patch::Set(models);
        }))
    };
    assert_eq!(resolved(&aliased(only(["claude"])), "cheap"), Ok((model_id(2), None)));
    assert_eq!(resolved(&aliased(only(["claude"])), "gpt"), Ok((model_id(2), None)), "the alias goes first");
    let refusal = resolved(&aliased(only(["cheap", "gpt"])), "cheap").unwrap_err();
    assert_eq!((refusal.rule, refusal.model), (Rule::ModelNotAllowed, Some(id("claude"))));
}

#[test]
fn a_slot_leads_to_what_the_nearest_scope_selected_and_says_so() {
    let mut world = nested().with_model(2, "default", "claude");
    let chosen = |world: &World| resolved(world, "current");
    assert_eq!(chosen(&world).map_err(|refusal| refusal.rule), Err(Rule::ModelUnknown));
    world.carry_out(select(Scope::Gateway, "current", "gpt"));
    for (scope, model, number) in [
        (Scope::Realm(id("root")), "claude", 2),
        (Scope::Realm(id("leaf")), "gpt", 1),
        (Scope::Key(key_id(1)), "claude", 2),
    ] {
        world.carry_out(select(scope, "current", model));
        assert_eq!(chosen(&world), Ok((model_id(number), Some(world.position()))));
    }
    world.carry_out(select(Scope::Realm(id("default")), "current", "claude"));
    world.carry_out(ClearSelection { scope: Scope::Key(key_id(1)), slot: id("current") });
    assert_eq!(chosen(&world).map(|(model, _)| model), Ok(model_id(1)), "the realm's choice again");
}

#[test]
fn a_slot_never_reaches_a_model_that_the_key_may_not_call_by_name() {
    let world = nested()
        .with(select(Scope::Gateway, "current", "gpt"))
        .with(revise(|key| key.models = Patch::Set(only(["current"]))));
    let refusal = resolved(&world, "current").unwrap_err();
    assert_eq!((refusal.rule, refusal.model), (Rule::ModelNotAllowed, Some(id("gpt"))));
    let withdrawn = nested().with(select(Scope::Gateway, "current", "gpt")).with(replace("root", only(["current"])));
    assert_eq!(resolved(&withdrawn, "current").unwrap_err().rule, Rule::ModelNotGranted);
}

#[test]
fn a_slot_whose_model_is_gone_leads_nowhere() {
    let world = nested().with(select(Scope::Gateway, "current", "gpt")).with(RetireModel { model: model_id(1) });
    assert_eq!(resolved(&world, "current").unwrap_err().rule, Rule::ModelUnknown);
    assert_eq!(resolved(&world, "gpt").unwrap_err().rule, Rule::ModelUnknown);
}

#[test]
fn a_model_that_nothing_serves_any_more_is_refused_at_the_next_hop_too() {
    let world = nested();
    let before = world.control.models.get(&model_id(1)).cloned().unwrap();
    assert!(permit(&world.control, world.key(1), &before, None).is_ok());
    let world = world.with(RetireModel { model: model_id(1) });
    let after = world.control.models.get(&model_id(1)).cloned().unwrap();
    let refusal = permit(&world.control, world.key(1), &after, None).unwrap_err();
    assert_eq!((refusal.rule, refusal.cause), (Rule::NoDeployment, vec![world.position()]));
}
