//! The control state: what is allowed, at one position of the control log.
//!
//! One fold builds it ([`Control::evolve`]), whether live, in a rebuild or as of an earlier moment. Decisions read it
//! and never change it.
//!
//! The tables of keys, their hashes, aliases and budgets, and of commands, may hold only some of their rows: there may
//! be millions, and whoever folds loads those that an event or a command touches ([`Needs`]). The history of selections is
//! only written, and never loaded. All other tables are whole.

mod scoped;

use std::sync::Arc;

use crate::agent::{self, Agent, AgentKey, TokenHash};
use crate::aggregate::{Mark, Table};
use crate::budget::{self, Budget};
use crate::credential::{self, Credential};
use crate::digest::Digest;
use crate::end_user::{self, EndUser, EndUserRef};
use crate::event::{Event, Recorded};
use crate::grant::{self, Grants};
use crate::id::{
    AgentId, AgentName, BudgetId, CommandId, CredentialId, DeploymentId, KeyAlias, KeyId, ModelId, ModelName, RealmId,
    SessionId, SlotName, UserId,
};
use crate::key::{self, Key, KeyHash};
use crate::model_pattern::Allowed;
use crate::named_budget::{self, NamedBudget};
use crate::realm::{self, Realm};
use crate::registry::{self, Model};
use crate::scope::Scope;
use crate::selection::preset::Presets;
use crate::selection::{self, Choice, Selection};
use crate::session::{self, Owner as SessionOwner, Session, SignedIn, Standing};
use crate::stream::{Position, StreamId};
use crate::tag::{self, Tag, TagRef};
use crate::user::{self, Password, User};

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What is allowed, at one position. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Control {
    /// Realms.
    pub realms: Table<RealmId, Realm>,
    /// Users, removed ones too.
    pub users: Table<UserId, User>,
    /// What users who are there sign in with, where they have a password.
    pub passwords: Table<UserId, Password>,
    /// Sessions that have not ended.
    pub sessions: Table<SessionId, Session>,
    /// Who has or had sessions.
    pub signed_in: Table<SessionOwner, SignedIn>,
    /// End users, removed ones too.
    pub end_users: Table<EndUserRef, EndUser>,
    /// Tags, removed ones too.
    pub tags: Table<TagRef, Tag>,
    /// What realms were granted.
    pub grants: Table<RealmId, Grants>,
    /// Provider credentials.
    pub credentials: Table<CredentialId, Credential>,
    /// Models and their deployments, retired ones too.
    pub models: Table<ModelId, Model>,
    /// Models that are not retired, by realm and name.
    pub model_names: Table<(RealmId, ModelName), ModelId>,
    /// The model that a deployment serves.
    pub deployments: Table<DeploymentId, ModelId>,
    /// Budgets of all scopes but keys and models.
    pub budgets: Table<Scope, Budget>,
    /// Budgets of models within realms.
    pub model_budgets: Table<(RealmId, ModelName), Budget>,
    /// Named budgets, removed ones too.
    pub named_budgets: Table<BudgetId, NamedBudget>,
    /// Who has which named budget, and since which event.
    pub budget_holders: Table<(BudgetId, Scope), Position>,
    /// Selections.
    pub selections: Table<(Scope, SlotName), Selection>,
    /// Presets.
    pub presets: Table<Scope, Presets>,
    /// The history of selections. May be partial: no decision reads it.
    pub choices: Table<(Scope, SlotName, Position), Choice>,
    /// Agents, removed ones too.
    pub agents: Table<AgentId, Agent>,
    /// Agents that are not removed, by name.
    pub agent_names: Table<AgentName, AgentId>,
    /// Agents that are not removed, by the hash of their token.
    pub agent_tokens: Table<TokenHash, AgentId>,
    /// The agents that are not removed, by the keys that are their own now.
    pub agent_keys: Table<KeyId, AgentId>,
    /// Streams that hold an event which this version cannot read. What they are about fails closed.
    pub quarantined: Table<StreamId, Position>,
    /// Keys. May be partial.
    pub keys: Table<KeyId, Key>,
    /// Keys by the hashes that they have or had. May be partial.
    pub key_hashes: Table<KeyHash, KeyId>,
    /// Keys by their alias. May be partial.
    pub key_aliases: Table<KeyAlias, KeyId>,
    /// Budgets of keys. May be partial.
    pub key_budgets: Table<KeyId, Budget>,
    /// Commands that were carried out. May be partial.
    pub commands: Table<CommandId, CommandRecord>,
}

