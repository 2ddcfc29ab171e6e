//! Decisions about agents.

use super::command::{
    AgentKey, ClearAgentConfiguration, ConfigureAgent, JoinRealm, LeaveRealm, RegisterAgent, RemoveAgent,
    ReplaceAgentKey, RotateAgentToken,
};
use super::event::{
    ConfigurationCleared, Configured, Event, KeyReplaced, RealmJoined, RealmLeft, Registered, Removed, TokenRotated,
};
use super::{Agent, Configuration, Manual, REALMS_MAX, RealmRouting, TEXT_MAX_BYTES, TokenHash, URL_MAX_BYTES};
use crate::budget;
use crate::command::Context;
use crate::control::{Change, Control};
use crate::event::Event as AnyEvent;
use crate::id::{AgentId, AgentName, KeyId, ModelId, RealmId};
use crate::json::Json;
use crate::key::{self, IssueKey, KeyKind, RevokeKey};
use crate::limits::Limits;
use crate::model_pattern::Allowed;
use crate::registry::Model;
use crate::scope::Scope;
use crate::stream::{Position, StreamId};

/// Why a command about agents is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A rule of the key that an agent is to have.
    #[error(transparent)]
    Key(#[from] key::Rejection),
    /// The id is taken, perhaps by an agent that was removed.
    #[error("the agent `{0}` is already registered, or was")]
    AlreadyRegistered(AgentId),
    /// Some agent goes by the name.
    #[error("an agent is called `{0}` already")]
    NameTaken(AgentName),
    /// Some agent has this token.
    #[error("an agent has this token already: choose another")]
    TokenTaken,
    /// There is none, or it was removed.
    #[error("there is no agent `{0}`")]
    NotRegistered(AgentId),
    /// It is in that realm.
    #[error("the agent `{agent}` is already in the realm `{realm}`")]
    AlreadyInRealm {
        /// The agent.
        agent: AgentId,
        /// The realm.
        realm: RealmId,
    },
    /// It is not in that realm.
    #[error("the agent `{agent}` is not in the realm `{realm}`: let it join first")]
    NotInRealm {
        /// The agent.
        agent: AgentId,
        /// The realm.
        realm: RealmId,
    },
    /// It is in as many as it may be.
    #[error("an agent is in at most {REALMS_MAX} realms")]
    TooManyRealms,
    /// There is no such model, or it cannot be seen from the realm.
    #[error("there is no model {0} that the agent could use")]
    UnknownModel(ModelId),
    /// No realm of the agent that counts here may call it.
    #[error("the agent `{agent}` may not use the model {model}: grant it to a realm of the agent first")]
    ModelNotGranted {
        /// The agent.
        agent: AgentId,
        /// The model.
        model: ModelId,
    },
    /// A field is out of its range.
    #[error("`{field}` of a configuration {expected}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// It follows its realms already.
    #[error("the agent `{0}` has no configuration of its own")]
    NotConfigured(AgentId),
    /// The command would change nothing.
    #[error("nothing about the agent `{0}` would change")]
    NoChange(AgentId),
}

impl Rejection {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Key(rejection) => rejection.code(),
            Self::AlreadyRegistered(_) => "agent_already_registered",
            Self::NameTaken(_) => "agent_name_taken",
            Self::TokenTaken => "agent_token_taken",
            Self::NotRegistered(_) => "agent_not_registered",
            Self::AlreadyInRealm { .. } => "agent_already_in_realm",
            Self::NotInRealm { .. } => "agent_not_in_realm",
            Self::TooManyRealms => "agent_too_many_realms",
            Self::UnknownModel(_) => "agent_model_not_found",
            Self::ModelNotGranted { .. } => "agent_model_not_granted",
            Self::Field { .. } => "agent_field_invalid",
            Self::NotConfigured(_) => "agent_not_configured",
            Self::NoChange(_) => "no_change",
        }
    }
}

fn registered<'a>(state: &'a Control, id: &AgentId) -> Result<&'a Agent, Rejection> {
    let agent = state.agents.get(id).map(AsRef::as_ref).filter(|agent| agent.removed.is_none());
    agent.ok_or_else(|| Rejection::NotRegistered(id.clone()))
}

/// Decides [`RegisterAgent`].
///
/// # Errors
/// [`Rejection`].
pub fn register(state: &Control, command: &RegisterAgent) -> Result<Vec<Change>, Rejection> {
    if state.agents.contains(&command.agent) {
        return Err(Rejection::AlreadyRegistered(command.agent.clone()));
    }
    if state.agent_names.contains(&command.name) {
        return Err(Rejection::NameTaken(command.name.clone()));
    }
    check_token(state, &command.token)?;
    let RegisterAgent { agent, name, token } = command.clone();
    let event = Event::Registered(Registered { agent, name, token });
    Ok(vec![Change {
        realm: None,
        stream: StreamId::agent(&command.agent),
        event: AnyEvent::Agent(event),
        cause: vec![],
    }])
}

