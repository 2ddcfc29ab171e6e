//! Seals what happened: one writer's chain of the activity log.

#![allow(clippy::expect_used, clippy::panic, reason = "the inputs are the test's own; a panic is a failed test")]

use uuid::Uuid;

use super::chain_writer::TEST_MAC_KEY;
use crate::activity::Event;
use crate::actor::Actor;
use crate::envelope::{Line, MacKey, seal_event};
use crate::event::{Event as AnyEvent, Recorded};
use crate::id::{EventId, RealmId, WriterId};
use crate::port::event_log::Batch;
use crate::stream::{ChainId, Head, Log, StreamId};
use crate::time::Timestamp;

/// Something that happened, and where and when.
#[derive(Debug, Clone)]
pub struct Happened {
    /// The realm it concerns.
    pub realm: Option<RealmId>,
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: Event,
}

/// Writes one chain of the activity log.
#[derive(Debug, Clone)]
pub struct ActivityWriter {
    writer: WriterId,
    head: Head,
    remembers: bool,
}

impl ActivityWriter {
    /// A writer at the start of its chain.
    ///
    /// # Panics
    /// When the name is not an id.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { writer: WriterId::new(name).expect("a name that is an id"), head: Head::EMPTY, remembers: false }
    }

    /// The same, but its lines remember what they were sealed of, as in the process that writes them. Else whoever reads
    /// them has to parse them.
    #[must_use]
    pub fn remembering(self) -> Self {
        Self { remembers: true, ..self }
    }

    /// Whose chain it is.
    #[must_use]
    pub const fn writer(&self) -> &WriterId {
        &self.writer
    }

    /// The end of the chain.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// Seals what happened.
    ///
    /// # Panics
    /// When an event is too long.
    pub fn batch(&mut self, happened: &[Happened]) -> Batch {
        let (chain, after) = (ChainId::writer(&self.writer), self.head.position);
        Batch { chain, after, lines: happened.iter().map(|happened| self.seal(happened, &TEST_MAC_KEY)).collect() }
    }

    /// The same under a key that is not the gateways'.
    ///
    /// # Panics
    /// When an event is too long.
    pub fn forged(&mut self, happened: &[Happened]) -> Batch {
        let (chain, after) = (ChainId::writer(&self.writer), self.head.position);
        let key = MacKey::new([99; 32]);
        Batch { chain, after, lines: happened.iter().map(|happened| self.seal(happened, &key)).collect() }
    }

    fn seal(&mut self, happened: &Happened, key: &MacKey) -> Line {
        let version = self.head.position.get() + 1;
        let recorded = Recorded {
            id: EventId::new(Uuid::from_u128(u128::from(version) | 0x0199_0000_0000_7000_9000 << 64)),
            log: Log::Activity,
            position: self.head.position.plus(1),
            realm: happened.realm.clone(),
            stream: StreamId::gateway(&self.writer),
            version,
            at: happened.at,
            actor: Actor::gateway(self.writer.as_str()),
            command: None,
            part: (1, 1),
            event: AnyEvent::Activity(happened.event.clone()),
        };
        let (line, head) = seal_event(&self.head, recorded, &[], key).expect("a line under the limit");
        self.head = head;
        if self.remembers { line } else { Line::from_bytes(line.bytes().clone()) }
    }
}
