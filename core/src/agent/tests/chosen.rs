//! What an agent uses by what is selected: for its realm, for itself, for a conversation, and by a preset.

use std::sync::Arc;

use super::super::effective::{Effective, Idle, effective, effective_within};
use super::super::{Membership, RemoveAgent};
use super::{AGENT, configure, of_context, routing, used, uses, world};
use crate::grant::{GrantModel, WithdrawGrant};
use crate::id::{AgentId, SlotName};
use crate::model_pattern::ModelPattern;
use crate::scope::Scope;
use crate::selection::preset::{Parameters, SavePreset};
use crate::selection::{SelectModel, SelectPreset};
use crate::testing::given::given;
use crate::testing::samples::{id, key_id};
use crate::testing::world::World;

#[test]
fn without_a_configuration_an_agent_follows_what_is_selected_for_its_realm() {
    let world = world();
    assert_eq!(used(&world), uses("claude", 11), "the first model by name");
    let select = |scope: Scope, model: &str| SelectModel { scope, slot: id("current"), model: id(model) };
    // What the gateway selected is not granted to the realm.
    let world = world.with(select(Scope::Gateway, "gpt"));
    assert_eq!(used(&world), uses("claude", 11));
    let world = world.with(GrantModel { realm: id("acme"), model: ModelPattern::new("gpt").unwrap() });
    assert_eq!(used(&world), uses("gpt", 11));
    let world = world.with(select(Scope::Realm(id("acme")), "claude"));
    assert_eq!(used(&world), uses("claude", 11), "the nearest scope wins");
    let world = world.with(select(Scope::Key(key_id(11)), "gpt"));
    assert_eq!(used(&world), uses("gpt", 11), "an agent's own choice is its key's");
}

#[test]
fn an_agent_has_the_parameters_of_the_preset_that_was_selected_and_of_no_other() {
    let parameters = |world: &World| {
        let agent = world.control.agents.get(&id::<AgentId>(AGENT)).unwrap();
        let key = |membership: &Membership| world.control.keys.get(&membership.key).map(Arc::clone);
        match effective(&world.control, agent, world.now, &key).unwrap() {
            Effective::Gateway { parameters, .. } => parameters,
            Effective::Manual(_) => panic!("no server was told"),
        }
    };
    let cool = Parameters { temperature_thousandths: Some(200), ..Parameters::default() };
    let (scope, slot) = (Scope::Realm(id("acme")), SlotName::current());
    let save = SavePreset { scope: scope.clone(), preset: id("cool"), model: id("claude"), parameters: cool };
    let world = world().with(save).with(SelectPreset { scope: scope.clone(), slot: slot.clone(), preset: id("cool") });
    assert_eq!(parameters(&world), cool);
    let named = world.clone().with(configure(routing("acme", Some(2))));
    assert!(parameters(&named).is_empty(), "the model was named, and no preset");
    let plain = world.with(SelectModel { scope, slot, model: id("claude") });
    assert!(parameters(&plain).is_empty());
}

fn in_context(world: &World, context: &str) -> Result<(String, String), Idle> {
    let agent: AgentId = id(AGENT);
    let agent = world.control.agents.get(&agent).unwrap();
    let key = |membership: &Membership| world.control.keys.get(&membership.key).map(Arc::clone);
    effective_within(&world.control, agent, Some(&id(context)), world.now, &key).map(|effective| match effective {
        Effective::Gateway { membership, model, .. } => (model.name.to_string(), membership.key.to_string()),
        Effective::Manual(manual) => (manual.model.clone(), String::new()),
    })
}

fn choose(scope: &str, model: &str) -> SelectModel {
    SelectModel { scope: id(scope), slot: id("current"), model: id(model) }
}

#[test]
fn the_choice_of_a_conversation_goes_before_the_agents_and_that_before_its_keys() {
    let grant = || GrantModel { realm: id("acme"), model: ModelPattern::new("gpt").unwrap() };
    let world = world().with(grant()).with(choose(&Scope::Key(key_id(11)).to_string(), "gpt"));
    assert_eq!(in_context(&world, "one"), uses("gpt", 11));
    let world = world.with(choose(&format!("agent:{AGENT}"), "claude"));
    assert_eq!((used(&world), in_context(&world, "one")), (uses("claude", 11), uses("claude", 11)));
    let world = world.with(choose(&of_context("one"), "gpt"));
    assert_eq!(in_context(&world, "one"), uses("gpt", 11));
    assert_eq!((used(&world), in_context(&world, "two")), (uses("claude", 11), uses("claude", 11)), "no other moves");
    let world = world.with(configure(routing("acme", Some(2))));
    assert_eq!(in_context(&world, "one"), uses("gpt", 11), "it goes before a configuration too");
    assert_eq!(in_context(&world, "two"), uses("claude", 11));
}

#[test]
fn what_was_chosen_for_an_agent_or_a_conversation_is_refused_when_it_is_withdrawn_and_nothing_takes_its_place() {
    let grant = || GrantModel { realm: id("acme"), model: ModelPattern::new("gpt").unwrap() };
    let withdraw = || WithdrawGrant { realm: id("acme"), model: ModelPattern::new("gpt").unwrap() };
    for scope in [of_context("one"), format!("agent:{AGENT}")] {
        let world = world().with(grant()).with(choose(&scope, "gpt"));
        assert_eq!(in_context(&world, "one"), uses("gpt", 11), "{scope}");
        assert_eq!(in_context(&world.with(withdraw()), "one"), Err(Idle::NotGranted), "{scope}");
    }
}

#[test]
fn only_an_agent_that_is_there_and_may_call_the_model_has_it_chosen() {
    use crate::selection::Rejection as No;
    for scope in [of_context("one"), format!("agent:{AGENT}")] {
        let refused = No::NotGranted { scope: id(&scope), model: id("gpt") };
        given(world()).when(choose(&scope, "gpt")).then_rejected(refused);
        given(world()).when(choose(&scope, "gone")).then_rejected(No::UnknownModel(id("gone")));
        let removed = world().with(RemoveAgent { agent: id(AGENT) });
        given(removed).when(choose(&scope, "claude")).then_rejected(No::UnknownScope(id(&scope)));
        let chosen = given(world()).when(choose(&scope, "claude")).then_any();
        chosen.then_planned(|planned| assert_eq!(planned[0].recorded.realm, Some(id("acme"))));
    }
    let nobody = "context:did:nobody#one";
    given(world()).when(choose(nobody, "claude")).then_rejected(No::UnknownScope(id(nobody)));
}
