//! What an agent is to use now: its own configuration, or what its realms come to. Whatever was allowed when it was
//! configured is asked again here, with the rules that requests are admitted by.

use std::sync::Arc;

use super::{Agent, Configuration, Manual, Membership, RealmRouting};
use crate::admission::{self, Permit, Refusal, Rule};
use crate::control::Control;
use crate::id::{ContextId, ModelId, ModelName, RealmId, SlotName};
use crate::key::Key;
use crate::registry::Model;
use crate::scope::{Conversation, Scope};
use crate::selection::preset::Parameters;
use crate::stream::StreamId;
use crate::time::Timestamp;

/// What an agent is to use.
#[derive(Debug, Clone)]
pub enum Effective<'a> {
    /// The gateway, as a realm.
    Gateway {
        /// Its place there, with its key.
        membership: &'a Membership,
        /// The model.
        model: Arc<Model>,
        /// What its requests are to have by default, by the preset that was selected.
        parameters: Parameters,
    },
    /// Another server.
    Manual(&'a Manual),
}

/// Why an agent has nothing to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Idle {
    /// It was removed.
    Removed,
    /// It is in no realm.
    NoRealm,
    /// Its key does not work: it was blocked, revoked, given another secret, or has expired.
    KeyUnusable,
    /// A realm that counts is suspended or not there.
    RealmSuspended,
    /// The model that it is told to use is not granted any more.
    NotGranted,
    /// The model that it is told to use is not served any more.
    ModelGone,
    /// No model is granted to its realms.
    NoModel,
    /// Something that decides here has an event that this version cannot read.
    Unreadable,
}

impl Idle {
    /// A word for programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::NoRealm => "no_realm",
            Self::KeyUnusable => "key_unusable",
            Self::RealmSuspended => "realm_suspended",
            Self::NotGranted => "not_granted",
            Self::ModelGone => "model_gone",
            Self::NoModel => "no_model",
            Self::Unreadable => "unreadable",
        }
    }

    fn of(refusal: &Refusal) -> Self {
        match refusal.rule {
            Rule::KeyUnknown
            | Rule::KeyRevoked
            | Rule::KeyBlocked
            | Rule::KeyExpired
            | Rule::KeyKind
            | Rule::UserBlocked
            | Rule::EndUserBlocked => Self::KeyUnusable,
            Rule::RealmUnknown | Rule::RealmSuspended => Self::RealmSuspended,
            Rule::ModelNotAllowed | Rule::ModelNotGranted => Self::NotGranted,
            Rule::ModelUnknown | Rule::NoDeployment | Rule::ModelDistrusted => Self::ModelGone,
            Rule::Quarantined => Self::Unreadable,
        }
    }
}

/// What an agent is to use at a moment. `key` finds the keys of its places, which the state may not hold.
///
/// Where it has no configuration of its own, it follows the first of its realms that has a model for it: the one that is
/// selected for the slot `current` there, else the first by name. What was selected for the agent itself is taken, or
/// refused: nothing else takes its place.
///
/// # Errors
/// [`Idle`].
pub fn effective<'a>(
    control: &Control,
    agent: &'a Agent,
    now: Timestamp,
    key: &dyn Fn(&Membership) -> Option<Arc<Key>>,
) -> Result<Effective<'a>, Idle> {
    effective_within(control, agent, None, now, key)
}

/// The same within a conversation. What was selected for the conversation goes before any configuration of the agent.
///
/// # Errors
/// [`Idle`].
pub fn effective_within<'a>(
    control: &Control,
    agent: &'a Agent,
    context: Option<&ContextId>,
    now: Timestamp,
    key: &dyn Fn(&Membership) -> Option<Arc<Key>>,
) -> Result<Effective<'a>, Idle> {
    if agent.removed.is_some() {
        return Err(Idle::Removed);
    }
    if !control.quarantined.is_empty() && control.quarantined.contains(&StreamId::agent(&agent.id)) {
        return Err(Idle::Unreadable);
    }
    let asking = Asking { control, agent, context, now, key };
    if asking.conversation().is_some_and(|scope| asking.chose(&scope)) {
        return first(agent, |membership| asking.followed(membership));
    }
    match &agent.configuration {
        Some(Configuration::Manual(manual)) => Ok(Effective::Manual(manual)),
        Some(Configuration::Realm(RealmRouting { realm, model })) => {
            let membership = agent.membership(realm).ok_or(Idle::NoRealm)?;
            match model {
                Some(model) => asking.named(membership, *model),
                None => asking.followed(membership),
            }
        }
        Some(Configuration::Registry(model)) => first(agent, |membership| asking.named(membership, *model)),
        None => first(agent, |membership| asking.followed(membership)),
    }
}

