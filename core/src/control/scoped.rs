//! What the control state says of one scope: whom it belongs to, what it may call, and its budget.

use super::{Control, Owner};
use crate::budget::Budget;
use crate::id::{AgentId, ModelName, RealmId};
use crate::scope::{Conversation, Scope};

impl Control {
    /// Whether a scope may call a model by this name.
    #[must_use]
    pub fn scope_may_call(&self, scope: &Scope, name: &ModelName) -> bool {
        match scope {
            Scope::Gateway => self.realm_may_call(&RealmId::default_realm(), name),
            Scope::Realm(realm) => self.realm_may_call(realm, name),
            Scope::User(id) => self.user(id).is_some_and(|user| {
                let home = user.realm.clone().unwrap_or_else(RealmId::default_realm);
                user.models.allows(name) && self.realm_may_call(&home, name)
            }),
            Scope::Key(id) => {
                self.keys.get(id).is_some_and(|key| key.models.allows(name) && self.realm_may_call(&key.realm, name))
            }
            Scope::Model(realm, model) => model == name && self.realm_may_call(realm, name),
            Scope::EndUser(_) | Scope::Tag(_) => false,
            Scope::Agent(id) => self.agent_may_call(id, name),
            Scope::Context(Conversation { agent, .. }) => self.agent_may_call(agent, name),
        }
    }

    /// Whether an agent may call a model by this name in one of its realms. What its keys may beside that is asked with
    /// each request.
    fn agent_may_call(&self, id: &AgentId, name: &ModelName) -> bool {
        let mut realms = self.agents.get(id).into_iter().flat_map(|agent| &agent.realms);
        realms
            .any(|joined| self.realm_may_call(&joined.realm, name) && self.visible_model(&joined.realm, name).is_some())
    }

    /// Whom a scope belongs to, if it exists.
    #[must_use]
    pub fn owner(&self, scope: &Scope) -> Option<Owner> {
        match scope {
            Scope::Gateway => Some(Owner { realm: None, since: None }),
            Scope::Realm(id) | Scope::Model(id, _) => {
                let realm = self.realms.get(id).filter(|realm| realm.removed.is_none())?;
                Some(Owner { realm: Some(id.clone()), since: Some(realm.trail.changed.position) })
            }
            Scope::User(id) => {
                let user = self.user(id)?;
                Some(Owner { realm: user.realm.clone(), since: Some(user.trail.changed.position) })
            }
            Scope::Key(id) => {
                let key = self.keys.get(id).filter(|key| key.revoked.is_none())?;
                Some(Owner { realm: Some(key.realm.clone()), since: Some(key.trail.changed.position) })
            }
            Scope::EndUser(whom) => {
                let end_user = self.end_user(whom)?;
                Some(Owner { realm: whom.realm.clone(), since: Some(end_user.trail.changed.position) })
            }
            Scope::Tag(which) => {
                let tag = self.tag(which)?;
                Some(Owner { realm: which.realm.clone(), since: Some(tag.trail.changed.position) })
            }
            Scope::Agent(id) | Scope::Context(Conversation { agent: id, .. }) => {
                let agent = self.agents.get(id).filter(|agent| agent.removed.is_none())?;
                let primary = agent.realms.first()?;
                Some(Owner { realm: Some(primary.realm.clone()), since: Some(agent.trail.changed.position) })
            }
        }
    }

    /// A scope's budget, without the limits when it has none.
    #[must_use]
    pub fn budget(&self, scope: &Scope) -> Option<&Budget> {
        match scope {
            Scope::Key(key) => self.key_budgets.get(key),
            Scope::Model(realm, model) => self.model_budgets.get(&(realm.clone(), model.clone())),
            Scope::Gateway
            | Scope::Realm(_)
            | Scope::User(_)
            | Scope::EndUser(_)
            | Scope::Tag(_)
            | Scope::Agent(_)
            | Scope::Context(_) => self.budgets.get(scope),
        }
        .map(AsRef::as_ref)
    }
}
