//! Rights: what a virtual key may change, and a session. The master key, services and the gateway itself may change
//! everything; a key may change what its user's role allows, and never make or loosen anything beyond what its user has. A
//! session may change what the key may that was signed in with; by a password, what the user may.
//!
//! Decided together with the command, on the same state: a right that is taken away is gone for the next command.

mod caller;

use crate::actor::{Actor, ActorKind};
use crate::command::Command;
use crate::control::{Control, Needs};
use crate::id::{AgentId, KeyId, RealmId, SessionId};
use crate::key::{Key, KeyKind};
use crate::scope::{Conversation, Scope};
use crate::session::Owner;
use crate::user::{Role, User};

use caller::Caller;

/// Why a key may not do what it asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Its user's role does not include it.
    #[error("this key may not {0}: its user's role does not include it")]
    NotPermitted(&'static str),
    /// What would come of it could do more than the key or its user.
    #[error("a key may not make or change what could do more than itself: {0}")]
    Exceeds(&'static str),
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotPermitted(_) => "not_permitted",
            Self::Exceeds(_) => "rights_exceeded",
        }
    }
}

/// The key that an actor is, if it is one.
#[must_use]
pub fn key_of(actor: &Actor) -> Option<KeyId> {
    if actor.kind == ActorKind::Key { actor.id.parse().ok() } else { None }
}

/// The session that an actor is, if it is one.
#[must_use]
pub fn session_of(actor: &Actor) -> Option<SessionId> {
    if actor.kind == ActorKind::Session { actor.id.parse().ok() } else { None }
}

/// The rows of partial tables that must be loaded before an actor's rights are looked at.
#[must_use]
pub fn needs(actor: &Actor) -> Needs {
    let keys = key_of(actor).into_iter().collect();
    Needs { keys, sessions: session_of(actor).into_iter().collect(), ..Needs::default() }
}

/// Whether an actor may ask for a command. Commands that are together are looked at one by one.
///
/// # Errors
/// [`Rejection`].
pub fn check(state: &Control, actor: &Actor, command: &Command) -> Result<(), Rejection> {
    let found = match actor.kind {
        ActorKind::Key => key_of(actor).and_then(|id| Caller::of(state, id)),
        ActorKind::Session => match session_of(actor).and_then(|id| state.sessions.get(&id)) {
            Some(session) if session.owner == Owner::Operator => return Ok(()),
            session => session.and_then(|session| Caller::of_session(state, session)),
        },
        ActorKind::Operator | ActorKind::Service | ActorKind::Agent | ActorKind::Gateway | ActorKind::Configuration => {
            return Ok(());
        }
    };
    let caller = found.ok_or(Rejection::NotPermitted("ask for changes"))?;
    if caller.signs_out(command) {
        return Ok(());
    }
    if caller.observes() {
        return Err(Rejection::NotPermitted("change anything"));
    }
    if actor.kind == ActorKind::Key && is_own_selection(state, &caller.key, command) {
        return Ok(());
    }
    if caller.role()? == Role::Operator {
        return Ok(());
    }
    decide(&caller, command)
}

/// Every key chooses for itself; an agent's for the agent and its conversations; and whoever may call models in an agent's
/// primary realm, for a conversation with it, among what the agent may call.
fn is_own_selection(state: &Control, key: &Key, command: &Command) -> bool {
    let scope = match command {
        Command::SelectModel(data) => &data.scope,
        Command::SelectPreset(data) => &data.scope,
        Command::SavePreset(data) => &data.scope,
        Command::DeletePreset(data) => &data.scope,
        Command::ClearSelection(data) => &data.scope,
        Command::UndoSelection(data) => &data.scope,
        _ => return false,
    };
    match scope {
        Scope::Key(id) => *id == key.id,
        Scope::Agent(agent) => is_of_agent(state, key, agent),
        Scope::Context(Conversation { agent, .. }) => is_of_agent(state, key, agent) || is_at_home(state, key, agent),
        Scope::Gateway | Scope::Realm(_) | Scope::User(_) | Scope::Model(..) | Scope::EndUser(_) | Scope::Tag(_) => {
            false
        }
    }
}

fn is_of_agent(state: &Control, key: &Key, agent: &AgentId) -> bool {
    state.agent_of(key.id) == Some(agent)
}

/// What is chosen for a conversation holds for all realms of its agent, so it is not for the others to choose.
fn is_at_home(state: &Control, key: &Key, agent: &AgentId) -> bool {
    let primary = state.agents.get(agent).and_then(|agent| agent.realms.first());
    primary.is_some_and(|primary| primary.realm == key.realm) && converses(state, key, agent)
}

/// Whether a key may converse with an agent: it may call models, and belongs to a realm that the agent is in.
#[must_use]
pub fn converses(state: &Control, key: &Key, agent: &AgentId) -> bool {
    let calls = matches!(key.kind, KeyKind::Default | KeyKind::LlmApi);
    calls && state.agents.get(agent).is_some_and(|agent| agent.membership(&key.realm).is_some())
}