fn check_token(state: &Control, token: &TokenHash) -> Result<(), Rejection> {
    if state.agent_tokens.contains(token) { Err(Rejection::TokenTaken) } else { Ok(()) }
}

/// Decides [`RotateAgentToken`].
///
/// # Errors
/// [`Rejection`].
pub fn rotate_token(state: &Control, command: &RotateAgentToken) -> Result<Vec<Change>, Rejection> {
    let agent = registered(state, &command.agent)?;
    check_token(state, &command.token)?;
    let rotated = TokenRotated { agent: command.agent.clone(), token: command.token };
    Ok(vec![change(agent, None, Event::TokenRotated(rotated))])
}

/// Decides [`JoinRealm`]. The key is issued with it.
///
/// # Errors
/// [`Rejection`].
pub fn join_realm(state: &Control, command: &JoinRealm, context: &Context<'_>) -> Result<Vec<Change>, Rejection> {
    let JoinRealm { agent: id, realm, primary, key } = command;
    let agent = registered(state, id)?;
    if agent.membership(realm).is_some() {
        return Err(Rejection::AlreadyInRealm { agent: id.clone(), realm: realm.clone() });
    }
    if agent.realms.len() >= REALMS_MAX {
        return Err(Rejection::TooManyRealms);
    }
    let issued = issue(state, agent, realm, key, context)?;
    let joined = RealmJoined {
        agent: id.clone(),
        realm: realm.clone(),
        primary: *primary || agent.realms.is_empty(),
        key: key.key,
        hash: key.hash,
        secret: key.secret.clone(),
    };
    Ok([vec![change(agent, Some(realm), Event::RealmJoined(joined))], issued].concat())
}

/// The agent's key: it may call models, as many as its realm may.
fn issue(
    state: &Control,
    agent: &Agent,
    realm: &RealmId,
    key: &AgentKey,
    context: &Context<'_>,
) -> Result<Vec<Change>, Rejection> {
    let whose = serde_json::json!({ "agent": agent.id, "agent_name": agent.name });
    let command = IssueKey {
        key: key.key,
        hash: key.hash,
        shown: key.shown.clone(),
        realm: realm.clone(),
        alias: None,
        user: None,
        models: Allowed::All,
        aliases: std::collections::BTreeMap::new(),
        limits: Limits::default(),
        expires_at: None,
        blocked: false,
        kind: KeyKind::LlmApi,
        // Two ids of at most 256 bytes each are never too much for an attachment.
        metadata: Json::from_value(&whose).unwrap_or_else(|_| Json::empty()),
    };
    Ok(key::issue(state, &command, context)?)
}

/// What revokes an agent's key, unless that was done already.
fn revoke(state: &Control, key: KeyId) -> Vec<Change> {
    key::revoke(state, &RevokeKey { key }).unwrap_or_default()
}

/// Decides [`LeaveRealm`]. The key is revoked with it, and a configuration that names the realm is cleared.
///
/// # Errors
/// [`Rejection`].
pub fn leave_realm(state: &Control, command: &LeaveRealm) -> Result<Vec<Change>, Rejection> {
    let LeaveRealm { agent: id, realm } = command;
    let agent = registered(state, id)?;
    let key = joined(agent, realm)?;
    let mut changes =
        vec![change(agent, Some(realm), Event::RealmLeft(RealmLeft { agent: id.clone(), realm: realm.clone() }))];
    if matches!(&agent.configuration, Some(Configuration::Realm(routing)) if routing.realm == *realm) {
        changes.push(change(agent, None, cleared(id)));
    }
    changes.extend(revoke(state, key));
    Ok(changes)
}

fn joined(agent: &Agent, realm: &RealmId) -> Result<KeyId, Rejection> {
    let membership = agent.membership(realm);
    let not_in = || Rejection::NotInRealm { agent: agent.id.clone(), realm: realm.clone() };
    membership.map(|membership| membership.key).ok_or_else(not_in)
}

/// Decides [`ReplaceAgentKey`].
///
/// # Errors
/// [`Rejection`].
pub fn replace_key(
    state: &Control,
    command: &ReplaceAgentKey,
    context: &Context<'_>,
) -> Result<Vec<Change>, Rejection> {
    let ReplaceAgentKey { agent: id, realm, key } = command;
    let agent = registered(state, id)?;
    let old = joined(agent, realm)?;
    let issued = issue(state, agent, realm, key, context)?;
    let replaced = KeyReplaced {
        agent: id.clone(),
        realm: realm.clone(),
        key: key.key,
        hash: key.hash,
        secret: key.secret.clone(),
    };
    Ok([vec![change(agent, Some(realm), Event::KeyReplaced(replaced))], issued, revoke(state, old)].concat())
}

