mod chosen;

use std::sync::Arc;

use super::effective::{Effective, Idle, effective};
use super::{
    ClearAgentConfiguration, Configuration, ConfigurationCleared, ConfigureAgent, Configured, Event, JoinRealm,
    KeyReplaced, LeaveRealm, Manual, REALMS_MAX, RealmJoined, RealmLeft, RealmRouting, RegisterAgent, Registered,
    Rejection, RemoveAgent, Removed, ReplaceAgentKey, RotateAgentToken, TokenHash, TokenRotated,
};
use crate::admission;
use crate::budget::NewBudgetLimit;
use crate::event::Event as AnyEvent;
use crate::grant::{ReplaceGrants, WithdrawGrant};
use crate::id::AgentId;
use crate::key::{self, BlockKey, KeyHash, KeyKind, RevokeKey, RotateKey};
use crate::model_pattern::{Allowed, ModelPattern};
use crate::money::NanoUsd;
use crate::realm::{self, RegisterRealm, SuspendRealm};
use crate::registry::RetireModel;
use crate::stream::StreamId;
use crate::testing::given::given;
use crate::testing::samples::{
    agent_key, id, join_realm, key_id, model_id, only, register_agent, register_realm, secret,
};
use crate::testing::world::World;
use crate::time::Period;

const AGENT: &str = "did:acme:1";

/// Models `gpt` and `claude` of the realm `default`; the realm `acme`, which may call `claude`; the agent in `acme` with
/// the key of number 11.
fn world() -> World {
    World::small()
        .with_model(2, "default", "claude")
        .with(RegisterRealm { models: Some(only(["claude"])), ..register_realm("acme") })
        .with(register_agent(AGENT))
        .with(join_realm(AGENT, "acme", 11))
}

fn configure(configuration: Configuration) -> ConfigureAgent {
    ConfigureAgent { agent: id(AGENT), configuration }
}

fn routing(realm: &str, model: Option<u128>) -> Configuration {
    Configuration::Realm(RealmRouting { realm: id(realm), model: model.map(model_id) })
}

fn manual() -> Manual {
    Manual { provider: "acme".to_owned(), model: "m".to_owned(), base_url: None, key: None }
}

/// The model and the number of the key that the agent is to use, or why it has nothing.
fn used(world: &World) -> Result<(String, String), Idle> {
    let agent: AgentId = id(AGENT);
    let agent = world.control.agents.get(&agent).unwrap();
    let key = |membership: &super::Membership| world.control.keys.get(&membership.key).map(Arc::clone);
    effective(&world.control, agent, world.now, &key).map(|effective| match effective {
        Effective::Gateway { membership, model, .. } => (model.name.to_string(), membership.key.to_string()),
        Effective::Manual(manual) => (manual.model.clone(), String::new()),
    })
}

fn of_context(context: &str) -> String {
    format!("context:{AGENT}#{context}")
}

fn uses(model: &str, key: u128) -> Result<(String, String), Idle> {
    Ok((model.to_owned(), key_id(key).to_string()))
}

#[test]
fn an_agent_is_registered_once_and_its_name_and_token_are_its_own() {
    let register = register_agent(AGENT);
    let registered = Event::Registered(Registered {
        agent: register.agent.clone(),
        name: register.name.clone(),
        token: register.token,
    });
    let then = given(World::new()).when(register.clone()).then([registered]);
    let then = then.then_state(|control| {
        assert_eq!(control.agent_tokens.get(&register.token).map(|agent| agent.as_str()), Some(AGENT));
    });
    then.when(register.clone()).then_rejected(Rejection::AlreadyRegistered(id(AGENT)));
    let world = || World::new().with(register_agent(AGENT));
    let of_name = RegisterAgent { name: id(AGENT), ..register_agent("other") };
    given(world()).when(of_name).then_rejected(Rejection::NameTaken(id(AGENT)));
    let of_token = RegisterAgent { token: register.token, ..register_agent("other") };
    given(world()).when(of_token).then_rejected(Rejection::TokenTaken);
    // Names are told apart to the letter: these look alike, and are others.
    given(world())
        .when(register_agent("did:аcme:1"))
        .then_any()
        .then_state(|control| assert_eq!(control.agents.len(), 2));
}

#[test]
fn another_token_ends_the_old_one() {
    let (old, new) = (register_agent(AGENT).token, TokenHash::of_token("another"));
    let rotate = RotateAgentToken { agent: id(AGENT), token: new };
    given(world())
        .when(rotate.clone())
        .then([Event::TokenRotated(TokenRotated { agent: id(AGENT), token: new })])
        .then_state(|control| {
            assert!(!control.agent_tokens.contains(&old));
            assert_eq!(control.agent_tokens.get(&new).map(|agent| agent.as_str()), Some(AGENT));
        })
        .when(rotate)
        .then_rejected(Rejection::TokenTaken);
    let of_nobody = RotateAgentToken { agent: id("nobody"), token: new };
    given(world()).when(of_nobody).then_rejected(Rejection::NotRegistered(id("nobody")));
}

