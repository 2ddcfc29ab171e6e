//! Scopes: what a budget or a selection is bound to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use crate::end_user::EndUserRef;
use crate::id::{AgentId, ContextId, InvalidId, KeyId, ModelName, RealmId, SlotName, UserId};
use crate::stream::{StreamId, StreamKind};
use crate::tag::TagRef;

/// What a budget or a selection is bound to. As text it is `gateway`, `realm:<id>`, `user:<id>`, `key:<id>` or `agent:<id>`; for
/// budgets alone also `model@<realm>:<name>`, `end_user@<realm>:<id>`, `end_user:<id>`, `tag@<realm>:<name>` and `tag:<name>`; for selections alone
/// `context:<agent>#<id>`, since conversations are paid for by their agent. In a realm before a colon, `:` is written
/// `%3A` and `%` is written `%25`, so that a text has one reading.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum Scope {
    /// Everything that goes through.
    Gateway,
    /// A realm and all that nests in it.
    Realm(RealmId),
    /// A person: all keys that are theirs, whatever realm they belong to.
    User(UserId),
    /// One virtual key.
    Key(KeyId),
    /// What a realm, and all that nests in it, does with the model of a name.
    Model(RealmId, ModelName),
    /// What is asked on behalf of an end user.
    EndUser(EndUserRef),
    /// What is asked under a tag.
    Tag(TagRef),
    /// An agent, whichever of its keys it calls with.
    Agent(AgentId),
    /// One conversation with an agent.
    Context(Conversation),
}

/// A conversation with an agent. The same id with another agent is another conversation.
///
/// As text it is `<agent>#<id>`, where a `#` of the agent's id is written `%23`, and a `%` is written `%25`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conversation {
    /// The agent.
    pub agent: AgentId,
    /// What its caller calls it.
    pub context: ContextId,
}

impl fmt::Display for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let agent = self.agent.as_str().replace('%', "%25").replace('#', "%23");
        write!(f, "{agent}#{}", self.context)
    }
}

impl FromStr for Conversation {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let form = || InvalidId::Form {
            kind: "context",
            text: text.chars().take(64).collect(),
            expected: "write `<agent>#<id>`, with `%23` for a `#` and `%25` for a `%` of the agent's id",
        };
        let (agent, context) = text.split_once('#').ok_or_else(form)?;
        let read = Self { agent: agent.replace("%23", "#").replace("%25", "%").parse()?, context: context.parse()? };
        // Each conversation has one text alone: another one would be another stream.
        if read.to_string() == text { Ok(read) } else { Err(form()) }
    }
}

impl Scope {
    /// The stream of this scope's budget.
    #[must_use]
    pub fn budget_stream(&self) -> StreamId {
        StreamId::of(StreamKind::Budget, &self.to_string())
    }

    /// The stream of what this scope selects for one slot. An `@` in the slot's name is written `%40`, and `%` is written
    /// `%25`: both names are free text, and no two places may share a stream.
    #[must_use]
    pub fn selection_stream(&self, slot: &SlotName) -> StreamId {
        let slot = slot.as_str().replace('%', "%25").replace('@', "%40");
        StreamId::of(StreamKind::Selection, &format!("{slot}@{self}"))
    }

    /// The stream of this scope's presets.
    #[must_use]
    pub fn preset_stream(&self) -> StreamId {
        StreamId::of(StreamKind::Preset, &self.to_string())
    }

    /// Whether models can be selected for it.
    #[must_use]
    pub const fn selects(&self) -> bool {
        match self {
            Self::Gateway | Self::Realm(_) | Self::User(_) | Self::Key(_) | Self::Agent(_) | Self::Context(_) => true,
            Self::Model(..) | Self::EndUser(_) | Self::Tag(_) => false,
        }
    }
}

/// A realm as it stands before a colon.
pub(crate) fn escaped(realm: &RealmId) -> String {
    realm.as_str().replace('%', "%25").replace(':', "%3A")
}

/// The realm that was written before a colon; none for what [`escaped`] does not write.
pub(crate) fn unescaped(text: &str) -> Option<RealmId> {
    let realm = RealmId::new(text.replace("%3A", ":").replace("%25", "%")).ok()?;
    (escaped(&realm) == text).then_some(realm)
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway => f.write_str("gateway"),
            Self::Realm(id) => write!(f, "realm:{id}"),
            Self::User(id) => write!(f, "user:{id}"),
            Self::Key(id) => write!(f, "key:{id}"),
            Self::Model(realm, model) => write!(f, "model@{}:{model}", escaped(realm)),
            Self::EndUser(end_user) => write!(f, "end_user{end_user}"),
            Self::Tag(tag) => write!(f, "tag{tag}"),
            Self::Agent(id) => write!(f, "agent:{id}"),
            Self::Context(conversation) => write!(f, "context:{conversation}"),
        }
    }
}

impl FromStr for Scope {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let unknown = || InvalidId::Form {
            kind: "scope",
            text: text.chars().take(64).collect(),
            expected: "write `gateway`, `realm:<id>`, `user:<id>`, `key:<id>`, `model@<realm>:<name>`, `end_user:<id>`, `end_user@<realm>:<id>`, `tag:<name>`, `tag@<realm>:<name>`, `agent:<id>` or `context:<agent>#<id>`",
        };
        match text.split_once(':') {
            None if text == "gateway" => Ok(Self::Gateway),
            Some(("realm", id)) => id.parse().map(Self::Realm),
            Some(("user", id)) => id.parse().map(Self::User),
            Some(("key", id)) => id.parse().map(Self::Key),
            Some(("agent", id)) => id.parse().map(Self::Agent),
            Some(("context", id)) => id.parse().map(Self::Context),
            Some((kind, name)) => match kind.strip_prefix("model@") {
                Some(realm) => Ok(Self::Model(unescaped(realm).ok_or_else(unknown)?, name.parse()?)),
                None => match text.strip_prefix("tag") {
                    Some(tag) => tag.parse().map(Self::Tag),
                    None => text.strip_prefix("end_user").ok_or_else(unknown)?.parse().map(Self::EndUser),
                },
            },
            None => Err(unknown()),
        }
    }
}