/// The first place that has something; else why the first of them has nothing.
fn first<'a>(
    agent: &'a Agent,
    ask: impl Fn(&'a Membership) -> Result<Effective<'a>, Idle>,
) -> Result<Effective<'a>, Idle> {
    let mut nothing = None;
    for membership in &agent.realms {
        match ask(membership) {
            Ok(effective) => return Ok(effective),
            Err(why) => nothing = nothing.or(Some(why)),
        }
    }
    Err(nothing.unwrap_or(Idle::NoRealm))
}

/// Whether a model is what its name leads to in a realm.
#[must_use]
pub(super) fn is_seen_from(control: &Control, model: &Model, realm: &RealmId) -> bool {
    control.visible_model(realm, &model.name).is_some_and(|seen| seen.id == model.id)
}

struct Asking<'s> {
    control: &'s Control,
    agent: &'s Agent,
    context: Option<&'s ContextId>,
    now: Timestamp,
    key: &'s dyn Fn(&Membership) -> Option<Arc<Key>>,
}

impl Asking<'_> {
    fn conversation(&self) -> Option<Scope> {
        let conversation =
            |context: &ContextId| Conversation { agent: self.agent.id.clone(), context: context.clone() };
        self.context.map(conversation).map(Scope::Context)
    }

    /// Whether a scope has a choice of its own, or one that cannot be read.
    fn chose(&self, scope: &Scope) -> bool {
        let slot = SlotName::current();
        self.control.selected(std::slice::from_ref(scope), &slot).is_some()
            || self.control.quarantined.contains(&scope.selection_stream(&slot))
    }

    /// Whether the conversation or the agent has a choice of its own.
    fn chose_near(&self) -> bool {
        self.conversation().into_iter().chain([Scope::Agent(self.agent.id.clone())]).any(|scope| self.chose(&scope))
    }

    fn key_of(&self, membership: &Membership) -> Result<Arc<Key>, Idle> {
        let key = (self.key)(membership).filter(|key| key.realm == membership.realm).ok_or(Idle::KeyUnusable)?;
        admission::authenticate(self.control, &key, &membership.hash, self.now)
            .map_err(|refusal| Idle::of(&refusal))?;
        Ok(key)
    }

    fn named<'a>(&self, membership: &'a Membership, id: ModelId) -> Result<Effective<'a>, Idle> {
        let key = self.key_of(membership)?;
        let model = self.control.models.get(&id).ok_or(Idle::ModelGone)?;
        if !is_seen_from(self.control, model, &membership.realm) {
            return Err(Idle::ModelGone);
        }
        let permit = admission::permit(self.control, &key, model, None).map_err(|refusal| Idle::of(&refusal))?;
        Ok(Effective::Gateway { membership, model: permit.model, parameters: permit.parameters })
    }

    fn followed<'a>(&self, membership: &'a Membership) -> Result<Effective<'a>, Idle> {
        let key = self.key_of(membership)?;
        let slot = ModelName::new(SlotName::current().as_str()).map_err(|_| Idle::NoModel)?;
        let Permit { model, parameters, .. } = match admission::resolve_within(self.control, &key, self.context, &slot)
        {
            Ok(permit) => permit,
            Err(refusal) if self.chose_near() => return Err(Idle::of(&refusal)),
            // What a wider scope selected may be what this realm was not granted: then the first model that it was.
            Err(_) => self.first_model(&key).ok_or(Idle::NoModel)?,
        };
        Ok(Effective::Gateway { membership, model, parameters })
    }

    /// The first model, by name, that a key may call now.
    fn first_model(&self, key: &Key) -> Option<Permit> {
        let names = self.control.model_names.iter().map(|((_, name), _)| name);
        let callable = names.filter(|name| key.models.allows(name) && self.control.realm_may_call(&key.realm, name));
        let name = callable.min()?;
        let model = self.control.visible_model(&key.realm, name)?;
        admission::permit(self.control, key, model, None).ok()
    }
}
