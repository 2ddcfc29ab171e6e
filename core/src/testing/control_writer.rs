//! Decides commands and seals what follows from them: the control log as a gateway would write it.

#![allow(clippy::expect_used, clippy::panic, reason = "the inputs are the test's own; a panic is a failed test")]

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::chain_writer::TEST_MAC_KEY;
use super::samples::VENDOR;
use super::seeded_ids::SeededIds;
use crate::actor::Actor;
use crate::command::{Command, Context, Rejection, Request};
use crate::control::Control;
use crate::digest::Digest;
use crate::envelope::{CommandRef, Draft, Line, seal, seal_event};
use crate::id::{CommandId, EventId, RealmId, VendorId};
use crate::plan::{Circumstances, Planned, plan};
use crate::port::clock::Ids as _;
use crate::port::event_log::Batch;
use crate::price::PriceList;
use crate::stream::{ChainId, Head, Log, StreamId};
use crate::time::Timestamp;

/// When a [`ControlWriter`] decides its first command: 2026-11-20T10:15:30.123Z. Each next one is a millisecond later.
pub const FIRST_DECISION: Timestamp = Timestamp::from_millis(1_795_169_730_123);

/// Writes a control log. It keeps the whole state in memory: what every view of the log must agree with.
#[derive(Debug)]
pub struct ControlWriter {
    control: Control,
    head: Head,
    vendors: BTreeSet<VendorId>,
    ids: SeededIds,
    decided: u64,
}

impl Default for ControlWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl ControlWriter {
    /// A writer at the start of the log. The one vendor it knows is [`VENDOR`].
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn new() -> Self {
        let vendors = BTreeSet::from([VendorId::new(VENDOR).expect("a valid id")]);
        Self { control: Control::default(), head: Head::EMPTY, vendors, ids: SeededIds::new(7), decided: 0 }
    }

    /// The state after all that was written.
    #[must_use]
    pub const fn control(&self) -> &Control {
        &self.control
    }

    /// The end of the log.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// The same state, at another place in the log.
    #[must_use]
    pub fn at(&self, head: Head) -> Self {
        let (control, vendors, decided) = (self.control.clone(), self.vendors.clone(), self.decided);
        Self { control, head, vendors, ids: SeededIds::new(head.position.get()), decided }
    }

    /// When the next command is decided.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(FIRST_DECISION.millis() + i64::try_from(self.decided).unwrap_or(i64::MAX))
    }

    /// Decides a command, and seals its events.
    ///
    /// # Errors
    /// [`Rejection`]. Nothing is written then.
    ///
    /// # Panics
    /// When an event is too long.
    pub fn try_command(&mut self, command: impl Into<Command>) -> Result<Batch, Rejection> {
        let id = self.next_command_id();
        let request = Request { id, command: command.into() };
        let actor = Actor::operator();
        let context = Context { now: self.now(), vendors: &self.vendors, prices: &PriceList::empty() };
        let circumstances = Circumstances { actor: &actor, after: self.head.position, context };
        let planned = plan(&mut self.control, &request, &circumstances, &self.ids)?;
        self.decided += 1;
        let after = self.head.position;
        let lines = planned.into_iter().map(|planned| self.seal_planned(planned)).collect();
        Ok(Batch { chain: ChainId::control(), after, lines })
    }

    /// As [`Self::try_command`], for a command that is right.
    ///
    /// # Panics
    /// When it is rejected.
    pub fn command(&mut self, command: impl Into<Command>) -> Batch {
        self.try_command(command).expect("a command that is right")
    }

    /// Seals an event of a type that no version knows, about some stream.
    ///
    /// # Panics
    /// Never.
    pub fn unknown_event(&mut self, stream: StreamId) -> Batch {
        let (id, after) = (self.next_command_id(), self.head.position);
        let draft = Draft {
            id: EventId::new(self.ids.uuid()),
            kind: "key.enchanted",
            schema: 1,
            realm: Some(RealmId::default_realm()),
            stream,
            version: 1,
            at: self.now(),
            actor: Actor::operator(),
            command: Some(CommandRef { id, digest: Digest::of(b"of the future") }),
            part: (1, 1),
            cause: Vec::new(),
            data: RawValue::from_string("{}".to_owned()).expect("JSON"),
        };
        self.decided += 1;
        Batch { chain: ChainId::control(), after, lines: vec![self.seal(&draft)] }
    }

    fn next_command_id(&self) -> CommandId {
        CommandId::new(format!("command-{}", self.decided)).expect("a valid id")
    }

    /// The line remembers nothing, so that whoever reads it has to do so.
    fn seal_planned(&mut self, planned: Planned) -> Line {
        let sealed = seal_event(&self.head, planned.recorded, &planned.cause, &TEST_MAC_KEY);
        let (line, head) = sealed.expect("a line under the limit");
        self.head = head;
        Line::from_bytes(line.bytes().clone())
    }

    fn seal(&mut self, draft: &Draft) -> Line {
        let (line, head) = seal(Log::Control, &self.head, draft, &TEST_MAC_KEY).expect("a line under the limit");
        self.head = head;
        line
    }
}