/// What somebody may ask who is no operator. The branches alone: what each comes to is said by [`Caller`].
fn decide(caller: &Caller<'_>, command: &Command) -> Result<(), Rejection> {
    match command {
        Command::RegisterRealm(data) => caller.nests_in(data.parent.as_ref()),
        Command::ReviseRealm(data) => caller.is_above(&data.realm),
        Command::SuspendRealm(data) => caller.is_above(&data.realm),
        Command::ResumeRealm(data) => caller.is_above(&data.realm),
        Command::RemoveRealm(data) => caller.is_above(&data.realm),
        Command::GrantModel(data) => caller.is_above(&data.realm),
        Command::WithdrawGrant(data) => caller.is_above(&data.realm),
        Command::ReplaceGrants(data) => caller.is_above(&data.realm),
        Command::RegisterUser(data) => caller.registers(data),
        Command::ReviseUser(data) => caller.revises_user(data),
        Command::BlockUser(data) => caller.manages_other(&data.user),
        Command::UnblockUser(data) => caller.manages_other(&data.user),
        Command::RemoveUser(data) => caller.manages_other(&data.user),
        Command::SetPassword(data) => caller.sets_password(&data.user),
        Command::StartSession(_) => Err(Rejection::NotPermitted("start sessions: sign in")),
        Command::EndSession(data) => caller.ends_session(data.session),
        Command::RegisterEndUser(data) => caller.manages_end_users(data.realm.as_ref()),
        Command::ReviseEndUser(data) => caller.manages_end_users(data.realm.as_ref()),
        Command::BlockEndUser(data) => caller.manages_end_users(data.realm.as_ref()),
        Command::UnblockEndUser(data) => caller.manages_end_users(data.realm.as_ref()),
        Command::RemoveEndUser(data) => caller.manages_end_users(data.realm.as_ref()),
        Command::RegisterTag(data) => caller.manages_tags(data.realm.as_ref()),
        Command::ReviseTag(data) => caller.manages_tags(data.realm.as_ref()),
        Command::RemoveTag(data) => caller.manages_tags(data.realm.as_ref()),
        Command::AddMember(data) => caller.is_at(&data.realm),
        Command::RemoveMember(data) => caller.is_at(&data.realm),
        Command::IssueKey(data) => caller.issues(data),
        Command::ReviseKey(data) => caller.revises_key(data),
        Command::RotateKey(data) => caller.takes_over(data.key),
        Command::RevokeKey(data) => caller.revokes(data.key),
        Command::BlockKey(data) => caller.manages_key(data.key),
        Command::UnblockKey(data) => caller.manages_key(data.key),
        Command::SetBudget(data) => caller.sets_budget(&data.scope),
        Command::ResetBudget(data) => caller.sets_budget(&data.scope),
        Command::AttachBudget(data) => caller.sets_budget(&data.scope),
        Command::ReviseBudget(data) => caller.sets_budget(&data.scope),
        Command::RegisterNamedBudget(data) => caller.changes_named(&data.budget),
        Command::ReviseNamedBudget(data) => caller.changes_named(&data.budget),
        Command::RemoveNamedBudget(data) => caller.changes_named(&data.budget),
        Command::SelectModel(data) => caller.selects(&data.scope),
        Command::SelectPreset(data) => caller.selects(&data.scope),
        Command::SavePreset(data) => caller.selects(&data.scope),
        Command::DeletePreset(data) => caller.selects(&data.scope),
        Command::ClearSelection(data) => caller.selects(&data.scope),
        Command::UndoSelection(data) => caller.selects(&data.scope),
        Command::Together(_) => Ok(()),
        // A new command is the operators' own until somebody says whose it is besides.
        _ => Err(Rejection::NotPermitted(operators_own(command))),
    }
}

/// What only operators may do.
const fn operators_own(command: &Command) -> &'static str {
    match command {
        Command::CarrySpend(_) => "say what was spent elsewhere",
        Command::RegisterAgent(_)
        | Command::RotateAgentToken(_)
        | Command::JoinRealm(_)
        | Command::LeaveRealm(_)
        | Command::ReplaceAgentKey(_)
        | Command::ConfigureAgent(_)
        | Command::ClearAgentConfiguration(_)
        | Command::RemoveAgent(_) => "change agents",
        _ => "change models and credentials",
    }
}

/// Whether a user manages a realm: over the gateway, or as the admin of it or of a realm above it.
#[must_use]
pub fn manages(state: &Control, user: &User, realm: &RealmId) -> bool {
    if user.refused().is_some() {
        return false;
    }
    match user.role {
        Role::Operator | Role::Admin => true,
        // What they may be in a realm beside it counts for nothing.
        Role::Observer => false,
        Role::RealmAdmin | Role::Member | Role::Viewer => {
            let is_admin = |id: &RealmId| {
                let at_home = user.role == Role::RealmAdmin && user.realm.as_ref() == Some(id);
                at_home || user.memberships.get(id) == Some(&Role::RealmAdmin)
            };
            state.chain(realm).any(|ancestor| ancestor.removed.is_none() && is_admin(&ancestor.id))
        }
    }
}

#[cfg(test)]
mod tests;