impl TryFrom<String> for Scope {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::{Conversation, Scope};
    use crate::end_user::EndUserRef;
    use crate::id::{RealmId, SlotName};
    use crate::tag::TagRef;
    use crate::testing::samples::{id, key_id};
    use proptest::prelude::{Strategy, any, prop_assert_eq, prop_oneof, proptest};

    /// Names made of what scopes and streams are made of.
    fn strange() -> impl Strategy<Value = String> {
        "[a@:%#-]{1,6}|gateway|realm:a|user:a|key:a|agent:a|context:a#b|a@gateway|%40|%25|%23|%3A|#|@a:a"
    }

    fn scope() -> impl Strategy<Value = Scope> {
        prop_oneof![
            proptest::strategy::Just(Scope::Gateway),
            strange().prop_map(|text| Scope::Realm(id(&text))),
            strange().prop_map(|text| Scope::User(id(&text))),
            any::<u8>().prop_map(|number| Scope::Key(key_id(number.into()))),
            (strange(), strange()).prop_map(|(realm, model)| Scope::Model(id(&realm), id(&model))),
            (proptest::option::of(strange()), strange()).prop_map(|(realm, text)| {
                Scope::EndUser(EndUserRef { realm: realm.map(|realm| id(&realm)), id: id(&text) })
            }),
            (proptest::option::of(strange()), strange()).prop_map(|(realm, text)| {
                Scope::Tag(TagRef { realm: realm.map(|realm| id(&realm)), name: id(&text) })
            }),
            strange().prop_map(|text| Scope::Agent(id(&text))),
            (strange(), strange()).prop_map(|(agent, context)| {
                Scope::Context(Conversation { agent: id(&agent), context: id(&context) })
            }),
        ]
    }

    #[test]
    fn a_scope_has_one_text() {
        assert_eq!(Scope::Gateway.to_string(), "gateway");
        assert_eq!(Scope::Realm(id("a:b@c#d")).to_string(), "realm:a:b@c#d");
        assert_eq!(Scope::User(id("ada@x")).to_string(), "user:ada@x");
        assert_eq!(Scope::Key(key_id(1)).to_string(), format!("key:{}", key_id(1)));
        assert_eq!(Scope::Model(id("a:b%"), id("x:y")).to_string(), "model@a%3Ab%25:x:y");
        assert_eq!(Scope::EndUser(EndUserRef { realm: None, id: id("@a:1") }).to_string(), "end_user:@a:1");
        let of_realm = EndUserRef { realm: Some(id("a:b")), id: id("1") };
        assert_eq!(Scope::EndUser(of_realm).to_string(), "end_user@a%3Ab:1");
        assert_eq!(Scope::Tag(TagRef { realm: None, name: id("a:b") }).to_string(), "tag:a:b");
        assert_eq!(Scope::Tag(TagRef { realm: Some(id("a:b")), name: id("1") }).to_string(), "tag@a%3Ab:1");
        let conversation = Conversation { agent: id("did:a#1%"), context: id("a#b.*.>") };
        assert_eq!(Scope::Context(conversation).to_string(), "context:did:a%231%25#a#b.*.>");
        assert_eq!(Scope::Agent(id("did:a#1")).to_string(), "agent:did:a#1");
        let json = serde_json::to_string(&Scope::Realm(RealmId::default_realm())).unwrap();
        assert_eq!(json, r#""realm:default""#);
    }

    #[test]
    fn a_text_of_another_form_is_no_scope() {
        for text in [
            "",
            "Gateway",
            "gateway:",
            "realm",
            "realm:",
            "realm: a",
            "key:1",
            "user:",
            "agent:",
            "context:a",
            "context:a#",
            "context:#a",
            "context:a%41#b",
            "context:a%#b",
            " gateway",
            "realm:a\n",
            "model:gpt",
            "model@acme",
            "model@:gpt",
            "model@a%3a:gpt",
            "model@a%:gpt",
            "end_user",
            "end_user@acme",
            "end_user@:a",
            "end_user@a%20:a",
            "end_users:a",
            "tag",
            "tag@acme",
            "tag@:a",
            "tags:a",
        ] {
            assert!(text.parse::<Scope>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_scope_is_read_as_it_was_written(scope in scope()) {
            prop_assert_eq!(scope.to_string().parse::<Scope>(), Ok(scope));
        }

        #[test]
        fn no_two_scopes_share_a_stream(a in scope(), b in scope()) {
            prop_assert_eq!(a.budget_stream() == b.budget_stream(), a == b);
        }

        #[test]
        fn no_two_slots_share_a_stream(a in scope(), b in scope(), c in strange(), d in strange()) {
            let (c, d): (SlotName, SlotName) = (id(&c), id(&d));
            prop_assert_eq!(a.selection_stream(&c) == b.selection_stream(&d), (&a, &c) == (&b, &d));
        }
    }
}
