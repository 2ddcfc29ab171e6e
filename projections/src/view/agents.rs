//! Agents, and whose names and tokens those are. An agent may be in several realms, so it lies among no realm's rows.

use std::sync::Arc;

use tallygate_core::agent::{Agent, TokenHash};
use tallygate_core::control::Control;
use tallygate_core::id::{AgentId, AgentName, KeyId};

use super::light;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

pub(crate) const AGENTS: RowTable<Agent> = RowTable::new(20, 1, "agents");
/// A global index: an agent's name is unique over all realms.
pub(crate) const AGENT_NAMES: RowTable<(AgentName, AgentId)> = RowTable::new(22, 1, "agent names");
/// A global index: whoever connects has nothing but a token.
pub(crate) const AGENT_TOKENS: RowTable<(TokenHash, AgentId)> = RowTable::new(23, 1, "agent tokens");

/// A global index: a request has nothing but a key.
pub(crate) const AGENT_KEYS: RowTable<(KeyId, AgentId)> = RowTable::new(28, 1, "agent keys");

pub(crate) fn load(store: &Store, control: &mut Control) -> Result<(), StoreError> {
    light::load(store, &AGENTS, |agent| control.agents.load(agent.id.clone(), Arc::new(agent)))?;
    light::load(store, &AGENT_NAMES, |(name, agent)| control.agent_names.load(name, Arc::new(agent)))?;
    light::load(store, &AGENT_TOKENS, |(token, agent)| control.agent_tokens.load(token, Arc::new(agent)))?;
    light::load(store, &AGENT_KEYS, |(key, agent)| control.agent_keys.load(key, Arc::new(agent)))
}

pub(crate) fn write(control: &mut Control, writes: &mut Writes) -> Result<(), StoreError> {
    light::write(control.agents.take_touched(), &AGENTS, writes, |id, _| {
        RowKey::of(&AGENTS).realm(None).text(id.as_str())
    })?;
    for (name, agent) in control.agent_names.take_touched() {
        let key = RowKey::of(&AGENT_NAMES).text(name.as_str());
        match agent {
            Some(agent) => writes.put(&AGENT_NAMES, key, &(name, agent.as_ref().clone()))?,
            None => writes.remove(key),
        }
    }
    for (token, agent) in control.agent_tokens.take_touched() {
        let key = RowKey::of(&AGENT_TOKENS).fixed(token.digest().as_bytes());
        match agent {
            Some(agent) => writes.put(&AGENT_TOKENS, key, &(token, agent.as_ref().clone()))?,
            None => writes.remove(key),
        }
    }
    for (of, agent) in control.agent_keys.take_touched() {
        let key = RowKey::of(&AGENT_KEYS).fixed(of.as_uuid().as_bytes());
        match agent {
            Some(agent) => writes.put(&AGENT_KEYS, key, &(of, agent.as_ref().clone()))?,
            None => writes.remove(key),
        }
    }
    Ok(())
}