#[test]
fn an_agent_that_joins_a_realm_gets_a_key_of_its_own_there() {
    let mut world = world();
    let happened = world.carry_out(join_realm(AGENT, "default", 12));
    let key = agent_key(12);
    let joined = RealmJoined {
        agent: id(AGENT),
        realm: id("default"),
        primary: false,
        key: key.key,
        hash: key.hash,
        secret: key.secret,
    };
    assert_eq!(happened[0].event, AnyEvent::Agent(Event::RealmJoined(joined)));
    let AnyEvent::Key(key::Event::Issued(issued)) = &happened[1].event else { panic!("{happened:?}") };
    assert_eq!((issued.key, &issued.models, issued.kind), (key_id(12), &Allowed::All, KeyKind::LlmApi));
    assert_eq!(issued.metadata.to_value()["agent"], AGENT);
    let agent = world.control.agents.get(&id::<AgentId>(AGENT)).unwrap();
    let realms: Vec<&str> = agent.realms.iter().map(|membership| membership.realm.as_str()).collect();
    assert_eq!(realms, ["acme", "default"], "the first that it joined is its primary one");
    let primary = JoinRealm { primary: true, ..join_realm(AGENT, "third", 13) };
    let world = world.with_realm("third", None).with(primary);
    let agent = world.control.agents.get(&id::<AgentId>(AGENT)).unwrap();
    assert_eq!(agent.realms[0].realm.as_str(), "third");
}

#[test]
fn what_cannot_be_joined_is_refused() {
    let join = |realm: &str, number| join_realm(AGENT, realm, number);
    let again = Rejection::AlreadyInRealm { agent: id(AGENT), realm: id("acme") };
    given(world()).when(join("acme", 12)).then_rejected(again);
    let unknown = key::Rejection::Realm(realm::Rejection::NotRegistered(id("gone")));
    given(world()).when(join("gone", 12)).then_rejected(Rejection::Key(unknown));
    let suspended = Rejection::Key(key::Rejection::RealmSuspended(id("default")));
    given(world().with(SuspendRealm { realm: id("default") })).when(join("default", 12)).then_rejected(suspended);
    given(world()).when(join("default", 1)).then_rejected(Rejection::Key(key::Rejection::AlreadyIssued(key_id(1))));
    given(world()).when(join_realm("nobody", "default", 12)).then_rejected(Rejection::NotRegistered(id("nobody")));
    let mut world = world();
    for number in 1..REALMS_MAX as u128 {
        world = world.with_realm(&format!("r{number}"), None).with(join(&format!("r{number}"), 100 + number));
    }
    given(world).when(join("default", 12)).then_rejected(Rejection::TooManyRealms);
}

#[test]
fn an_agent_that_leaves_loses_its_key_and_the_configuration_that_named_the_realm() {
    let leave = || LeaveRealm { agent: id(AGENT), realm: id("acme") };
    let left = || AnyEvent::Agent(Event::RealmLeft(RealmLeft { agent: id(AGENT), realm: id("acme") }));
    let revoked = || AnyEvent::Key(key::Event::Revoked(key::Revoked { key: key_id(11) }));
    let cleared = AnyEvent::Agent(Event::ConfigurationCleared(ConfigurationCleared { agent: id(AGENT) }));
    given(world()).when(leave()).then([left(), revoked()]);
    let configured = world().with(configure(routing("acme", None)));
    given(configured)
        .when(leave())
        .then([left(), cleared, revoked()])
        .when(leave())
        .then_rejected(Rejection::NotInRealm { agent: id(AGENT), realm: id("acme") });
    // A key that an operator had revoked before is not revoked twice.
    given(world().with(RevokeKey { key: key_id(11) })).when(leave()).then([left()]);
    let world = world().with(leave());
    let hash = KeyHash::of_secret(&secret(11));
    assert!(admission::authenticate(&world.control, world.key(11), &hash, world.now).is_err());
    assert_eq!(used(&world), Err(Idle::NoRealm));
}

