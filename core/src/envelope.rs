//! The line: one event as it lies in a log, byte for byte the same in every implementation and every export.
//!
//! ```json
//! {"id":"0199…","type":"key.issued","schema":1,"log":"control","position":1042,"realm":"engineering","stream":"key-5f3a…","version":1,
//!  "at":"2026-11-20T10:15:30.123Z","actor":{"kind":"operator","id":"master"},"command":"0199…","command_digest":"…","part":[1,1],
//!  "cause":[1007],"data":{…},"prev":"<SHA-256 of the previous line>","mac":"<HMAC-SHA-256 of the SHA-256 of this line up to here>"}
//! ```
//!
//! `prev` chains the lines, so that anyone can check a log with nothing but SHA-256. `mac` lets a gateway refuse a forged
//! event at once. `part` says which of how many events of one command this is, so that no reader ever acts on half a
//! command. Causes, and a command with its `part`, are left out where there are none. This module
//! knows lines, not what events mean: `data` stays raw.

mod known;
mod mac_key;
mod seal;

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::actor::Actor;
use crate::digest::Digest;
use crate::id::{CommandId, EventId, RealmId};
use crate::stream::{ChainId, Head, Log, Position, StreamId};
use crate::time::Timestamp;

pub use known::Known;
pub use mac_key::MacKey;
pub use seal::{Draft, SealError, seal, seal_event, seal_unsealed, unsealed};

/// The longest line, in bytes. Under the default message size of a NATS server (1 MiB) with room for headers.
pub const LINE_MAX_BYTES: usize = 768 * 1024;
/// The most events that one command may cause, and one atomic batch may hold: the limit of JetStream's atomic batches.
pub const PARTS_MAX: usize = 1_000;

const PREV_OPEN: &[u8] = b",\"prev\":\"";
const MAC_OPEN: &[u8] = b"\",\"mac\":\"";
const LINE_CLOSE: &[u8] = b"\"}";
const HEX: usize = 64;
/// The bytes from `","mac":"` on, less the quote that still belongs to what the MAC covers.
const AFTER_MAC_COVER: usize = MAC_OPEN.len() - 1 + HEX + LINE_CLOSE.len();
const AFTER_PREV: usize = MAC_OPEN.len() + HEX + LINE_CLOSE.len();

/// One line of a log, without its line feed. Cheap to clone. Lines are equal when their bytes are.
///
/// A line that this process sealed of an event remembers what was known then (see [`Known`]), and so do its clones.
#[derive(Debug, Clone)]
pub struct Line {
    bytes: Bytes,
    known: Option<Arc<Known>>,
}

impl PartialEq for Line {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Line {}

/// The command that caused an event: its id, and the digest of its body, so that the same id with another body is
/// refused for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRef {
    /// The id that the sender chose.
    pub id: CommandId,
    /// SHA-256 of the command's canonical body.
    pub digest: Digest,
}

/// A line as read: borrowed from its bytes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope<'a> {
    /// The event's own id.
    pub id: EventId,
    /// The stable name of its type.
    #[serde(rename = "type", borrow)]
    pub kind: std::borrow::Cow<'a, str>,
    /// The number of the schema of `data`.
    pub schema: u16,
    /// The log that the line was written for.
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
    /// The id of the command that caused it.
    pub command: Option<CommandId>,
    /// SHA-256 of that command's canonical body.
    pub command_digest: Option<Digest>,
    /// Part i of n of its command; the only one where there is no command.
    #[serde(default = "whole")]
    pub part: (u16, u16),
    /// Positions in control of the events that decided.
    #[serde(default)]
    pub cause: Vec<Position>,
    /// What happened, as JSON that was not parsed yet.
    #[serde(borrow)]
    pub data: &'a RawValue,
    /// SHA-256 of the previous line.
    pub prev: Digest,
    /// HMAC-SHA-256 of the SHA-256 of the line up to its own field.
    pub mac: Digest,
}

const fn whole() -> (u16, u16) {
    (1, 1)
}

/// What is wrong with a line at its place in a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not a line at all: no JSON object of this form.
    #[error("the line cannot be read: {0}")]
    Unreadable(String),
    /// The MAC does not match: not written by a gateway of this installation, or changed since.
    #[error("the line's MAC does not match: it was forged, changed, or written under another secret")]
    Forged,
    /// The line stands at another place than it says.
    #[error("the line says position {found} and stands at {expected}")]
    Position {
        /// Where it stands.
        expected: Position,
        /// What it says.
        found: Position,
    },
    /// The line was written for another log or chain.
    #[error("the line belongs to {0}")]
    Elsewhere(String),
    /// `prev` is not the hash of the line before: something before it was changed, removed or inserted.
    #[error("the line's `prev` is not the hash of the line before it")]
    Chain,
}

