//! Seals lines that follow one another in one chain: what a gateway would append.

#![allow(clippy::expect_used, clippy::panic, reason = "the inputs are the test's own; a panic is a failed test")]

use serde_json::value::RawValue;

use crate::actor::Actor;
use crate::digest::Digest;
use crate::envelope::{CommandRef, Draft, LINE_MAX_BYTES, Line, MacKey, PARTS_MAX, seal};
use crate::id::{CommandId, EventId, RealmId, WriterId};
use crate::port::event_log::Batch;
use crate::stream::{ChainId, Head, Log, StreamId, StreamKind};
use crate::time::Timestamp;

/// The key that a [`ChainWriter`] authenticates its lines under.
pub const TEST_MAC_KEY: MacKey = MacKey::new([7; 32]);

/// Writes one chain of a log. Two of the same name make the same lines, so that tests can make rivals and retries.
#[derive(Debug, Clone)]
pub struct ChainWriter {
    log: Log,
    stream: StreamId,
    head: Head,
    salt: u64,
}

impl ChainWriter {
    /// A writer at the start of a chain. In control there is one chain, and the name only names the stream.
    ///
    /// # Panics
    /// When the name is not an id.
    #[must_use]
    pub fn new(log: Log, name: &str) -> Self {
        let realm = || RealmId::new(name).expect("a name that is an id");
        let stream = match log {
            Log::Control => StreamId::realm(&realm()),
            Log::Lease => StreamId::of(StreamKind::Budget, realm().as_str()),
            Log::Activity => StreamId::gateway(&WriterId::new(name).expect("a name that is an id")),
        };
        Self { log, stream, head: Head::EMPTY, salt: 0 }
    }

    /// The same place in the same chain, but other lines from here on: a rival.
    #[must_use]
    pub fn rival(&self, salt: u64) -> Self {
        Self { salt, ..self.clone() }
    }

    /// The same, at another place in the chain.
    #[must_use]
    pub fn at(&self, head: Head) -> Self {
        Self { head, ..self.clone() }
    }

    /// The chain that is written.
    #[must_use]
    pub fn chain(&self) -> ChainId {
        ChainId::of(self.log, &self.stream)
    }

    /// Where the chain ends with all that was sealed.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// A batch of so many events, each of a command of its own.
    ///
    /// # Panics
    /// Never, for fewer than 2^64 events.
    pub fn batch(&mut self, events: usize) -> Batch {
        self.gather(|writer| (0..events).map(|_| writer.seal_line((1, 1), "{}")).collect())
    }

    /// A batch of one command that caused so many events.
    ///
    /// # Panics
    /// When there are more than [`PARTS_MAX`].
    pub fn command(&mut self, events: usize) -> Batch {
        assert!(events <= PARTS_MAX, "a command causes at most {PARTS_MAX} events");
        let count = u16::try_from(events).expect("under PARTS_MAX");
        self.gather(|writer| (1..=count).map(|part| writer.seal_line((part, count), "{}")).collect())
    }

    /// A batch of one event whose line is exactly so many bytes long.
    ///
    /// # Panics
    /// When that is shorter than a line without data, or longer than [`LINE_MAX_BYTES`].
    pub fn line_of_bytes(&mut self, bytes: usize) -> Batch {
        let data = |fill: usize| format!(r#"{{"fill":"{}"}}"#, "x".repeat(fill));
        let least = self.clone().seal_line((1, 1), &data(0)).bytes().len();
        assert!((least..=LINE_MAX_BYTES).contains(&bytes), "a line has {least} to {LINE_MAX_BYTES} bytes");
        self.gather(|writer| vec![writer.seal_line((1, 1), &data(bytes - least))])
    }

    fn gather(&mut self, seal: impl FnOnce(&mut Self) -> Vec<Line>) -> Batch {
        let after = self.head.position;
        Batch { chain: self.chain(), after, lines: seal(self) }
    }

    /// An id that no other chain, place or rival has: a log may refuse one that it has seen.
    fn event_id(&self, number: u64) -> EventId {
        let digest = Digest::of(format!("{} {} {number}", self.stream, self.salt).as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest.as_bytes()[..16]);
        EventId::new(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    fn seal_line(&mut self, part: (u16, u16), data: &str) -> Line {
        let number = self.head.position.get() + 1;
        let start = number - u64::from(part.0 - 1);
        let command = CommandId::new(format!("{}-{}-{start}", self.stream, self.salt)).expect("a valid id");
        let id = self.event_id(number);
        let draft = Draft {
            id,
            kind: "test.happened",
            schema: 1,
            realm: Some(RealmId::default_realm()),
            stream: self.stream.clone(),
            version: number,
            at: Timestamp::from_millis(1_795_169_730_123),
            actor: Actor::operator(),
            command: (self.log != Log::Activity).then_some(CommandRef { id: command, digest: Digest::ZERO }),
            part,
            cause: Vec::new(),
            data: RawValue::from_string(data.to_owned()).expect("the test's own JSON"),
        };
        let (line, head) = seal(self.log, &self.head, &draft, &TEST_MAC_KEY).expect("a line under the limit");
        self.head = head;
        line
    }
}
