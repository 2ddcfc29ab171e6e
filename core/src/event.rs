//! All events, and how a line becomes one.

use crate::actor::Actor;
use crate::control::Needs;
use crate::envelope::{CommandRef, Envelope};
use crate::id::{EventId, RealmId};
use crate::stream::{Log, Position, StreamId};
use crate::time::Timestamp;
use crate::{
    activity, agent, budget, credential, end_user, grant, json, key, lease, named_budget, realm, registry, selection,
    session, tag, upcast, user,
};

/// What happened. Serialized it is its data, without its type.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum Event {
    /// To a realm.
    Realm(realm::Event),
    /// To a user.
    User(user::Event),
    /// To a session.
    Session(session::Event),
    /// To an end user.
    EndUser(end_user::Event),
    /// What happens to tags.
    Tag(tag::Event),
    /// To what a realm was granted.
    Grant(grant::Event),
    /// To a credential.
    Credential(credential::Event),
    /// To a model.
    Registry(registry::Event),
    /// To a key.
    Key(key::Event),
    /// To a budget.
    Budget(budget::Event),
    /// To a named budget.
    NamedBudget(named_budget::Event),
    /// To a selection.
    Selection(selection::Event),
    /// To an agent.
    Agent(agent::Event),
    /// In the activity log.
    Activity(activity::Event),
    /// In the lease log.
    Lease(lease::Event),
}

macro_rules! from_aggregate {
    ($($variant:ident($event:ty);)+) => {
        $(impl From<$event> for Event {
            fn from(event: $event) -> Self {
                Self::$variant(event)
            }
        })+
    };
}

from_aggregate! {
    Realm(realm::Event);
    User(user::Event);
    Session(session::Event);
    EndUser(end_user::Event);
    Tag(tag::Event);
    Grant(grant::Event);
    Credential(credential::Event);
    Registry(registry::Event);
    Key(key::Event);
    Budget(budget::Event);
    NamedBudget(named_budget::Event);
    Selection(selection::Event);
    Agent(agent::Event);
    Activity(activity::Event);
    Lease(lease::Event);
}

/// An event with its place and its circumstances: what a fold reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its id.
    pub id: EventId,
    /// The log it is in.
    pub log: Log,
    /// Its place in its chain.
    pub position: Position,
    /// The realm it concerns.
    pub realm: Option<RealmId>,
    /// The stream it belongs to.
    pub stream: StreamId,
    /// Its number in that stream.
    pub version: u64,
    /// When it was decided or seen.
    pub at: Timestamp,
    /// Who asked.
    pub actor: Actor,
    /// The command that caused it.
    pub command: Option<CommandRef>,
    /// Part i of n of its command.
    pub part: (u16, u16),
    /// What happened.
    pub event: Event,
}

/// Why this version cannot read an event that is whole and authentic. Such an event is quarantined.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// A type that this version does not know.
    #[error("this version knows no event type `{0}`")]
    UnknownType(String),
    /// A schema that is newer than this version, or zero.
    #[error("this version does not know schema {schema} of `{kind}`")]
    UnknownSchema {
        /// The type.
        kind: String,
        /// The schema's number.
        schema: u16,
    },
    /// The data does not have the fields of its type.
    #[error("the data of `{kind}` cannot be read")]
    Data {
        /// The type.
        kind: String,
        /// Where, and why.
        #[source]
        source: serde_json::Error,
    },
}

