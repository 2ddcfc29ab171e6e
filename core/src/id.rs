//! Identifiers. Each kind is its own type, parsed once at the edge; nothing inside can hold an id that is not valid.
//!
//! Text ids are chosen by people and imported systems: 1 to 256 bytes, no control characters, no leading or trailing
//! white space. What a transport cannot carry (a NATS subject token, a file name) the transport encodes; an id is never
//! refused for its sake. Uuid ids are ours: version 7, made outside `core` and handed in.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

/// The longest text id, in bytes. LiteLLM's ids and aliases are far shorter; a limit keeps rows and subjects bounded.
pub const TEXT_ID_MAX_BYTES: usize = 256;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// Nothing was given.
    #[error("a {kind} must not be empty")]
    Empty {
        /// What the id would have named.
        kind: &'static str,
    },
    /// More than [`TEXT_ID_MAX_BYTES`] bytes.
    #[error("a {kind} has at most {TEXT_ID_MAX_BYTES} bytes, this one has {bytes}")]
    TooLong {
        /// What the id would have named.
        kind: &'static str,
        /// How long the text is, in bytes.
        bytes: usize,
    },
    /// A control character, an invisible formatting character, or white space at an end.
    #[error("a {kind} must not hold the character U+{character:04X} at byte {at}")]
    Character {
        /// What the id would have named.
        kind: &'static str,
        /// The code point that is not allowed.
        character: u32,
        /// Its place, in bytes.
        at: usize,
    },
    /// Not the form of this kind of id.
    #[error("`{text}` is not a {kind}: {expected}")]
    Form {
        /// What the id would have named.
        kind: &'static str,
        /// The text, cut to 64 characters.
        text: String,
        /// What was expected.
        expected: &'static str,
    },
}

/// Characters that no eye can see: they make two names look the same, and a log line lie.
const fn is_invisible(character: char) -> bool {
    matches!(character, '\u{00AD}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

fn check_text(kind: &'static str, text: &str) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty { kind });
    }
    if text.len() > TEXT_ID_MAX_BYTES {
        return Err(InvalidId::TooLong { kind, bytes: text.len() });
    }
    // As nearly all are.
    if text.bytes().fold(true, |is_plain, byte| is_plain & byte.is_ascii_graphic()) {
        return Ok(());
    }
    let last = text.char_indices().next_back().map_or(0, |(at, _)| at);
    for (at, character) in text.char_indices() {
        let at_an_end = at == 0 || at == last;
        if character.is_control() || is_invisible(character) || (at_an_end && character.is_whitespace()) {
            return Err(InvalidId::Character { kind, character: u32::from(character), at });
        }
    }
    Ok(())
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses the id.
            ///
            /// # Errors
            /// [`InvalidId`] when the text is empty, longer than [`TEXT_ID_MAX_BYTES`] or holds a character that is not allowed.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                check_text($kind, text.as_ref())?;
                Ok(Self(Arc::from(text.as_ref())))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), &*self.0)
            }
        }
    };
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a uuid that the shell made.
            #[must_use]
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The uuid within.
            #[must_use]
            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::parse_str(text).map(Self).map_err(|_| InvalidId::Form {
                    kind: $kind,
                    text: text.chars().take(64).collect(),
                    expected: "a uuid such as 01990a3e-7b1c-7f00-8000-000000000001",
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

text_id!(
    /// A realm: a tenant. Realms nest. LiteLLM's team ids and organization ids become realm ids unchanged.
    RealmId, "realm id");
text_id!(
    /// The public name of a model, the one that clients send: `openai/gpt-5`. It names no vendor by itself.
    ModelName, "model name");
text_id!(
    /// A deployment: one concrete upstream that serves a model. LiteLLM's `model_info.id`, so it may be any text.
    DeploymentId, "deployment id");
text_id!(
    /// A vendor: a row of `vendors.toml`.
    VendorId, "vendor");
text_id!(
    /// A command's id, chosen by its sender. The same id again gives the same receipt, for ever.
    CommandId, "command id");
text_id!(
    /// A person or service account that keys belong to. LiteLLM's `user_id`.
    UserId, "user id");
text_id!(
    /// Somebody on whose behalf a key asks, by the request's own word: `user` of a body, LiteLLM's customer. Unique within
    /// what it was registered for: a realm, or the whole gateway.
    EndUserId, "end user id");
text_id!(
    /// A tag: a word that requests carry, so that what they cost is told apart. LiteLLM's request tags.
    TagName, "tag");
text_id!(
    /// A named budget: LiteLLM's `budget_id`. Unique over the whole gateway.
    BudgetId, "budget id");
text_id!(
    /// Where something was spent that no gateway of this log served: `litellm`.
    SourceName, "source");
text_id!(
    /// A key's alias: unique over the whole gateway, as in LiteLLM.
    KeyAlias, "key alias");
text_id!(
    /// An agent: its did, or whatever its registration named it by.
    AgentId, "agent id");
text_id!(
    /// An agent's name for people: unique over the whole gateway.
    AgentName, "agent name");
text_id!(
    /// A conversation with an agent, by the id that its caller gave it.
    ContextId, "context id");
text_id!(
    /// A slot of a selection: the name that clients call, such as `current` or `fast`.
    SlotName, "slot name");
text_id!(
    /// A preset, by the name that its scope gave it.
    PresetName, "preset name");
text_id!(
    /// The gateway process family that writes one activity chain: made once per data folder.
    WriterId, "writer id");

uuid_id!(
    /// An event. Readers dedupe by it.
    EventId, "event id");
uuid_id!(
    /// A virtual key. It stays when the key's secret is rotated.
    KeyId, "key id");
uuid_id!(
    /// A model of the registry. The public name can be found by it.
    ModelId, "model id");
uuid_id!(
    /// A provider credential.
    CredentialId, "credential id");
uuid_id!(
    /// A session of somebody who signed in.
    SessionId, "session id");
uuid_id!(
    /// One connection of an agent.
    ConnectionId, "connection id");
uuid_id!(
    /// One request through the pipeline: the call id of response headers and spend logs.
    RequestId, "request id");

impl RealmId {
    /// The realm that a gateway starts with; what names no realm belongs to it.
    #[must_use]
    pub fn default_realm() -> Self {
        Self(Arc::from("default"))
    }
}

impl SlotName {
    /// The slot that is meant when none is named.
    #[must_use]
    pub fn current() -> Self {
        Self(Arc::from("current"))
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidId, ModelName, RealmId, TEXT_ID_MAX_BYTES};

    #[test]
    fn a_text_id_keeps_dots_slashes_stars_and_spaces_inside() {
        for text in ["openai/gpt-5", "a.b.*.>", "My Team", "模型"] {
            assert_eq!(ModelName::new(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_text_id_refuses_what_no_eye_can_see() {
        for text in ["a\nb", "a\u{200B}b", " a", "a\t", "\u{FEFF}a", "a\u{202E}b", "a\0"] {
            assert!(matches!(RealmId::new(text), Err(InvalidId::Character { .. })), "{text:?}");
        }
    }

    #[test]
    fn a_text_id_has_a_length_of_one_to_the_limit() {
        assert!(matches!(RealmId::new(""), Err(InvalidId::Empty { .. })));
        assert!(RealmId::new("x".repeat(TEXT_ID_MAX_BYTES)).is_ok());
        assert!(matches!(RealmId::new("x".repeat(TEXT_ID_MAX_BYTES + 1)), Err(InvalidId::TooLong { .. })));
    }
}