#[test]
fn another_key_ends_the_old_one() {
    let key = agent_key(12);
    let replaced =
        KeyReplaced { agent: id(AGENT), realm: id("acme"), key: key.key, hash: key.hash, secret: key.secret.clone() };
    let replace = ReplaceAgentKey { agent: id(AGENT), realm: id("acme"), key };
    given(world()).when(replace.clone()).then_any().then_planned(|planned| {
        assert_eq!(planned[0].recorded.event, AnyEvent::Agent(Event::KeyReplaced(replaced)));
        let kinds: Vec<&str> = planned.iter().map(|planned| planned.recorded.event.kind()).collect();
        assert_eq!(kinds, ["agent.key_replaced", "key.issued", "key.revoked"]);
    });
    assert_eq!(used(&world().with(replace.clone())), uses("claude", 12));
    let elsewhere = ReplaceAgentKey { realm: id("default"), ..replace };
    let not_in = Rejection::NotInRealm { agent: id(AGENT), realm: id("default") };
    given(world()).when(elsewhere).then_rejected(not_in);
}

#[test]
fn an_agent_is_told_to_use_a_model_of_a_realm_that_it_is_in_and_that_may_call_it() {
    let configuration = routing("acme", Some(2));
    let configured = Event::Configured(Configured { agent: id(AGENT), configuration: configuration.clone() });
    given(world())
        .when(configure(configuration.clone()))
        .then([configured])
        .when(configure(configuration))
        .then_rejected(Rejection::NoChange(id(AGENT)));
    let not_in = Rejection::NotInRealm { agent: id(AGENT), realm: id("default") };
    given(world()).when(configure(routing("default", Some(1)))).then_rejected(not_in);
    let not_granted = || Rejection::ModelNotGranted { agent: id(AGENT), model: model_id(1) };
    given(world()).when(configure(routing("acme", Some(1)))).then_rejected(not_granted());
    given(world()).when(configure(Configuration::Registry(model_id(1)))).then_rejected(not_granted());
    given(world()).when(configure(routing("acme", Some(9)))).then_rejected(Rejection::UnknownModel(model_id(9)));
    let retired = || world().with(RetireModel { model: model_id(2) });
    given(retired()).when(configure(routing("acme", Some(2)))).then_rejected(Rejection::UnknownModel(model_id(2)));
    let registry = configure(Configuration::Registry(model_id(2)));
    given(retired()).when(registry.clone()).then_rejected(Rejection::UnknownModel(model_id(2)));
    assert_eq!(used(&world().with(registry)), uses("claude", 11));
    // A model of a realm that the agent's cannot see, though it may call what goes by that name.
    let hidden = world().with_realm("other", None).with_model(3, "other", "claude");
    given(hidden).when(configure(routing("acme", Some(3)))).then_rejected(Rejection::UnknownModel(model_id(3)));
}

#[test]
fn a_manual_configuration_has_texts_and_an_address() {
    let with = |change: fn(&mut Manual)| {
        let mut manual = manual();
        change(&mut manual);
        configure(Configuration::Manual(manual))
    };
    assert_eq!(used(&world().with(with(|_| {}))), Ok(("m".to_owned(), String::new())));
    for (command, field) in [
        (with(|manual| manual.provider.clear()), "provider"),
        (with(|manual| manual.provider = "a\nb".to_owned()), "provider"),
        (with(|manual| manual.model = "x".repeat(257)), "model"),
        (with(|manual| manual.base_url = Some("ftp://a".to_owned())), "base_url"),
        (with(|manual| manual.base_url = Some("http://a b".to_owned())), "base_url"),
    ] {
        let mut world = world();
        let rejection = world.try_carry_out(command).unwrap_err();
        let crate::command::Rejection::Agent(Rejection::Field { field: found, .. }) = rejection else {
            panic!("{rejection}")
        };
        assert_eq!(found, field);
    }
}

#[test]
fn a_configuration_is_cleared_once() {
    let clear = ClearAgentConfiguration { agent: id(AGENT) };
    given(world().with(configure(routing("acme", None))))
        .when(clear.clone())
        .then([Event::ConfigurationCleared(ConfigurationCleared { agent: id(AGENT) })])
        .when(clear)
        .then_rejected(Rejection::NotConfigured(id(AGENT)));
}

#[test]
fn an_agent_that_is_removed_is_nobody_and_its_keys_work_no_more() {
    let remove = || RemoveAgent { agent: id(AGENT) };
    let removed = AnyEvent::Agent(Event::Removed(Removed { agent: id(AGENT) }));
    let revoked = |number| AnyEvent::Key(key::Event::Revoked(key::Revoked { key: key_id(number) }));
    given(world().with(join_realm(AGENT, "default", 12)))
        .when(remove())
        .then([removed, revoked(11), revoked(12)])
        .then_state(|control| assert!(control.agent_tokens.is_empty() && control.agent_names.is_empty()))
        .when(remove())
        .then_rejected(Rejection::NotRegistered(id(AGENT)));
    let gone = world().with(remove());
    assert_eq!(used(&gone), Err(Idle::Removed));
    given(gone.clone()).when(register_agent(AGENT)).then_rejected(Rejection::AlreadyRegistered(id(AGENT)));
    given(gone)
        .when(RegisterAgent { name: id(AGENT), ..register_agent("other") })
        .then_any()
        .then_state(|control| assert_eq!(control.agents.len(), 2));
}