impl Event {
    /// The stable name of the type.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Realm(event) => event.kind(),
            Self::User(event) => event.kind(),
            Self::Session(event) => event.kind(),
            Self::EndUser(event) => event.kind(),
            Self::Tag(event) => event.kind(),
            Self::Grant(event) => event.kind(),
            Self::Credential(event) => event.kind(),
            Self::Registry(event) => event.kind(),
            Self::Key(event) => event.kind(),
            Self::Budget(event) => event.kind(),
            Self::NamedBudget(event) => event.kind(),
            Self::Selection(event) => event.kind(),
            Self::Agent(event) => event.kind(),
            Self::Activity(event) => event.kind(),
            Self::Lease(event) => event.kind(),
        }
    }

    /// The schema number of the type.
    #[must_use]
    pub const fn schema(&self) -> u16 {
        match self {
            Self::Realm(event) => event.schema(),
            Self::User(event) => event.schema(),
            Self::Session(event) => event.schema(),
            Self::EndUser(event) => event.schema(),
            Self::Tag(event) => event.schema(),
            Self::Grant(event) => event.schema(),
            Self::Credential(event) => event.schema(),
            Self::Registry(event) => event.schema(),
            Self::Key(event) => event.schema(),
            Self::Budget(event) => event.schema(),
            Self::NamedBudget(event) => event.schema(),
            Self::Selection(event) => event.schema(),
            Self::Agent(event) => event.schema(),
            Self::Activity(event) => event.schema(),
            Self::Lease(event) => event.schema(),
        }
    }

    /// The data as JSON.
    ///
    /// # Errors
    /// When the data holds what JSON cannot.
    pub fn to_data(&self) -> Result<String, serde_json::Error> {
        String::from_utf8(self.to_bytes()?).map_err(serde::ser::Error::custom)
    }

    /// The same, for who writes it on.
    ///
    /// # Errors
    /// When the data holds what JSON cannot.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        // Most data fits, so that nothing is moved while it grows.
        let mut data = Vec::with_capacity(1_024);
        json::writer::write(&mut data, self)?;
        Ok(data)
    }

    /// Every type with its newest schema.
    pub fn types() -> impl Iterator<Item = (&'static str, u16)> {
        [
            realm::Event::TYPES,
            user::Event::TYPES,
            session::Event::TYPES,
            end_user::Event::TYPES,
            tag::Event::TYPES,
            grant::Event::TYPES,
            credential::Event::TYPES,
            registry::Event::TYPES,
            key::Event::TYPES,
            budget::Event::TYPES,
            named_budget::Event::TYPES,
            selection::Event::TYPES,
            agent::Event::TYPES,
            activity::Event::TYPES,
            lease::Event::TYPES,
        ]
        .into_iter()
        .flatten()
        .copied()
    }

    /// Reads the data of an event, old schemas too.
    ///
    /// # Errors
    /// [`Undecodable`].
    pub fn decode(kind: &str, schema: u16, data: &str) -> Result<Self, Undecodable> {
        let newest = Self::types().find(|(known, _)| *known == kind).map(|(_, newest)| newest);
        let newest = newest.ok_or_else(|| Undecodable::UnknownType(kind.to_owned()))?;
        if schema == 0 || schema > newest {
            return Err(Undecodable::UnknownSchema { kind: kind.to_owned(), schema });
        }
        let data = upcast::to_newest(kind, schema, newest, data);
        let decoded = Self::decode_newest(kind, &data).ok_or_else(|| Undecodable::UnknownType(kind.to_owned()))?;
        decoded.map_err(|source| Undecodable::Data { kind: kind.to_owned(), source })
    }

    fn decode_newest(kind: &str, data: &str) -> Option<Result<Self, serde_json::Error>> {
        // Activity first: it is by far the most frequent.
        activity::Event::decode(kind, data)
            .map(|event| event.map(Self::Activity))
            .or_else(|| lease::Event::decode(kind, data).map(|event| event.map(Self::Lease)))
            .or_else(|| key::Event::decode(kind, data).map(|event| event.map(Self::Key)))
            .or_else(|| budget::Event::decode(kind, data).map(|event| event.map(Self::Budget)))
            .or_else(|| registry::Event::decode(kind, data).map(|event| event.map(Self::Registry)))
            .or_else(|| realm::Event::decode(kind, data).map(|event| event.map(Self::Realm)))
            .or_else(|| user::Event::decode(kind, data).map(|event| event.map(Self::User)))
            .or_else(|| session::Event::decode(kind, data).map(|event| event.map(Self::Session)))
            .or_else(|| end_user::Event::decode(kind, data).map(|event| event.map(Self::EndUser)))
            .or_else(|| tag::Event::decode(kind, data).map(|event| event.map(Self::Tag)))
            .or_else(|| grant::Event::decode(kind, data).map(|event| event.map(Self::Grant)))
            .or_else(|| credential::Event::decode(kind, data).map(|event| event.map(Self::Credential)))
            .or_else(|| named_budget::Event::decode(kind, data).map(|event| event.map(Self::NamedBudget)))
            .or_else(|| selection::Event::decode(kind, data).map(|event| event.map(Self::Selection)))
            .or_else(|| agent::Event::decode(kind, data).map(|event| event.map(Self::Agent)))
    }
}

impl Recorded {
    /// Reads the event of a line.
    ///
    /// # Errors
    /// [`Undecodable`].
    pub fn decode(envelope: &Envelope<'_>) -> Result<Self, Undecodable> {
        let event = Event::decode(&envelope.kind, envelope.schema, envelope.data.get())?;
        let command =
            envelope.command.clone().zip(envelope.command_digest).map(|(id, digest)| CommandRef { id, digest });
        Ok(Self {
            id: envelope.id,
            log: envelope.log,
            position: envelope.position,
            realm: envelope.realm.clone(),
            stream: envelope.stream.clone(),
            version: envelope.version,
            at: envelope.at,
            actor: envelope.actor.clone(),
            command,
            part: envelope.part,
            event,
        })
    }

