//! A key that asks for changes, or a session, with its user: what each right comes to.

use std::borrow::Cow;

use super::{Rejection, manages};
use crate::command::Command;
use crate::control::Control;
use crate::id::{AgentId, BudgetId, KeyId, RealmId, SessionId, UserId};
use crate::key::{IssueKey, Key, KeyKind, ReviseKey};
use crate::limits::Limits;
use crate::model_pattern::Allowed;
use crate::patch::Patch;
use crate::scope::{Conversation, Scope};
use crate::session::{Session, Standing};
use crate::time::Timestamp;
use crate::user::{RegisterUser, ReviseUser, Role, User};

/// The key that asks, or that a session manages as, and whose it is.
pub(super) struct Caller<'a> {
    state: &'a Control,
    pub(super) key: Cow<'a, Key>,
    user: Option<&'a User>,
}

/// What a key is to be able to do.
struct Wanted<'a> {
    models: &'a Allowed,
    kind: KeyKind,
    expires_at: Option<Timestamp>,
}

type Right = Result<(), Rejection>;

const fn permitted(is: bool, what: &'static str) -> Right {
    if is { Ok(()) } else { Err(Rejection::NotPermitted(what)) }
}

impl<'a> Caller<'a> {
    /// The caller, if the key is one that may be used.
    pub(super) fn of(state: &'a Control, id: KeyId) -> Option<Self> {
        let key = state.keys.get(&id).map(AsRef::as_ref)?;
        Self::may_ask(state, Cow::Borrowed(key))
    }

    /// The caller that a session is, if it is a user's and what it stands on may be used.
    pub(super) fn of_session(state: &'a Control, session: &Session) -> Option<Self> {
        match session.standing(state)? {
            Standing::Operator => None,
            Standing::Key(id) => Self::of(state, id).filter(|caller| caller.key.user.as_ref() == session.owner.user()),
            Standing::User(key) => Self::may_ask(state, Cow::Owned(*key)),
        }
    }

    fn may_ask(state: &'a Control, key: Cow<'a, Key>) -> Option<Self> {
        let user = key.user.as_ref().and_then(|user| state.users.get(user)).map(AsRef::as_ref);
        let is_refused =
            key.revoked.is_some() || key.blocked.is_some() || user.is_some_and(|user| user.refused().is_some());
        (!is_refused).then_some(Self { state, key, user })
    }

    /// The user's role. A key of nobody, and one whose type leaves out management, changes nothing.
    pub(super) fn role(&self) -> Result<Role, Rejection> {
        let manages = matches!(self.key.kind, KeyKind::Default | KeyKind::Management);
        let user = self.user.filter(|_| manages);
        user.map(|user| user.role).ok_or(Rejection::NotPermitted("ask for changes"))
    }

    /// Whether it is the key of somebody who reads all and changes nothing.
    pub(super) fn observes(&self) -> bool {
        self.user.is_some_and(|user| user.role == Role::Observer)
    }

    fn at(&self, realm: &RealmId) -> bool {
        self.user.is_some_and(|user| manages(self.state, user, realm))
    }

    /// What a realm itself may is not its own admin's to say, but that of those above.
    fn above(&self, realm: &RealmId) -> bool {
        let everywhere = matches!(self.user.map(|user| user.role), Some(Role::Operator | Role::Admin));
        let parent = self.state.realms.get(realm).and_then(|realm| realm.parent.as_ref());
        everywhere || parent.is_some_and(|parent| self.at(parent))
    }

    pub(super) fn is_at(&self, realm: &RealmId) -> Right {
        permitted(self.at(realm), "manage this realm")
    }

    pub(super) fn is_above(&self, realm: &RealmId) -> Right {
        permitted(self.above(realm), "change what this realm may")
    }

    pub(super) fn nests_in(&self, parent: Option<&RealmId>) -> Right {
        let everywhere = self.user.is_some_and(|user| user.role == Role::Admin);
        permitted(parent.map_or(everywhere, |parent| self.at(parent)), "register a realm there")
    }

    fn is_self(&self, user: &UserId) -> bool {
        self.key.user.as_ref() == Some(user)
    }

    /// Whether a user stands below: they belong to a realm that the caller manages, and manage nothing beyond.
    fn manages_user(&self, id: &UserId) -> bool {
        let (Some(own), Some(user)) = (self.user, self.state.user(id)) else { return false };
        if own.role == Role::Admin {
            // Who has a key of somebody who reads all reads all.
            return !user.role.reads_all();
        }
        let elsewhere = user.memberships.iter().any(|(realm, role)| *role == Role::RealmAdmin && !self.at(realm));
        user.role.is_of_realms() && !elsewhere && user.realm.as_ref().is_some_and(|realm| self.at(realm))
    }

    pub(super) fn manages_other(&self, id: &UserId) -> Right {
        permitted(!self.is_self(id) && self.manages_user(id), "manage this user")
    }