/// A command that was carried out: what makes the same id give the same receipt, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRecord {
    /// SHA-256 of its canonical body.
    pub digest: Digest,
    /// The position of its first event.
    pub first: Position,
    /// The position of its last event.
    pub last: Position,
}

/// An event that was decided and not yet written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The realm it concerns.
    pub realm: Option<RealmId>,
    /// The stream it belongs to.
    pub stream: StreamId,
    /// What happened.
    pub event: Event,
    /// Positions of the events that decided.
    pub cause: Vec<Position>,
}

/// Rows of the partial tables that an event or a command touches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Keys, with their budgets.
    pub keys: Vec<KeyId>,
    /// Hashes of keys.
    pub hashes: Vec<KeyHash>,
    /// Aliases of keys.
    pub aliases: Vec<KeyAlias>,
    /// Agents, for the keys that they have.
    pub agents: Vec<AgentId>,
    /// Named budgets, for the keys that have them.
    pub budgets: Vec<BudgetId>,
    /// Sessions, for the keys that they manage as.
    pub sessions: Vec<SessionId>,
    /// Commands.
    pub commands: Vec<CommandId>,
}

impl Needs {
    /// Adds the key of a scope, if it is one's.
    pub fn scope(&mut self, scope: &Scope) {
        if let Scope::Key(key) = scope {
            self.keys.push(*key);
        }
    }

    /// Adds the keys that an agent has, and one that it is to have.
    pub fn agent_key(&mut self, agent: Option<&AgentId>, new: Option<&AgentKey>) {
        self.agents.extend(agent.cloned());
        if let Some(new) = new {
            self.keys.push(new.key);
            self.hashes.push(new.hash);
        }
    }

    /// The same, with the keys of the agents, of the named budgets and of the sessions by their ids.
    #[must_use]
    pub fn resolved(&self, control: &Control) -> Self {
        let agents = self.agents.iter().filter_map(|id| control.agents.get(id));
        let keys = agents.flat_map(|agent| agent.realms.iter().map(|membership| membership.key));
        let holders = self.budgets.iter().flat_map(|budget| control.holders(budget));
        let holding = holders.filter_map(|scope| if let Scope::Key(key) = scope { Some(*key) } else { None });
        let sessions = self.sessions.iter().filter_map(|id| control.sessions.get(id)?.standing(control));
        let acting = sessions.filter_map(|standing| if let Standing::Key(key) = standing { Some(key) } else { None });
        let keys = self.keys.iter().copied().chain(keys).chain(holding).chain(acting).collect();
        Self { keys, agents: Vec::new(), budgets: Vec::new(), sessions: Vec::new(), ..self.clone() }
    }

    /// Adds all that another needs.
    pub fn extend(&mut self, other: Self) {
        self.keys.extend(other.keys);
        self.hashes.extend(other.hashes);
        self.aliases.extend(other.aliases);
        self.agents.extend(other.agents);
        self.budgets.extend(other.budgets);
        self.sessions.extend(other.sessions);
        self.commands.extend(other.commands);
    }
}

/// Whom a scope belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The realm; none for the gateway.
    pub realm: Option<RealmId>,
    /// The event since which the scope is what it is.
    pub since: Option<Position>,
}

impl Owner {
    /// The realm where names are looked up from.
    #[must_use]
    pub fn lookup_realm(&self) -> RealmId {
        self.realm.clone().unwrap_or_else(RealmId::default_realm)
    }
}