    /// The rows of partial tables that must be loaded before this event is folded.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let mut needs = Needs::default();
        match &self.event {
            Event::Key(key::Event::Issued(_)) => {}
            Event::Key(event) => needs.keys.push(event.key()),
            Event::Budget(event) => needs.scope(event.scope()),
            Event::NamedBudget(named_budget::Event::Revised(data)) => needs.budgets.push(data.budget.clone()),
            _ => {}
        }
        needs
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Recorded, Undecodable};
    use crate::budget::{NewBudgetLimit, SetBudget};
    use crate::control::Needs;
    use crate::key::BlockKey;
    use crate::money::NanoUsd;
    use crate::scope::Scope;
    use crate::testing::samples::key_id;
    use crate::testing::world::World;
    use crate::time::Period;
    use serde_json::value::RawValue;
    use std::collections::BTreeSet;

    #[test]
    fn an_event_of_an_unknown_type_is_named() {
        for kind in ["key.melted", "", "Key.Blocked", "key.blocked "] {
            let error = Event::decode(kind, 1, "{}").unwrap_err();
            assert!(matches!(&error, Undecodable::UnknownType(found) if found == kind), "{error}");
        }
    }

    #[test]
    fn a_schema_that_is_not_known_is_never_guessed() {
        let data = format!(r#"{{"key":"{}"}}"#, key_id(1));
        assert!(Event::decode("key.blocked", 1, &data).is_ok());
        for schema in [0, 2, u16::MAX] {
            let error = Event::decode("key.blocked", schema, &data).unwrap_err();
            assert!(matches!(error, Undecodable::UnknownSchema { schema: found, .. } if found == schema), "{error}");
        }
    }

    #[test]
    fn data_that_does_not_have_just_the_fields_of_its_type_is_undecodable() {
        let key = key_id(1);
        for data in [
            "{}".to_owned(),
            format!(r#"{{"key":"{key}","more":1}}"#),
            format!(r#"{{"key":"{key}","key":"{key}"}}"#),
            r#"{"key":"1"}"#.to_owned(),
            "null".to_owned(),
        ] {
            assert!(matches!(Event::decode("key.blocked", 1, &data), Err(Undecodable::Data { .. })), "{data}");
        }
    }

    #[test]
    fn types_have_names_of_their_own_in_lower_case() {
        let names: Vec<&str> = Event::types().map(|(kind, _)| kind).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        for name in names {
            let (of, happened) = name.split_once('.').unwrap();
            let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(is_word(of) && is_word(happened), "{name}");
        }
    }

    #[test]
    fn an_event_names_the_rows_that_it_touches() {
        let limit = NewBudgetLimit { period: Period::Total, anchor: None, limit_nano_usd: NanoUsd::ZERO };
        let mut world = World::small();
        let issued = world.history().last().cloned().unwrap();
        let blocked = world.carry_out(BlockKey { key: key_id(1) }).remove(0);
        let of_key = world
            .carry_out(SetBudget {
                scope: Scope::Key(key_id(1)),
                limits: vec![limit.clone()],
                reclaim_after_seconds: None,
            })
            .remove(0);
        let of_gateway = world
            .carry_out(SetBudget { scope: Scope::Gateway, limits: vec![limit], reclaim_after_seconds: None })
            .remove(0);
        let the_key = Needs { keys: vec![key_id(1)], ..Needs::default() };
        assert_eq!(issued.needs(), Needs::default(), "what is born touches nothing that was");
        assert_eq!(blocked.needs(), the_key);
        assert_eq!(of_key.needs(), the_key);
        assert_eq!(of_gateway.needs(), Needs::default());
    }

    #[test]
    fn an_event_without_a_command_is_decoded_without_one() {
        use crate::envelope::{Draft, MacKey, seal};
        use crate::stream::{Head, Log};
        let recorded = World::new().history()[0].clone();
        let draft = Draft {
            id: recorded.id,
            kind: recorded.event.kind(),
            schema: recorded.event.schema(),
            realm: None,
            stream: recorded.stream,
            version: 1,
            at: recorded.at,
            actor: recorded.actor,
            command: None,
            part: (1, 1),
            cause: Vec::new(),
            data: RawValue::from_string(recorded.event.to_data().unwrap()).unwrap(),
        };
        let (line, _) = seal(Log::Control, &Head::EMPTY, &draft, &MacKey::new([7; 32])).unwrap();
        let read = Recorded::decode(&line.envelope().unwrap()).unwrap();
        assert_eq!((read.command, read.realm, read.event), (None, None, recorded.event));
    }
}
