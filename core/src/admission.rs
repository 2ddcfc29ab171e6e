//! Admission: may this key call this model now? Pure, and explained: a refusal names the rule and the positions of the
//! events that decided.

mod paying;
mod tagged;

use std::iter;
use std::sync::Arc;

use crate::control::Control;
use crate::end_user::{EndUser, EndUserRef};
use crate::id::{ContextId, EndUserId, ModelName, RealmId, SlotName};
use crate::key::{Key, KeyHash, KeyKind};
use crate::realm::Realm;
use crate::registry::{Deployment, Model};
use crate::scope::{Conversation, Scope};
use crate::selection::Selection;
use crate::selection::preset::Parameters;
use crate::stream::{Position, StreamId};
use crate::time::Timestamp;
use crate::user::User;

pub use paying::{Payers, budgets, permit_paying};
pub use tagged::{knows_tags, permit_tagged, tags};

/// The rule that refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The secret is not, or no longer, a key's.
    KeyUnknown,
    /// The key was revoked.
    KeyRevoked,
    /// The key is blocked.
    KeyBlocked,
    /// The key has expired.
    KeyExpired,
    /// The key may not call models.
    KeyKind,
    /// The key's user is blocked or removed.
    UserBlocked,
    /// The end user in whose name the key asks is blocked.
    EndUserBlocked,
    /// The key's realm, or a parent of it, is not registered.
    RealmUnknown,
    /// The key's realm, or a parent of it, is suspended.
    RealmSuspended,
    /// No model of that name.
    ModelUnknown,
    /// The key may not call the model.
    ModelNotAllowed,
    /// The key's realm, or a parent of it, may not call the model.
    ModelNotGranted,
    /// Nothing serves the model.
    NoDeployment,
    /// A request for the model cost more than was held for it, and a strict budget would have to pay.
    ModelDistrusted,
    /// Something that decides here has an event that this version cannot read.
    Quarantined,
}

/// No, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The rule.
    pub rule: Rule,
    /// The scope whose rule it is.
    pub scope: Option<Scope>,
    /// The model, where one decided.
    pub model: Option<ModelName>,
    /// Positions in control of the events that decided.
    pub cause: Vec<Position>,
}

/// The model that a request leads to, and the events that decided.
#[derive(Debug, Clone)]
pub struct Permit {
    /// The model.
    pub model: Arc<Model>,
    /// The selection that led to it, if the client named a slot.
    pub selected: Option<Position>,
    /// What the request has by default, by the preset that led to it.
    pub parameters: Parameters,
}

impl Refusal {
    fn new(rule: Rule, scope: Option<Scope>, cause: impl IntoIterator<Item = Position>) -> Self {
        Self { rule, scope, model: None, cause: cause.into_iter().collect() }
    }

    fn about(mut self, model: &ModelName) -> Self {
        self.model = Some(model.clone());
        self
    }
}

/// Whether a key may be used now, with the secret it was presented with.
///
/// # Errors
/// [`Refusal`].
pub fn authenticate(control: &Control, key: &Key, presented: &KeyHash, now: Timestamp) -> Result<(), Refusal> {
    let scope = || Some(Scope::Key(key.id));
    if !key.has_secret(presented, now) {
        return Err(Refusal::new(Rule::KeyUnknown, None, [key.trail.changed.position]));
    }
    if let Some(position) = key.revoked {
        return Err(Refusal::new(Rule::KeyRevoked, scope(), [position]));
    }
    if let Some(position) = key.blocked {
        return Err(Refusal::new(Rule::KeyBlocked, scope(), [position]));
    }
    if key.expires_at.is_some_and(|expires_at| expires_at <= now) {
        return Err(Refusal::new(Rule::KeyExpired, scope(), [key.expiry_set]));
    }
    if let Some(position) = quarantined(control, || [StreamId::key(key.id)]) {
        return Err(Refusal::new(Rule::Quarantined, scope(), [position]));
    }
    check_user(control, key)?;
    check_realms(control, &key.realm)
}

/// The key's user, if it has one who is registered, is not blocked, and is readable.
fn check_user(control: &Control, key: &Key) -> Result<(), Refusal> {
    let Some(id) = &key.user else { return Ok(()) };
    let scope = || Some(Scope::User(id.clone()));
    if let Some(position) = quarantined(control, || [StreamId::user(id)]) {
        return Err(Refusal::new(Rule::Quarantined, scope(), [position]));
    }
    match control.users.get(id).and_then(|user| user.refused()) {
        Some(position) => Err(Refusal::new(Rule::UserBlocked, scope(), [position])),
        None => Ok(()),
    }
}

/// Whether there is an end user at all, or something unreadable that may be one. Almost always there is none, and then a
/// request need not even be asked whom it names.
#[must_use]
pub fn knows_end_users(control: &Control) -> bool {
    !control.end_users.is_empty() || !control.quarantined.is_empty()
}

