//! What an event is about, as far as the proxy has a place for it.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use tallygate_core::control::Control;
use tallygate_core::end_user::EndUserRef;
use tallygate_core::event::Event;
use tallygate_core::id::{CredentialId, DeploymentId, KeyId, ModelId, RealmId, UserId};
use tallygate_core::scope::Scope;
use tallygate_core::stream::{StreamId, StreamKind};
use tallygate_core::tag::TagRef;
use tallygate_core::{key, named_budget, registry};

/// An object that is to be made there what it is here. In this order: what others depend on comes first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Target {
    /// A realm, as a team.
    Team(RealmId),
    /// A user.
    User(UserId),
    /// A deployment, as an entry of the models.
    Deployment(DeploymentId),
    /// Secrets that a key had before.
    OldSecrets(KeyId),
    /// A key.
    Key(KeyId),
    /// All keys of a realm.
    KeysOfRealm(RealmId),
    /// Those of them that have other names for models.
    AliasesOfRealm(RealmId),
    /// All keys of a user.
    KeysOfUser(UserId),
    /// An end user.
    EndUser(EndUserRef),
    /// A tag.
    Tag(TagRef),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Team(id) => write!(f, "team {id}"),
            Self::User(id) => write!(f, "user {id}"),
            Self::Deployment(id) => write!(f, "model {id}"),
            Self::OldSecrets(id) => write!(f, "old secrets of key {id}"),
            Self::Key(id) => write!(f, "key {id}"),
            Self::KeysOfRealm(id) => write!(f, "keys of team {id}"),
            Self::AliasesOfRealm(id) => write!(f, "keys with aliases of team {id}"),
            Self::KeysOfUser(id) => write!(f, "keys of user {id}"),
            Self::EndUser(id) => write!(f, "end user {id}"),
            Self::Tag(id) => write!(f, "tag {id}"),
        }
    }
}

/// Objects, by the events about them.
#[derive(Debug)]
pub(super) struct Targets<'a> {
    control: &'a Control,
    pub(super) found: BTreeSet<Target>,
}

impl<'a> Targets<'a> {
    /// None yet. The state is at least that of the events that are to be noted.
    pub(super) const fn new(control: &'a Control) -> Self {
        Self { control, found: BTreeSet::new() }
    }

    /// Notes what an event is about.
    pub(super) fn note(&mut self, event: &Event, realm: Option<&RealmId>) {
        match event {
            Event::Realm(_) | Event::Grant(_) => {
                if let Some(realm) = realm {
                    self.realm(realm);
                }
            }
            Event::User(event) => self.user(event.user()),
            Event::Credential(event) => self.credential(event.credential()),
            Event::Registry(event) => self.model(event),
            Event::Key(event) => self.key(event),
            Event::Budget(event) => self.scope(event.scope()),
            Event::NamedBudget(named_budget::Event::Revised(data)) => {
                let control = self.control;
                control.holders(&data.budget).for_each(|holder| self.scope(holder));
            }
            Event::Agent(event) => self.agent(event.agent().as_str()),
            Event::EndUser(event) => self.put(Target::EndUser(event.end_user())),
            Event::Tag(event) => self.put(Target::Tag(event.tag())),
            Event::NamedBudget(_) | Event::Selection(_) | Event::Session(_) | Event::Activity(_) | Event::Lease(_) => {}
        }
    }

    /// Notes what an event that cannot be read is about: it is refused here, and must be there.
    pub(super) fn note_unread(&mut self, stream: &StreamId) {
        let Some((kind, id)) = stream.parts() else { return };
        match kind {
            StreamKind::Realm | StreamKind::Grant => RealmId::new(id).iter().for_each(|realm| self.realm(realm)),
            StreamKind::User => UserId::new(id).iter().for_each(|user| self.user(user)),
            StreamKind::Key => id.parse().iter().for_each(|key| self.put(Target::Key(*key))),
            StreamKind::Budget => id.parse().iter().for_each(|scope| self.scope(scope)),
            _ => {}
        }
    }

    fn put(&mut self, target: Target) {
        self.found.insert(target);
    }

    /// A realm, and what nests in it: teams do not nest, so what it allows is worked into them.
    fn realm(&mut self, id: &RealmId) {
        if *id == RealmId::default_realm() {
            self.put(Target::KeysOfRealm(id.clone()));
        }
        let control = self.control;
        for (of, _) in control.realms.iter() {
            if control.chain(of).any(|above| above.id == *id) {
                self.put(Target::Team(of.clone()));
                // Where an alias leads is worked into the key.
                self.put(Target::AliasesOfRealm(of.clone()));
            }
        }
    }

    fn user(&mut self, id: &UserId) {
        self.put(Target::User(id.clone()));
        self.put(Target::KeysOfUser(id.clone()));
    }

    fn key(&mut self, event: &key::Event) {
        if let key::Event::Rotated(data) = event {
            self.put(Target::OldSecrets(data.key));
        }
        self.put(Target::Key(event.key()));
    }

    fn agent(&mut self, id: &str) {
        let control = self.control;
        let agent = control.agents.get(id);
        agent.iter().flat_map(|agent| &agent.realms).for_each(|membership| self.put(Target::Key(membership.key)));
    }