/// Decides [`ConfigureAgent`].
///
/// # Errors
/// [`Rejection`].
pub fn configure(state: &Control, command: &ConfigureAgent) -> Result<Vec<Change>, Rejection> {
    let ConfigureAgent { agent: id, configuration } = command;
    let agent = registered(state, id)?;
    match configuration {
        Configuration::Realm(routing) => check_routing(state, agent, routing)?,
        Configuration::Registry(model) => check_registry(state, agent, *model)?,
        Configuration::Manual(manual) => check_manual(manual)?,
    }
    if agent.configuration.as_ref() == Some(configuration) {
        return Err(Rejection::NoChange(id.clone()));
    }
    let configured = Configured { agent: id.clone(), configuration: configuration.clone() };
    Ok(vec![change(agent, None, Event::Configured(configured))])
}

fn check_routing(state: &Control, agent: &Agent, routing: &RealmRouting) -> Result<(), Rejection> {
    joined(agent, &routing.realm)?;
    let Some(id) = routing.model else { return Ok(()) };
    let model = in_service(state, id)?;
    if !super::effective::is_seen_from(state, model, &routing.realm) {
        return Err(Rejection::UnknownModel(id));
    }
    if state.realm_may_call(&routing.realm, &model.name) {
        return Ok(());
    }
    Err(Rejection::ModelNotGranted { agent: agent.id.clone(), model: id })
}

fn check_registry(state: &Control, agent: &Agent, id: ModelId) -> Result<(), Rejection> {
    let model = in_service(state, id)?;
    let may = |realm: &RealmId| {
        super::effective::is_seen_from(state, model, realm) && state.realm_may_call(realm, &model.name)
    };
    if agent.realms.iter().any(|membership| may(&membership.realm)) {
        return Ok(());
    }
    Err(Rejection::ModelNotGranted { agent: agent.id.clone(), model: id })
}

fn in_service(state: &Control, id: ModelId) -> Result<&Model, Rejection> {
    let model = state.models.get(&id).map(AsRef::as_ref).filter(|model| model.retired.is_none());
    model.ok_or(Rejection::UnknownModel(id))
}

fn check_manual(manual: &Manual) -> Result<(), Rejection> {
    let is_text = |text: &str| (1..=TEXT_MAX_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    if !is_text(&manual.provider) {
        return Err(Rejection::Field { field: "provider", expected: "has 1 to 256 bytes, none of them control" });
    }
    if !is_text(&manual.model) {
        return Err(Rejection::Field { field: "model", expected: "has 1 to 256 bytes, none of them control" });
    }
    let is_url = |url: &String| {
        (url.starts_with("https://") || url.starts_with("http://"))
            && url.len() <= URL_MAX_BYTES
            && url.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if !manual.base_url.as_ref().is_none_or(is_url) {
        return Err(Rejection::Field { field: "base_url", expected: "is an http or https address of printable ASCII" });
    }
    Ok(())
}

/// Decides [`ClearAgentConfiguration`].
///
/// # Errors
/// [`Rejection`].
pub fn clear_configuration(state: &Control, command: &ClearAgentConfiguration) -> Result<Vec<Change>, Rejection> {
    let agent = registered(state, &command.agent)?;
    if agent.configuration.is_none() {
        return Err(Rejection::NotConfigured(command.agent.clone()));
    }
    Ok(vec![change(agent, None, cleared(&command.agent))])
}

fn cleared(agent: &AgentId) -> Event {
    Event::ConfigurationCleared(ConfigurationCleared { agent: agent.clone() })
}

/// Decides [`RemoveAgent`]. Its keys are revoked with it, and its budget is taken away.
///
/// # Errors
/// [`Rejection`].
pub fn remove(state: &Control, command: &RemoveAgent) -> Result<Vec<Change>, Rejection> {
    let agent = registered(state, &command.agent)?;
    let removed = change(agent, None, Event::Removed(Removed { agent: command.agent.clone() }));
    let revoked = agent.realms.iter().flat_map(|membership| revoke(state, membership.key));
    let budget = budget::withdrawn(state, &Scope::Agent(agent.id.clone()));
    Ok(std::iter::once(removed).chain(revoked).chain(budget).collect())
}

fn change(agent: &Agent, realm: Option<&RealmId>, event: Event) -> Change {
    let cause: Vec<Position> = vec![agent.trail.changed.position];
    Change { realm: realm.cloned(), stream: StreamId::agent(&agent.id), event: AnyEvent::Agent(event), cause }
}
