//! Writing an event as the next line of a chain.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::{CommandRef, HEX, Known, LINE_CLOSE, LINE_MAX_BYTES, Line, MAC_OPEN, MacKey, PREV_OPEN};
use crate::actor::Actor;
use crate::digest::Digest;
use crate::event::Recorded;
use crate::id::{CommandId, EventId, RealmId};
use crate::json;
use crate::stream::{Head, Log, Position, StreamId};
use crate::time::Timestamp;

/// Most lines fit into so many bytes.
const LINE_USUAL_BYTES: usize = 1_536;

/// How JSON writes `()`.
const NOTHING: &str = "null";

/// What the seal adds to a line: `prev` and `mac`.
const SEAL_BYTES: usize = PREV_OPEN.len() + HEX + MAC_OPEN.len() + HEX + LINE_CLOSE.len();

/// An event that is to be appended, its data as it stands: everything but its place in a chain. What this version
/// decides itself is a [`Recorded`] and goes to [`seal_event`].
#[derive(Debug, Clone)]
pub struct Draft {
    /// The event's own id.
    pub id: EventId,
    /// The stable name of its type, such as `key.issued`.
    pub kind: &'static str,
    /// The number of the schema of `data`.
    pub schema: u16,
    /// The realm it concerns; none for what concerns the whole gateway.
    pub realm: Option<RealmId>,
    /// The stream it belongs to.
    pub stream: StreamId,
    /// Its number in that stream, from 1.
    pub version: u64,
    /// When it was decided or seen.
    pub at: Timestamp,
    /// Who asked.
    pub actor: Actor,
    /// The command that caused it; none for activity.
    pub command: Option<CommandRef>,
    /// Part i of n of its command, from 1.
    pub part: (u16, u16),
    /// Positions in control of the events that decided.
    pub cause: Vec<Position>,
    /// What happened, as JSON.
    pub data: Box<RawValue>,
}

#[derive(Serialize)]
struct Body<'a, D> {
    id: EventId,
    #[serde(rename = "type")]
    kind: &'a str,
    schema: u16,
    log: Log,
    position: Position,
    realm: Option<&'a RealmId>,
    stream: &'a StreamId,
    version: u64,
    at: Timestamp,
    actor: &'a Actor,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a CommandId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command_digest: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<(u16, u16)>,
    #[serde(skip_serializing_if = "<[Position]>::is_empty")]
    cause: &'a [Position],
    data: D,
}

/// Why an event cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Longer than [`LINE_MAX_BYTES`].
    #[error(
        "an event has at most {LINE_MAX_BYTES} bytes, this one has {bytes}: make its names, lists or metadata shorter"
    )]
    TooLong {
        /// How long the line would be.
        bytes: usize,
    },
    /// The data is no JSON. A defect of the caller.
    #[error("the event could not be written as JSON")]
    Json(#[source] serde_json::Error),
}

/// Writes a draft as the next line of a chain, and tells where the chain then ends.
///
/// # Errors
/// [`SealError`] when the line would be too long.
pub fn seal(log: Log, head: &Head, draft: &Draft, key: &MacKey) -> Result<(Line, Head), SealError> {
    let body = Body {
        id: draft.id,
        kind: draft.kind,
        schema: draft.schema,
        log,
        position: head.position.plus(1),
        realm: draft.realm.as_ref(),
        stream: &draft.stream,
        version: draft.version,
        at: draft.at,
        actor: &draft.actor,
        command: draft.command.as_ref().map(|command| &command.id),
        command_digest: draft.command.as_ref().map(|command| command.digest),
        part: part_of(draft.part, draft.command.as_ref()),
        cause: &draft.cause,
        data: &draft.data,
    };
    let (bytes, head) = written(&body, head, key)?;
    Ok((Line::from_bytes(bytes), head))
}

/// Writes an event as the next line of a chain, and tells where the chain then ends. The event gets its place there; the
/// line remembers it.
///
/// # Errors
/// [`SealError`] when the line would be too long.
pub fn seal_event(
    head: &Head,
    mut recorded: Recorded,
    cause: &[Position],
    key: &MacKey,
) -> Result<(Line, Head), SealError> {
    recorded.position = head.position.plus(1);
    let (bytes, end) = written(&body_of(&recorded, cause, &recorded.event), head, key)?;
    let known = Known::new(key.clone(), *head, end, Box::new(recorded));
    Ok((Line { bytes, known: Some(Arc::new(known)) }, end))
}