/// The end users whom a request names: one of the key's realm, one of each parent, one of the whole gateway, as far as
/// they are registered. All of their rules hold. A name that nobody registered has none.
///
/// # Errors
/// [`Refusal`]: one of them is blocked, or cannot be read.
pub fn end_users(control: &Control, key: &Key, named: Option<&str>) -> Result<Vec<Arc<EndUser>>, Refusal> {
    let Some(named) = named.filter(|_| knows_end_users(control)) else { return Ok(Vec::new()) };
    // What is no id was never registered.
    let Ok(id) = EndUserId::new(named) else { return Ok(Vec::new()) };
    let realms = control.chain(&key.realm).map(|realm| Some(realm.id.clone()));
    let mut found = Vec::new();
    for realm in realms.chain(iter::once(None)) {
        let whom = EndUserRef { realm, id: id.clone() };
        if let Some(position) = quarantined(control, || [StreamId::end_user(&whom)]) {
            return Err(Refusal::new(Rule::Quarantined, Some(Scope::EndUser(whom)), [position]));
        }
        let Some(end_user) = control.end_users.get(&whom).filter(|end_user| end_user.removed.is_none()) else {
            continue;
        };
        if let Some(position) = end_user.blocked {
            return Err(Refusal::new(Rule::EndUserBlocked, Some(Scope::EndUser(whom)), [position]));
        }
        found.push(Arc::clone(end_user));
    }
    Ok(found)
}

/// Every realm of the chain is there, served, and readable.
fn check_realms(control: &Control, realm: &RealmId) -> Result<(), Refusal> {
    let mut missing = Some(realm);
    for ancestor in control.chain(realm) {
        let scope = || Some(Scope::Realm(ancestor.id.clone()));
        if let Some(position) = ancestor.removed {
            return Err(Refusal::new(Rule::RealmUnknown, scope(), [position]));
        }
        if let Some(position) = ancestor.suspended {
            return Err(Refusal::new(Rule::RealmSuspended, scope(), [position]));
        }
        let streams = || [StreamId::realm(&ancestor.id), StreamId::grant(&ancestor.id)];
        if let Some(position) = quarantined(control, streams) {
            return Err(Refusal::new(Rule::Quarantined, scope(), [position]));
        }
        missing = ancestor.parent.as_ref();
    }
    match missing {
        Some(missing) => Err(Refusal::new(Rule::RealmUnknown, Some(Scope::Realm(missing.clone())), [])),
        None => Ok(()),
    }
}

/// The model that a name leads to for a key, if the key may call it: by the name, by the key's alias, or by a slot that
/// the nearest scope selected. An alias or a slot never reaches a model that the key may not call by name.
///
/// A name that leads nowhere is refused as not allowed unless the key may call any such name: a caller cannot find out
/// which models others have.
///
/// # Errors
/// [`Refusal`].
pub fn resolve(control: &Control, key: &Key, requested: &ModelName) -> Result<Permit, Refusal> {
    resolve_within(control, key, None, requested)
}

/// The same for a request of a conversation with the agent whose key it is. The context of any other agent means nothing.
///
/// # Errors
/// [`Refusal`].
pub fn resolve_within(
    control: &Control,
    key: &Key,
    context: Option<&ContextId>,
    requested: &ModelName,
) -> Result<Permit, Refusal> {
    if !matches!(key.kind, KeyKind::Default | KeyKind::LlmApi) {
        return Err(Refusal::new(Rule::KeyKind, Some(Scope::Key(key.id)), [key.trail.changed.position]));
    }
    let name = key.aliases.get(requested).unwrap_or(requested);
    if let Some(model) = control.visible_model(&key.realm, name) {
        return permit(control, key, model, None);
    }
    if let Some((model, selection)) = selected(control, key, context, name)? {
        let permit = permit(control, key, model, Some(selection.trail.changed.position))?;
        return Ok(Permit { parameters: selection.parameters, ..permit });
    }
    check_allowed(control, key, name)?;
    Err(Refusal::new(Rule::ModelUnknown, None, []).about(name))
}

/// What the nearest scope selected under a name. A scope whose choice cannot be read refuses: what lies behind it may be
/// what that scope chose to leave.
fn selected<'a>(
    control: &'a Control,
    key: &Key,
    context: Option<&ContextId>,
    name: &ModelName,
) -> Result<Option<(&'a Arc<Model>, &'a Selection)>, Refusal> {
    if control.selections.is_empty() && control.quarantined.is_empty() {
        return Ok(None);
    }
    let Ok(slot) = SlotName::new(name.as_str()) else { return Ok(None) };
    for scope in choosers(control, key, context) {
        if let Some(position) = quarantined(control, || [scope.selection_stream(&slot)]) {
            return Err(Refusal::new(Rule::Quarantined, Some(scope), [position]).about(name));
        }
        let Some(selection) = control.selected(std::slice::from_ref(&scope), &slot) else { continue };
        let model = selection.model.as_ref().and_then(|model| control.visible_model(&key.realm, model));
        return Ok(model.map(|model| (model, selection)));
    }
    Ok(None)
}