impl Control {
    /// A realm and its parents, nearest first. Ends at a parent that is not there, and after [`realm::DEPTH_MAX`].
    pub fn chain<'a>(&'a self, realm: &RealmId) -> impl Iterator<Item = &'a Realm> {
        let mut next = self.realms.get(realm);
        std::iter::from_fn(move || {
            let current = next?;
            next = current.parent.as_ref().and_then(|parent| self.realms.get(parent));
            Some(current.as_ref())
        })
        .take(realm::DEPTH_MAX)
    }

    /// A user, if they are registered and not removed.
    #[must_use]
    pub fn user(&self, id: &UserId) -> Option<&User> {
        self.users.get(id).map(AsRef::as_ref).filter(|user| user.removed.is_none())
    }

    /// The sessions of somebody that have not ended, in the order of their ids.
    pub fn sessions_of<'a>(&'a self, owner: &SessionOwner) -> impl Iterator<Item = &'a Session> {
        let ids = self.signed_in.get(owner).into_iter().flat_map(|row| &row.sessions);
        ids.filter_map(|id| self.sessions.get(id).map(AsRef::as_ref))
    }

    /// The agent whose key it is, if it is an agent's.
    #[must_use]
    pub fn agent_of(&self, key: KeyId) -> Option<&AgentId> {
        self.agent_keys.get(&key).map(AsRef::as_ref)
    }

    /// An end user, if they are registered and not removed.
    #[must_use]
    pub fn end_user(&self, whom: &EndUserRef) -> Option<&EndUser> {
        self.end_users.get(whom).map(AsRef::as_ref).filter(|end_user| end_user.removed.is_none())
    }

    /// A tag, if it is registered and not removed.
    #[must_use]
    pub fn tag(&self, which: &TagRef) -> Option<&Tag> {
        self.tags.get(which).map(AsRef::as_ref).filter(|tag| tag.removed.is_none())
    }

    /// The model of a name as a realm sees it: its own, else the nearest parent's, else the one of the realm `default`.
    pub fn visible_model(&self, realm: &RealmId, name: &ModelName) -> Option<&Arc<Model>> {
        let of_realm = |realm: &RealmId| {
            // The key is built once a step; a lookup by parts would need a borrowed pair.
            self.model_names.get(&(realm.clone(), name.clone())).and_then(|id| self.models.get(id.as_ref()))
        };
        let nearest = self.chain(realm).find_map(|realm| of_realm(&realm.id));
        nearest.or_else(|| of_realm(&RealmId::default_realm()))
    }

    /// Whether a realm may call a model by this name: it and each of its parents must be granted it.
    #[must_use]
    pub fn realm_may_call(&self, realm: &RealmId, name: &ModelName) -> bool {
        // A chain that ends at a parent which is not there (its events cannot be read) allows nothing.
        let mut above = Some(realm);
        let allowed = self.chain(realm).all(|ancestor| {
            above = ancestor.parent.as_ref();
            self.grants.get(&ancestor.id).is_some_and(|grants| grants.allowed.allows(name))
        });
        allowed && above.is_none()
    }

    /// A named budget, if it is registered and not removed.
    #[must_use]
    pub fn named_budget(&self, id: &BudgetId) -> Option<&NamedBudget> {
        self.named_budgets.get(id).map(AsRef::as_ref).filter(|budget| budget.removed.is_none())
    }

    /// The scopes that have a named budget, in their order.
    pub fn holders<'a>(&'a self, id: &'a BudgetId) -> impl Iterator<Item = &'a Scope> {
        // The gateway is the first of all scopes.
        let from = self.budget_holders.from((id.clone(), Scope::Gateway));
        from.map(|((of, scope), _)| (of, scope)).take_while(move |(of, _)| *of == id).map(|(_, scope)| scope)
    }

    /// The slot's model in the nearest of some scopes, nearest first.
    #[must_use]
    pub fn selected(&self, scopes: &[Scope], slot: &SlotName) -> Option<&Selection> {
        if self.selections.is_empty() {
            return None;
        }
        scopes
            .iter()
            .filter_map(|scope| self.selections.get(&(scope.clone(), slot.clone())))
            .find(|selection| selection.model.is_some())
            .map(AsRef::as_ref)
    }

    /// How many events a change's stream has, before the change.
    #[must_use]
    pub fn version(&self, change: &Change) -> u64 {
        let trail = match &change.event {
            Event::Realm(_) => change.realm.as_ref().and_then(|id| self.realms.get(id)).map(|row| &row.trail),
            Event::User(event) => self.users.get(event.user()).map(|row| &row.trail),
            Event::Session(event) => event.owner(self).and_then(|of| self.signed_in.get(&of)).map(|row| &row.trail),
            Event::EndUser(event) => self.end_users.get(&event.end_user()).map(|row| &row.trail),
            Event::Tag(event) => self.tags.get(&event.tag()).map(|row| &row.trail),
            Event::Grant(_) => change.realm.as_ref().and_then(|id| self.grants.get(id)).map(|row| &row.trail),
            Event::Credential(event) => self.credentials.get(&event.credential()).map(|row| &row.trail),
            Event::Registry(event) => self.models.get(&event.model()).map(|row| &row.trail),
            Event::Key(event) => self.keys.get(&event.key()).map(|row| &row.trail),
            Event::Budget(event) => self.budget(event.scope()).map(|row| &row.trail),
            Event::NamedBudget(event) => self.named_budgets.get(event.budget()).map(|row| &row.trail),
            Event::Selection(event) => return event.version(self).unwrap_or_default(),
            Event::Agent(event) => self.agents.get(event.agent()).map(|row| &row.trail),
            Event::Activity(_) | Event::Lease(_) => None,
        };
        trail.map_or(0, |trail| trail.version)
    }

    /// Folds one event: the only way this state changes. It never refuses; what it does not know is not an event here.
    pub fn evolve(&mut self, recorded: &Recorded) {
        let mark = Mark { position: recorded.position, at: recorded.at, by: recorded.actor.clone() };
        match &recorded.event {
            Event::Realm(event) => realm::evolve(self, event, &mark),
            Event::User(event) => user::evolve(self, event, &mark),
            Event::Session(event) => session::evolve(self, event, &mark),
            Event::EndUser(event) => end_user::evolve(self, event, &mark),
            Event::Tag(event) => tag::evolve(self, event, &mark),
            Event::Grant(event) => grant::evolve(self, event, &mark),
            Event::Credential(event) => credential::evolve(self, event, &mark),
            Event::Registry(event) => registry::evolve(self, event, &mark),
            Event::Key(event) => key::evolve(self, event, &mark),
            Event::Budget(event) => budget::evolve(self, event, recorded.realm.as_ref(), &mark),
            Event::NamedBudget(event) => named_budget::evolve(self, event, &mark),
            Event::Selection(event) => selection::evolve(self, event, recorded.realm.as_ref(), &mark),
            Event::Agent(event) => agent::evolve(self, event, &mark),
            Event::Activity(_) | Event::Lease(_) => {}
        }
        self.note_command(recorded);
    }

    /// Notes which command an event belongs to, so that the same command again is known.
    pub(crate) fn note_command(&mut self, recorded: &Recorded) {
        if let Some(command) = &recorded.command {
            let earlier = u64::from(recorded.part.0.saturating_sub(1));
            let first = Position::new(recorded.position.get().saturating_sub(earlier));
            let record = CommandRecord { digest: command.digest, first, last: recorded.position };
            self.commands.put(command.id.clone(), record);
        }
    }

    /// Notes an event that cannot be read: what its stream is about fails closed from here on.
    pub fn quarantine(&mut self, stream: StreamId, position: Position) {
        if !self.quarantined.contains(&stream) {
            self.quarantined.put(stream, position);
        }
    }

    /// Lets go of the rows of the partial tables, but for those that were touched and not yet taken.
    pub fn evict(&mut self) {
        self.keys.evict();
        self.key_hashes.evict();
        self.key_aliases.evict();
        self.key_budgets.evict();
        self.commands.evict();
        self.choices.evict();
    }

    /// The models that a realm may call and a set allows, in the order of their names: what a key sees.
    pub fn callable_models<'a>(
        &'a self,
        realm: &'a RealmId,
        allowed: &'a Allowed,
    ) -> impl Iterator<Item = &'a Arc<Model>> {
        let names: BTreeSet<&ModelName> = self.model_names.iter().map(|((_, name), _)| name).collect();
        names
            .into_iter()
            .filter(|name| allowed.allows(name) && self.realm_may_call(realm, name))
            .filter_map(|name| self.visible_model(realm, name))
    }
}

#[cfg(test)]
mod tests;