/// An event as a line up to its `prev`, at the place that it says. What it says is fixed from here on, and so are the
/// bytes, wherever they wait: [`seal_unsealed`] makes the line of them.
///
/// `data` is the event's data as [`crate::event::Event::to_bytes`] wrote it, so that it is written once.
///
/// # Errors
/// [`SealError`] when the line would be too long.
pub fn unsealed(recorded: &Recorded, cause: &[Position], data: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut bytes = unchained(&body_of(recorded, cause, ()))?;
    // The data comes last: it stands where nothing was written.
    bytes.truncate(bytes.len() - NOTHING.len());
    bytes.extend_from_slice(data);
    let line = bytes.len() + SEAL_BYTES;
    if line > LINE_MAX_BYTES { Err(SealError::TooLong { bytes: line }) } else { Ok(bytes) }
}

/// Makes the line after `head` of what [`unsealed`] wrote for that place. The line remembers the event, where it is given;
/// it must be the one that the bytes were written of.
///
/// # Errors
/// [`SealError`] when the line would be too long.
pub fn seal_unsealed(
    head: &Head,
    bytes: Vec<u8>,
    recorded: Option<Box<Recorded>>,
    key: &MacKey,
) -> Result<(Line, Head), SealError> {
    let (bytes, end) = chained(bytes, head, key)?;
    let known = recorded.filter(|recorded| recorded.position == end.position);
    let known = known.map(|recorded| Arc::new(Known::new(key.clone(), *head, end, recorded)));
    Ok((Line { bytes, known }, end))
}

fn body_of<'a, D>(recorded: &'a Recorded, cause: &'a [Position], data: D) -> Body<'a, D> {
    Body {
        id: recorded.id,
        kind: recorded.event.kind(),
        schema: recorded.event.schema(),
        log: recorded.log,
        position: recorded.position,
        realm: recorded.realm.as_ref(),
        stream: &recorded.stream,
        version: recorded.version,
        at: recorded.at,
        actor: &recorded.actor,
        command: recorded.command.as_ref().map(|command| &command.id),
        command_digest: recorded.command.as_ref().map(|command| command.digest),
        part: part_of(recorded.part, recorded.command.as_ref()),
        cause,
        data,
    }
}

/// What is all that happened, without a command, needs no word.
fn part_of(part: (u16, u16), command: Option<&CommandRef>) -> Option<(u16, u16)> {
    (command.is_some() || part != (1, 1)).then_some(part)
}

/// The bytes of a line after `head`, and where the chain ends with it.
fn written(body: &Body<'_, impl Serialize>, head: &Head, key: &MacKey) -> Result<(Bytes, Head), SealError> {
    chained(unchained(body)?, head, key)
}

/// A line up to its `prev`: all of it that does not hang on the line before.
fn unchained(body: &Body<'_, impl Serialize>) -> Result<Vec<u8>, SealError> {
    let mut bytes = Vec::with_capacity(LINE_USUAL_BYTES);
    json::writer::write(&mut bytes, body).map_err(SealError::Json)?;
    bytes.pop();
    Ok(bytes)
}

/// Ends a line that follows `head`, and tells where the chain ends with it.
fn chained(mut bytes: Vec<u8>, head: &Head, key: &MacKey) -> Result<(Bytes, Head), SealError> {
    bytes.extend_from_slice(PREV_OPEN);
    bytes.extend_from_slice(&head.hash.to_hex());
    bytes.push(MAC_OPEN[0]);
    let covered = bytes.len();
    let mut hash = Sha256::new_with_prefix(&bytes);
    let mac = key.mac(&Digest::from_bytes(hash.clone().finalize().into()));
    bytes.extend_from_slice(&MAC_OPEN[1..]);
    bytes.extend_from_slice(&mac.to_hex());
    bytes.extend_from_slice(LINE_CLOSE);
    if bytes.len() > LINE_MAX_BYTES {
        return Err(SealError::TooLong { bytes: bytes.len() });
    }
    hash.update(&bytes[covered..]);
    let end = Head { position: head.position.plus(1), hash: Digest::from_bytes(hash.finalize().into()) };
    Ok((Bytes::from(bytes), end))
}