impl Line {
    /// Takes bytes as they came from a log. Nothing is checked yet.
    #[must_use]
    pub const fn from_bytes(bytes: Bytes) -> Self {
        Self { bytes, known: None }
    }

    /// What is known of the line, if this process sealed it under this key.
    #[must_use]
    pub fn known(&self, key: &MacKey) -> Option<&Known> {
        self.known.as_deref().filter(|known| known.is_sealed_under(key))
    }

    /// The bytes, without a line feed.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What is known of the line, if this process sealed it for the place after `head` in this chain, and under this
    /// key if one is given. Such a line needs no [`Self::check`].
    #[must_use]
    pub fn known_at(&self, log: Log, chain: &ChainId, head: &Head, key: Option<&MacKey>) -> Option<&Known> {
        let known = self.known.as_deref()?;
        let is_under = key.is_none_or(|key| known.is_sealed_under(key));
        (is_under && known.follows(log, chain, head)).then_some(known)
    }

    /// SHA-256 of the line.
    #[must_use]
    pub fn hash(&self) -> Digest {
        self.known.as_deref().map_or_else(|| Digest::of(&self.bytes), |known| known.end().hash)
    }

    /// Reads `prev` from its fixed place at the end, without parsing. Nothing when the line does not end as one.
    #[must_use]
    pub fn prev(&self) -> Option<Digest> {
        if let Some(known) = &self.known {
            return Some(known.before().hash);
        }
        let end = self.bytes.len().checked_sub(AFTER_PREV)?;
        let start = end.checked_sub(HEX)?;
        let opens = self.bytes.get(start.checked_sub(PREV_OPEN.len())?..start)? == PREV_OPEN;
        let closes = self.bytes.ends_with(LINE_CLOSE) && self.bytes.get(end..end + MAC_OPEN.len())? == MAC_OPEN;
        if opens && closes { Digest::from_hex(self.bytes.get(start..end)?).ok() } else { None }
    }

    /// Whether the line's MAC is the one that this key makes.
    #[must_use]
    pub fn is_authentic(&self, key: &MacKey) -> bool {
        if self.known(key).is_some() {
            return true;
        }
        self.authenticated(key).is_some()
    }

    /// SHA-256 of the line, if its MAC is the one that this key makes.
    fn authenticated(&self, key: &MacKey) -> Option<Digest> {
        let covered = self.bytes.len().checked_sub(AFTER_MAC_COVER)?;
        let start = covered + MAC_OPEN.len() - 1;
        let found = Digest::from_hex(self.bytes.get(start..start + HEX)?).ok()?;
        let mut hash = Sha256::new_with_prefix(&self.bytes[..covered]);
        // Both sides are digests of public bytes under a secret key; an early exit tells a forger nothing that helps,
        // since he cannot choose the expected value.
        if found != key.mac(&Digest::from_bytes(hash.clone().finalize().into())) {
            return None;
        }
        hash.update(&self.bytes[covered..]);
        Some(Digest::from_bytes(hash.finalize().into()))
    }

    /// Parses the line.
    ///
    /// # Errors
    /// [`Fault::Unreadable`] when it is no JSON object with exactly the fields of an envelope.
    pub fn envelope(&self) -> Result<Envelope<'_>, Fault> {
        serde_json::from_slice(&self.bytes).map_err(|error| Fault::Unreadable(error.to_string()))
    }

    /// Checks the line as the one that follows `head` in a chain, and tells where the chain then ends.
    ///
    /// The MAC is checked first, if a key is given: what a gateway of this installation did not write is
    /// [`Fault::Forged`], whatever else it says.
    ///
    /// # Errors
    /// The first [`Fault`] that is found.
    pub fn check(
        &self,
        log: Log,
        chain: &ChainId,
        head: &Head,
        key: Option<&MacKey>,
    ) -> Result<(Envelope<'_>, Head), Fault> {
        if let Some(known) = self.known_at(log, chain, head, key) {
            return Ok((self.envelope()?, known.end()));
        }
        let hash = match key {
            Some(key) => Some(self.authenticated(key).ok_or(Fault::Forged)?),
            None => None,
        };
        let envelope = self.envelope()?;
        let belongs = ChainId::of(envelope.log, &envelope.stream);
        if envelope.log != log || belongs != *chain {
            return Err(Fault::Elsewhere(format!("log {}, chain {belongs}", envelope.log)));
        }
        let expected = head.position.plus(1);
        if envelope.position != expected {
            return Err(Fault::Position { expected, found: envelope.position });
        }
        if envelope.prev != head.hash {
            return Err(Fault::Chain);
        }
        let head = Head { position: expected, hash: hash.unwrap_or_else(|| self.hash()) };
        Ok((envelope, head))
    }
}

#[cfg(test)]
mod tests;