    /// What a role comes to is no more than the caller's own.
    fn gives(&self, role: Role) -> Right {
        let is_admin = self.user.is_some_and(|user| user.role == Role::Admin);
        let within = role.is_of_realms() || (is_admin && role == Role::Admin);
        if within { Ok(()) } else { Err(Rejection::Exceeds("the role is above that of the user who gives it")) }
    }

    /// End users of a realm are its admin's to manage; those of the whole gateway hold for all realms.
    pub(super) fn manages_end_users(&self, realm: Option<&RealmId>) -> Right {
        let everywhere = self.user.is_some_and(|user| user.role == Role::Admin);
        permitted(realm.map_or(everywhere, |realm| self.at(realm)), "manage end users there")
    }

    /// The same for tags: those of the whole gateway hold for all realms.
    pub(super) fn manages_tags(&self, realm: Option<&RealmId>) -> Right {
        let everywhere = self.user.is_some_and(|user| user.role == Role::Admin);
        permitted(realm.map_or(everywhere, |realm| self.at(realm)), "manage tags there")
    }

    pub(super) fn registers(&self, new: &RegisterUser) -> Right {
        let everywhere = self.user.is_some_and(|user| user.role == Role::Admin);
        let at = |realm: &RealmId| self.at(realm);
        permitted(new.realm.as_ref().map_or(everywhere, at), "register a user there")?;
        permitted(new.memberships.keys().all(at), "give a role in a realm that its user does not manage")?;
        self.gives(new.role)
    }

    /// Whoever has somebody's password can do all that they may: so can who sets one's own.
    pub(super) fn sets_password(&self, of: &UserId) -> Right {
        if !self.is_self(of) {
            return self.manages_other(of);
        }
        permitted(self.user.is_some_and(|user| user.role != Role::Viewer), "set a password")?;
        self.covers(&Wanted { models: &Allowed::All, kind: KeyKind::Default, expires_at: None })
    }

    /// Everybody ends sessions of their own, whatever else they may not.
    pub(super) fn signs_out(&self, command: &Command) -> bool {
        let Command::EndSession(data) = command else { return false };
        self.owner_of(data.session).is_some_and(|user| self.is_self(user))
    }