    fn credential(&mut self, id: CredentialId) {
        let control = self.control;
        let deployments = control.models.iter().flat_map(|(_, model)| &model.deployments);
        deployments
            .filter(|deployment| deployment.credential == Some(id))
            .for_each(|deployment| self.put(Target::Deployment(deployment.id.clone())));
    }

    fn model(&mut self, event: &registry::Event) {
        match event {
            registry::Event::DeploymentAdded(data) => self.put(Target::Deployment(data.deployment.clone())),
            registry::Event::DeploymentRevised(data) => self.put(Target::Deployment(data.deployment.clone())),
            registry::Event::DeploymentRemoved(data) => self.put(Target::Deployment(data.deployment.clone())),
            registry::Event::PriceRevised(data) => self.put(Target::Deployment(data.deployment.clone())),
            registry::Event::Retired(data) => self.deployments_of(data.model),
            registry::Event::Registered(_)
            | registry::Event::Distrusted(_)
            | registry::Event::Trusted(_)
            | registry::Event::RoutingSet(_) => {}
        }
    }

    /// A model that is retired keeps its deployments.
    fn deployments_of(&mut self, model: ModelId) {
        let control = self.control;
        let deployments = control.models.get(&model).map(|model| model.deployments.as_slice()).unwrap_or_default();
        deployments.iter().for_each(|deployment| self.put(Target::Deployment(deployment.id.clone())));
    }

    fn scope(&mut self, scope: &Scope) {
        match scope {
            Scope::Gateway => {
                let control = self.control;
                control.realms.iter().for_each(|(realm, _)| self.put(Target::Team(realm.clone())));
                self.put(Target::KeysOfRealm(RealmId::default_realm()));
            }
            Scope::Realm(realm) | Scope::Model(realm, _) => self.realm(realm),
            Scope::User(user) => self.user(user),
            Scope::Key(key) => self.put(Target::Key(*key)),
            Scope::EndUser(whom) => self.put(Target::EndUser(whom.clone())),
            Scope::Tag(tag) => self.put(Target::Tag(tag.clone())),
            Scope::Agent(agent) => self.agent(agent.as_str()),
            Scope::Context(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tallygate_core::budget::{NewBudgetLimit, SetBudget};
    use tallygate_core::command::Command;
    use tallygate_core::grant::ReplaceGrants;
    use tallygate_core::key::BlockKey;
    use tallygate_core::model_pattern::Allowed;
    use tallygate_core::money::NanoUsd;
    use tallygate_core::registry::RetireModel;
    use tallygate_core::scope::Scope;
    use tallygate_core::stream::StreamId;
    use tallygate_core::testing::samples::{id, key_id, model_id};
    use tallygate_core::testing::world::World;
    use tallygate_core::time::Period;

    use super::{Target, Targets};

    fn world() -> World {
        World::small().with_realm("outer", None).with_realm("inner", Some("outer")).with_model(2, "outer", "m")
    }

    fn of(command: impl Into<Command>) -> Vec<String> {
        let mut world = world();
        let happened = world.carry_out(command);
        let mut targets = Targets::new(&world.control);
        happened.iter().for_each(|recorded| targets.note(&recorded.event, recorded.realm.as_ref()));
        targets.found.iter().map(ToString::to_string).collect()
    }

    fn budget(scope: Scope) -> SetBudget {
        let limit = NewBudgetLimit { period: Period::Total, anchor: None, limit_nano_usd: NanoUsd::new(1) };
        SetBudget { scope, limits: vec![limit], reclaim_after_seconds: None }
    }

    #[test]
    fn an_event_is_about_what_it_changes_on_the_proxy() {
        let key = format!("key {}", key_id(1));
        assert_eq!(of(BlockKey { key: key_id(1) }).join(", "), key);
        assert_eq!(of(budget(Scope::Key(key_id(1)))), [key]);
        let nested = ["team inner", "team outer", "keys with aliases of team inner", "keys with aliases of team outer"];
        assert_eq!(of(budget(Scope::Model(id("outer"), id("m")))), nested);
        assert_eq!(of(RetireModel { model: model_id(2) }), ["model outer/m"]);
        let all = ["team default", "team inner", "team outer", "keys of team default"];
        assert_eq!(of(budget(Scope::Gateway)), all);
        let first = of(ReplaceGrants { realm: id("default"), models: Allowed::none() });
        assert_eq!(first, ["team default", "keys of team default", "keys with aliases of team default"]);
    }

    #[test]
    fn an_event_that_cannot_be_read_is_about_its_stream() {
        let world = world();
        let mut targets = Targets::new(&world.control);
        for stream in [StreamId::key(key_id(1)), Scope::User(id("ann")).budget_stream(), StreamId::agent(&id("a"))] {
            targets.note_unread(&stream);
        }
        let found: Vec<Target> = targets.found.into_iter().collect();
        assert_eq!(found, [Target::User(id("ann")), Target::Key(key_id(1)), Target::KeysOfUser(id("ann"))]);
    }
}