#[test]
fn an_agents_key_is_its_own_until_it_is_replaced_or_the_agent_leaves() {
    let of = |world: &World, number| world.control.agent_of(key_id(number)).map(ToString::to_string);
    let joined = world().with(join_realm(AGENT, "default", 12));
    assert_eq!((of(&joined, 11), of(&joined, 12)), (Some(AGENT.to_owned()), Some(AGENT.to_owned())));
    let left = joined.clone().with(LeaveRealm { agent: id(AGENT), realm: id("acme") });
    assert_eq!((of(&left, 11), of(&left, 12)), (None, Some(AGENT.to_owned())));
    let removed = joined.with(RemoveAgent { agent: id(AGENT) });
    assert_eq!((of(&removed, 11), of(&removed, 12)), (None, None));
}

#[test]
fn an_agent_has_a_budget_as_long_as_it_is_there_and_a_conversation_has_none() {
    use crate::budget::{AttachBudget, Event as Told, Rejection as No, SetBudget};
    let limit = NewBudgetLimit { period: Period::Total, anchor: None, limit_nano_usd: NanoUsd::new(5) };
    let set = |scope: &str| SetBudget { scope: id(scope), limits: vec![limit.clone()], reclaim_after_seconds: None };
    let (agent, context) = (format!("agent:{AGENT}"), of_context("one"));
    given(world()).when(set(&context)).then_rejected(No::NotForScope(id(&context)));
    let attach = AttachBudget { scope: id(&context), budget: id("free") };
    given(world()).when(attach).then_rejected(No::NotForScope(id(&context)));
    given(world()).when(set("agent:did:nobody")).then_rejected(No::UnknownScope(id("agent:did:nobody")));
    let paid = world().with(set(&agent));
    assert_eq!(paid.control.budget(&id(&agent)).map(|budget| budget.limits.len()), Some(1));
    given(paid).when(RemoveAgent { agent: id(AGENT) }).then_any().then_planned(|planned| {
        let taken = planned.iter().filter(|planned| {
            matches!(&planned.recorded.event, AnyEvent::Budget(Told::Set(set)) if set.scope == id(&agent) && set.limits.is_empty())
        });
        assert_eq!(taken.count(), 1);
    });
}

#[test]
fn what_was_allowed_at_configuration_is_asked_again_when_it_is_used() {
    let world = || world().with(configure(routing("acme", Some(2))));
    assert_eq!(used(&world()), uses("claude", 11));
    let withdraw = WithdrawGrant { realm: id("acme"), model: ModelPattern::new("claude").unwrap() };
    assert_eq!(used(&world().with(withdraw)), Err(Idle::NotGranted));
    assert_eq!(used(&world().with(RetireModel { model: model_id(2) })), Err(Idle::ModelGone));
    assert_eq!(used(&world().with(SuspendRealm { realm: id("acme") })), Err(Idle::RealmSuspended));
    assert_eq!(used(&world().with(BlockKey { key: key_id(11) })), Err(Idle::KeyUnusable));
    let rotate =
        RotateKey { key: key_id(11), hash: KeyHash::of_secret("another"), shown: "sk-...".to_owned(), old_until: None };
    assert_eq!(used(&world().with(rotate)), Err(Idle::KeyUnusable), "the secret that is kept is not the key's");
    let mut unreadable = world();
    unreadable.control.quarantine(StreamId::agent(&id(AGENT)), unreadable.position());
    assert_eq!(used(&unreadable), Err(Idle::Unreadable));
    let nothing = self::world().with(ReplaceGrants { realm: id("acme"), models: Allowed::none() });
    assert_eq!(used(&nothing), Err(Idle::NoModel));
}

#[test]
fn the_first_realm_that_has_something_is_used() {
    let world = world().with(join_realm(AGENT, "default", 12));
    assert_eq!(used(&world), uses("claude", 11));
    let world = world.with(SuspendRealm { realm: id("acme") });
    assert_eq!(used(&world), uses("claude", 12), "the first by name of `default`");
    let world = world.with(configure(Configuration::Registry(model_id(1))));
    assert_eq!(used(&world), uses("gpt", 12));
}