    fn owner_of(&self, session: SessionId) -> Option<&'a UserId> {
        self.state.sessions.get(&session).and_then(|session| session.owner.user())
    }

    pub(super) fn ends_session(&self, session: SessionId) -> Right {
        let owner = self.owner_of(session);
        permitted(owner.is_some_and(|user| self.manages_user(user)), "end this session")
    }

    pub(super) fn revises_user(&self, change: &ReviseUser) -> Right {
        self.manages_other(&change.user)?;
        match change.role {
            Patch::Set(role) => self.gives(role),
            Patch::Keep | Patch::Clear => Ok(()),
        }
    }

    /// Whether a key may be in the name of a user: nobody, oneself, or someone who stands below.
    fn may_name(&self, user: Option<&UserId>) -> bool {
        user.is_none_or(|user| self.is_self(user) || self.manages_user(user))
    }

    fn other(&self, id: KeyId) -> Result<&'a Key, Rejection> {
        self.state.keys.get(&id).map(AsRef::as_ref).ok_or(Rejection::NotPermitted("change this key"))
    }

    /// Whether the caller manages the realm of a key, and whoever it belongs to.
    fn manages_it(&self, key: &Key) -> bool {
        self.at(&key.realm) && self.may_name(key.user.as_ref())
    }

    pub(super) fn manages_key(&self, id: KeyId) -> Right {
        permitted(self.other(id).is_ok_and(|key| self.manages_it(key)), "manage this key")
    }

    pub(super) fn issues(&self, new: &IssueKey) -> Right {
        if self.at(&new.realm) {
            return permitted(self.may_name(new.user.as_ref()), "issue a key in the name of this user");
        }
        let is_own = new.user.as_ref().is_some_and(|user| self.is_self(user)) && self.is_member(&new.realm);
        permitted(is_own, "issue keys but its user's own, in realms that the user is a member of")?;
        self.covers(&Wanted { models: &new.models, kind: new.kind, expires_at: new.expires_at })
    }

    pub(super) fn revises_key(&self, change: &ReviseKey) -> Right {
        let key = self.other(change.key)?;
        if self.manages_it(key) {
            let user = change.user.change().flatten();
            return permitted(self.may_name(user), "give a key to this user");
        }
        let stays = match &change.user {
            Patch::Keep => true,
            Patch::Set(user) => self.is_self(user),
            Patch::Clear => false,
        };
        permitted(stays && self.owns(key), "change this key")?;
        let none = Allowed::none();
        let models = change.models.change().map_or(&key.models, |models| models.unwrap_or(&none));
        let kind = change.kind.change().map_or(key.kind, |kind| kind.copied().unwrap_or_default());
        let expires_at = change.expires_at.change().map_or(key.expires_at, |at| at.copied());
        self.covers(&Wanted { models, kind, expires_at })
    }

    /// To have another's new secret is to be able to do what it can.
    pub(super) fn takes_over(&self, id: KeyId) -> Right {
        let key = self.other(id)?;
        if self.manages_it(key) || key.id == self.key.id {
            return Ok(());
        }
        permitted(self.owns(key), "rotate this key")?;
        self.covers(&Wanted { models: &key.models, kind: key.kind, expires_at: key.expires_at })
    }

    pub(super) fn revokes(&self, id: KeyId) -> Right {
        let key = self.other(id)?;
        permitted(self.manages_it(key) || self.owns(key), "revoke this key")
    }

    pub(super) fn sets_budget(&self, scope: &Scope) -> Right {
        match scope {
            Scope::Gateway => permitted(false, "set the gateway's budget"),
            // What a realm may spend on one model is a part of what it may spend.
            Scope::Realm(realm) | Scope::Model(realm, _) => {
                permitted(self.above(realm), "set the budget of this realm")
            }
            Scope::EndUser(whom) => self.manages_end_users(whom.realm.as_ref()),
            Scope::Tag(which) => self.manages_tags(which.realm.as_ref()),
            Scope::User(user) => self.manages_other(user),
            Scope::Agent(agent) => permitted(self.manages_agent(agent), "set the budget of this agent"),
            Scope::Context(_) => permitted(false, "set the budget of a conversation"),
            Scope::Key(id) => {
                let key = self.other(*id)?;
                if self.manages_it(key) {
                    return Ok(());
                }
                permitted(self.owns(key), "set the budget of this key")?;
                self.covers(&Wanted { models: &key.models, kind: key.kind, expires_at: key.expires_at })
            }
        }
    }

    /// A named budget may be anybody's; one that is the gateway's is the operator's to change.
    pub(super) fn changes_named(&self, budget: &BudgetId) -> Right {
        let everywhere = self.user.is_some_and(|user| user.role == Role::Admin);
        let is_the_gateways = self.state.holders(budget).any(|scope| *scope == Scope::Gateway);
        permitted(everywhere && !is_the_gateways, "change named budgets")
    }

    pub(super) fn selects(&self, scope: &Scope) -> Right {
        match scope {
            Scope::Gateway => permitted(false, "select for the gateway"),
            Scope::Realm(realm) => self.is_at(realm),
            Scope::Model(..) | Scope::EndUser(_) | Scope::Tag(_) => permitted(false, "select for this scope"),
            Scope::User(user) => permitted(self.is_self(user) || self.manages_user(user), "select for this user"),
            Scope::Key(id) => {
                let key = self.other(*id)?;
                permitted(self.manages_it(key) || self.owns(key), "select for this key")
            }
            Scope::Agent(agent) | Scope::Context(Conversation { agent, .. }) => {
                permitted(self.manages_agent(agent), "select for this agent")
            }
        }
    }

    /// Whether all of the realms that an agent is in are the caller's to manage.
    fn manages_agent(&self, id: &AgentId) -> bool {
        let agent = self.state.agents.get(id).filter(|agent| !agent.realms.is_empty());
        agent.is_some_and(|agent| agent.realms.iter().all(|joined| self.at(&joined.realm)))
    }

    /// Whether a key is the caller's user's own, to change as far as its owner may.
    fn owns(&self, key: &Key) -> bool {
        let may = self.user.is_some_and(|user| user.role != Role::Viewer);
        may && key.user.as_ref().is_some_and(|user| self.is_self(user))
    }

    /// Whether the caller's user may have keys in a realm: their own, which is `default` for people of the whole gateway,
    /// or one that they are a member of.
    fn is_member(&self, realm: &RealmId) -> bool {
        let Some(user) = self.user else { return false };
        let default = RealmId::default_realm();
        let at_home = user.role != Role::Viewer && user.realm.as_ref().unwrap_or(&default) == realm;
        at_home || user.memberships.get(realm).is_some_and(|role| *role != Role::Viewer)
    }

    /// Whether a key can do all that another is to be able to do. One that may spend less than its user, or less at a
    /// time, would come by more with every key that it makes: so it makes and loosens none.
    fn covers(&self, wanted: &Wanted<'_>) -> Right {
        let own = &self.key;
        let budget = self.state.budget(&Scope::Key(own.id));
        if own.limits != Limits::default() || budget.is_some_and(|budget| !budget.limits.is_empty()) {
            return Err(Rejection::Exceeds("this key has a budget or rate limits of its own"));
        }
        if !own.models.covers(wanted.models) {
            return Err(Rejection::Exceeds("it could call models that this key may not"));
        }
        if own.kind != KeyKind::Default && own.kind != wanted.kind {
            return Err(Rejection::Exceeds("it could call routes that this key may not"));
        }
        match (own.expires_at, wanted.expires_at) {
            (Some(own), Some(wanted)) if wanted <= own => Ok(()),
            (None, _) => Ok(()),
            (Some(_), _) => Err(Rejection::Exceeds("it would expire after this key")),
        }
    }
}
