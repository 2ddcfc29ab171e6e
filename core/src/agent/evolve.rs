//! The fold of what happens to agents.

use super::event::{Event, KeyReplaced, RealmJoined, Registered};
use super::{Agent, Membership};
use crate::aggregate::{Mark, Trail};
use crate::control::Control;
use crate::id::{AgentId, RealmId};

/// Folds what happened to an agent.
pub fn evolve(state: &mut Control, event: &Event, mark: &Mark) {
    match event {
        Event::Registered(data) => evolve_registered(state, data, mark),
        Event::TokenRotated(data) => {
            // An old token is nobody's: unlike a key's, it may become another agent's, who would have to guess it.
            if let Some(old) = state.agents.get(&data.agent).map(|agent| agent.token) {
                state.agent_tokens.remove(&old);
            }
            state.agent_tokens.put(data.token, data.agent.clone());
            update(state, &data.agent, mark, |agent| agent.token = data.token);
        }
        Event::RealmJoined(data) => {
            state.agent_keys.put(data.key, data.agent.clone());
            update(state, &data.agent, mark, |agent| evolve_joined(agent, data, mark));
        }
        Event::RealmLeft(data) => {
            forget_keys(state, &data.agent, Some(&data.realm));
            update(state, &data.agent, mark, |agent| agent.realms.retain(|joined| joined.realm != data.realm));
        }
        Event::KeyReplaced(data) => {
            forget_keys(state, &data.agent, Some(&data.realm));
            state.agent_keys.put(data.key, data.agent.clone());
            update(state, &data.agent, mark, |agent| evolve_key_replaced(agent, data, mark));
        }
        Event::Configured(data) => {
            update(state, &data.agent, mark, |agent| agent.configuration = Some(data.configuration.clone()));
        }
        Event::ConfigurationCleared(data) => update(state, &data.agent, mark, |agent| agent.configuration = None),
        Event::Removed(data) => {
            if let Some(agent) = state.agents.get(&data.agent).cloned() {
                state.agent_names.remove(&agent.name);
                state.agent_tokens.remove(&agent.token);
            }
            forget_keys(state, &data.agent, None);
            // The row stays, without its secrets: the stream's version must go on.
            update(state, &data.agent, mark, |agent| {
                agent.realms.clear();
                agent.configuration = None;
                agent.removed = Some(mark.position);
            });
        }
    }
}

fn evolve_registered(state: &mut Control, data: &Registered, mark: &Mark) {
    state.agent_names.put(data.name.clone(), data.agent.clone());
    state.agent_tokens.put(data.token, data.agent.clone());
    let agent = Agent {
        id: data.agent.clone(),
        name: data.name.clone(),
        token: data.token,
        realms: Vec::new(),
        configuration: None,
        removed: None,
        trail: Trail::born(mark),
    };
    state.agents.put(data.agent.clone(), agent);
}

fn evolve_joined(agent: &mut Agent, data: &RealmJoined, mark: &Mark) {
    let membership = Membership {
        realm: data.realm.clone(),
        key: data.key,
        hash: data.hash,
        secret: data.secret.clone(),
        since: mark.position,
    };
    let place = if data.primary { 0 } else { agent.realms.len() };
    agent.realms.insert(place, membership);
}

fn evolve_key_replaced(agent: &mut Agent, data: &KeyReplaced, mark: &Mark) {
    for membership in agent.realms.iter_mut().filter(|joined| joined.realm == data.realm) {
        membership.key = data.key;
        membership.hash = data.hash;
        membership.secret = data.secret.clone();
        membership.since = mark.position;
    }
}

/// The keys that an agent has in a realm, or in all, are nobody's from now on.
fn forget_keys(state: &mut Control, agent: &AgentId, realm: Option<&RealmId>) {
    let Some(agent) = state.agents.get(agent).cloned() else { return };
    let left = agent.realms.iter().filter(|joined| realm.is_none_or(|realm| joined.realm == *realm));
    for membership in left {
        state.agent_keys.remove(&membership.key);
    }
}

fn update(state: &mut Control, id: &AgentId, mark: &Mark, change: impl FnOnce(&mut Agent)) {
    state.agents.update(id, |agent| {
        change(agent);
        agent.trail.step(mark);
    });
}