/// The scopes whose choices hold for a key, nearest first: the conversation and the agent, if the key is an agent's, and
/// then [`scopes`].
pub fn choosers(control: &Control, key: &Key, context: Option<&ContextId>) -> impl Iterator<Item = Scope> {
    let agent = control.agent_of(key.id).cloned();
    let conversation = agent.clone().zip(context.cloned());
    let conversation = conversation.map(|(agent, context)| Scope::Context(Conversation { agent, context }));
    conversation.into_iter().chain(agent.map(Scope::Agent)).chain(scopes(control, key))
}

/// The scopes that a key stands in, nearest first: itself, its user if they are registered, its realm and each parent,
/// the gateway.
pub fn scopes(control: &Control, key: &Key) -> impl Iterator<Item = Scope> {
    let user = user_of(control, key).map(|user| Scope::User(user.id.clone()));
    let realms = control.chain(&key.realm).map(|realm| Scope::Realm(realm.id.clone()));
    iter::once(Scope::Key(key.id)).chain(user).chain(realms).chain(iter::once(Scope::Gateway))
}

/// The user whose key it is, if they are registered: one that is not has no rules of their own.
#[must_use]
pub fn user_of<'a>(control: &'a Control, key: &Key) -> Option<&'a User> {
    key.user.as_ref().and_then(|id| control.users.get(id)).map(AsRef::as_ref)
}

/// The models that a key may call, in the order of their names.
pub fn callable<'a>(control: &'a Control, key: &'a Key) -> impl Iterator<Item = &'a Arc<Model>> {
    let user = user_of(control, key);
    let models = control.callable_models(&key.realm, &key.models);
    models.filter(move |model| user.is_none_or(|user| user.models.allows(&model.name)))
}

/// Whether a key may call a model: the check of each request, and of each hop of a fallback.
///
/// # Errors
/// [`Refusal`].
pub fn permit(control: &Control, key: &Key, model: &Arc<Model>, selected: Option<Position>) -> Result<Permit, Refusal> {
    check_allowed(control, key, &model.name)?;
    if let Some(position) = quarantined(control, || [StreamId::model(model.id)]) {
        return Err(Refusal::new(Rule::Quarantined, None, [position]).about(&model.name));
    }
    if model.deployments.is_empty() || model.retired.is_some() {
        return Err(Refusal::new(Rule::NoDeployment, None, [model.trail.changed.position]).about(&model.name));
    }
    Ok(Permit { model: Arc::clone(model), selected, parameters: Parameters::default() })
}

/// Whether a deployment of a model may be called: the check of each attempt.
///
/// # Errors
/// [`Refusal`]: what is known of its credential may not be so any more.
pub fn permit_deployment(control: &Control, model: &Model, deployment: &Deployment) -> Result<(), Refusal> {
    let Some(credential) = deployment.credential else { return Ok(()) };
    match quarantined(control, || [StreamId::credential(credential)]) {
        Some(position) => Err(Refusal::new(Rule::Quarantined, None, [position]).about(&model.name)),
        None => Ok(()),
    }
}

/// The key, its user, its realm and each parent of it must allow the name.
fn check_allowed(control: &Control, key: &Key, name: &ModelName) -> Result<(), Refusal> {
    if !key.models.allows(name) {
        return Err(Refusal::new(Rule::ModelNotAllowed, Some(Scope::Key(key.id)), [key.models_set]).about(name));
    }
    if let Some(user) = user_of(control, key).filter(|user| !user.models.allows(name)) {
        let scope = Some(Scope::User(user.id.clone()));
        return Err(Refusal::new(Rule::ModelNotAllowed, scope, [user.trail.changed.position]).about(name));
    }
    let closed = |realm: &Realm| control.grants.get(&realm.id).is_none_or(|grants| !grants.allowed.allows(name));
    match control.chain(&key.realm).find(|realm| closed(realm)) {
        Some(realm) => {
            let cause = control
                .grants
                .get(&realm.id)
                .map_or(realm.trail.created.position, |grants| grants.trail.changed.position);
            Err(Refusal::new(Rule::ModelNotGranted, Some(Scope::Realm(realm.id.clone())), [cause]).about(name))
        }
        None => Ok(()),
    }
}

/// The first event of some streams that this version could not read. Almost always there is none at all, and then no
/// stream's name is made.
fn quarantined<const N: usize>(control: &Control, streams: impl FnOnce() -> [StreamId; N]) -> Option<Position> {
    if control.quarantined.is_empty() {
        return None;
    }
    streams().iter().find_map(|stream| control.quarantined.get(stream)).map(|position| **position)
}

impl Rule {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::KeyUnknown | Self::KeyRevoked => "key_unknown",
            Self::KeyBlocked => "key_blocked",
            Self::KeyExpired => "key_expired",
            Self::KeyKind => "key_kind_forbids",
            Self::UserBlocked => "user_blocked",
            Self::EndUserBlocked => "end_user_blocked",
            Self::RealmUnknown => "realm_unknown",
            Self::RealmSuspended => "realm_suspended",
            Self::ModelUnknown => "model_not_found",
            Self::ModelNotAllowed => "model_not_allowed",
            Self::ModelNotGranted => "model_not_granted",
            Self::NoDeployment => "no_deployment",
            Self::ModelDistrusted => "model_distrusted",
            Self::Quarantined => "quarantined",
        }
    }
}

#[cfg(test)]
mod tests;
