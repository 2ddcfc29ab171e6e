//! The activity writer: what happened, sealed into this gateway's own chain and appended in batches.
//!
//! Nothing here can be refused, since it has happened. A record waits in a bounded queue until the log has it; the
//! writer waits a moment for more, and appends what is there as one batch: a sync for each record would cost more than
//! the request did. While the log is
//! away the queue grows, and when it is full the gateway refuses requests ([`ActivityWriter::has_room`]) before it would
//! lose one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tallygate_core::activity::Event;
use tallygate_core::actor::Actor;
use tallygate_core::envelope::{Line, MacKey, seal_event};
use tallygate_core::event::{Event as AnyEvent, Recorded};
use tallygate_core::id::{EventId, RealmId, WriterId};
use tallygate_core::port::clock::{Clock, Ids};
use tallygate_core::port::event_log::{AppendError, Batch, EventLog, LogError};
use tallygate_core::stream::{ChainId, Head, Log, Position, StreamId};
use tallygate_core::time::Timestamp;
use tokio::sync::{Notify, watch};

/// The most records of one batch, as DESIGN's plan for JetStream messages has it.
const BATCH_MAX: usize = 500;
/// How long a batch may grow in bytes, under a NATS server's default message of 1 MiB.
const BATCH_MAX_BYTES: usize = 768 * 1024;
/// The most records that wait. About 200 MB at the worst; a second's worth at the highest rate.
const QUEUE_MAX: usize = 200_000;
/// From here on new requests are refused, so that those that run can still be recorded.
const QUEUE_HIGH: usize = 100_000;
/// How long a record waits for more, at most, before it is appended.
const LINGER: Duration = Duration::from_millis(20);
/// So many records are sealed before requests have their turn: about 0.1 ms.
const SEALED_IN_A_ROW: usize = 32;
/// How long to wait before the log is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Something that happened.
#[derive(Debug)]
pub(crate) struct Happened {
    pub(crate) realm: Option<RealmId>,
    pub(crate) actor: Actor,
    /// Positions in control of the events that decided.
    pub(crate) cause: Vec<Position>,
    pub(crate) event: Event,
}

/// Takes in what happened. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ActivityWriter {
    shared: Arc<Shared>,
    written: watch::Receiver<Position>,
}

struct Shared {
    queue: Mutex<Queue>,
    arrived: Notify,
    clock: Arc<dyn Clock>,
    chain: ChainId,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(Timestamp, Happened)>,
    /// The position that the newest record will get.
    promised: Position,
    closed: bool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ActivityWriter")
    }
}

/// The task that writes. It ends when the writer is closed and everything is in the log.
pub(crate) struct WriterTask {
    shared: Arc<Shared>,
    log: Arc<dyn EventLog>,
    ids: Arc<dyn Ids>,
    mac: MacKey,
    stream: StreamId,
    head: Head,
    written: watch::Sender<Position>,
}

/// Opens the chain of a writer.
///
/// # Errors
/// [`LogError`] when the log cannot be read.
pub(crate) async fn open(
    log: Arc<dyn EventLog>,
    writer: &WriterId,
    mac: MacKey,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
) -> Result<(ActivityWriter, WriterTask), LogError> {
    let chain = ChainId::writer(writer);
    let head = log.head(&chain).await?;
    let queue = Mutex::new(Queue { promised: head.position, ..Queue::default() });
    let shared = Arc::new(Shared { queue, arrived: Notify::new(), clock, chain });
    let (sender, receiver) = watch::channel(head.position);
    let task = WriterTask {
        shared: Arc::clone(&shared),
        log,
        ids,
        mac,
        stream: StreamId::gateway(writer),
        head,
        written: sender,
    };
    Ok((ActivityWriter { shared, written: receiver }, task))
}

impl ActivityWriter {
    /// Takes in something that happened, and tells which position it will get.
    pub(crate) fn record(&self, happened: Happened) -> Position {
        let at = self.shared.clock.now();
        let mut queue = self.queue();
        if queue.waiting.len() >= QUEUE_MAX {
            // Reached only when requests that already ran end while the log has been away for long.
            tracing::error!("the queue of activity is full: a record is lost");
            return queue.promised;
        }
        queue.waiting.push_back((at, happened));
        queue.promised = queue.promised.plus(1);
        let promised = queue.promised;
        drop(queue);
        self.shared.arrived.notify_one();
        promised
    }

    /// Whether new requests may be let in.
    pub(crate) fn has_room(&self) -> bool {
        self.queue().waiting.len() < QUEUE_HIGH
    }

    /// The position of the newest record, written or not.
    pub(crate) fn promised(&self) -> Position {
        self.queue().promised
    }

    /// The chain that it writes.
    pub(crate) fn chain(&self) -> &ChainId {
        &self.shared.chain
    }

    /// How many records wait to be written.
    pub(crate) fn waiting(&self) -> usize {
        self.queue().waiting.len()
    }

    /// Waits until everything up to a position is in the log. Add a timeout: while the log is away this waits.
    pub(crate) async fn until_written(&self, position: Position) {
        let _ = self.written.clone().wait_for(|written| *written >= position).await;
    }

    /// Lets the task end once everything is written.
    pub(crate) fn close(&self) {
        self.queue().closed = true;
        self.shared.arrived.notify_one();
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WriterTask {
    /// Writes until the writer is closed.
    ///
    /// # Errors
    /// [`AppendError`] when the chain is not this gateway's any more, or a batch can never be stored. The gateway must
    /// stop then: what happens could not be recorded.
    pub(crate) async fn run(mut self) -> Result<(), AppendError> {
        loop {
            let (waiting, is_closed) = self.state();
            if waiting == 0 && is_closed {
                return Ok(());
            }
            if waiting == 0 {
                self.shared.arrived.notified().await;
                continue;
            }
            if waiting < BATCH_MAX && !is_closed {
                tokio::time::sleep(LINGER).await;
            }
            let taken = self.take();
            let (lines, head) = self.seal(taken).await;
            if !lines.is_empty() {
                self.append(lines).await?;
            }
            self.head = head;
            self.written.send_replace(head.position);
        }
    }

    /// How many records wait, and whether no more will come.
    fn state(&self) -> (usize, bool) {
        let queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        (queue.waiting.len(), queue.closed)
    }

    fn take(&self) -> Vec<(Timestamp, Happened)> {
        let mut queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let count = queue.waiting.len().min(BATCH_MAX);
        queue.waiting.drain(..count).collect()
    }

    async fn seal(&self, records: Vec<(Timestamp, Happened)>) -> (Vec<Line>, Head) {
        let mut head = self.head;
        let mut lines = Vec::with_capacity(records.len());
        for (number, (at, happened)) in (1..).zip(records) {
            if number % SEALED_IN_A_ROW == 0 {
                tokio::task::yield_now().await;
            }
            match self.seal_one(&head, at, happened) {
                Some((line, next)) => {
                    lines.push(line);
                    head = next;
                }
                // A record of activity is far below the limit of a line; its fields are all bounded.
                None => tracing::error!("a record of activity could not be sealed and is lost"),
            }
        }
        (lines, head)
    }

    fn seal_one(&self, head: &Head, at: Timestamp, happened: Happened) -> Option<(Line, Head)> {
        let position = head.position.plus(1);
        let recorded = Recorded {
            id: EventId::new(self.ids.uuid()),
            log: Log::Activity,
            position,
            realm: happened.realm,
            stream: self.stream.clone(),
            version: position.get(),
            at,
            actor: happened.actor,
            command: None,
            part: (1, 1),
            event: AnyEvent::Activity(happened.event),
        };
        seal_event(head, recorded, &happened.cause, &self.mac).ok()
    }

    /// Appends lines, in pieces that a transport can carry, and waits out a log that is away.
    async fn append(&self, lines: Vec<Line>) -> Result<(), AppendError> {
        let chain = ChainId::of(Log::Activity, &self.stream);
        let mut after = self.head.position;
        let mut rest = lines.as_slice();
        while !rest.is_empty() {
            let (piece, left) = rest.split_at(fitting(rest));
            let batch = Batch { chain: chain.clone(), after, lines: piece.to_vec() };
            match self.log.append(batch).await {
                Ok(head) => {
                    after = head.position;
                    rest = left;
                    self.written.send_replace(after);
                }
                Err(error @ (AppendError::Unavailable(_) | AppendError::Ambiguous(_))) => {
                    tracing::warn!(%error, "activity waits for the log");
                    tokio::time::sleep(RETRY_AFTER).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// How many of some lines fit into one batch. At least one.
fn fitting(lines: &[Line]) -> usize {
    let mut bytes = 0;
    let count = lines.iter().take_while(|line| {
        bytes += line.bytes().len() + 1;
        bytes <= BATCH_MAX_BYTES
    });
    count.count().max(1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tallygate_core::activity::{CommandRefused, Event};
    use tallygate_core::actor::Actor;
    use tallygate_core::envelope::MacKey;
    use tallygate_core::id::WriterId;
    use tallygate_core::port::event_log::EventLog;
    use tallygate_core::stream::{ChainId, Head, Log, Offset, Position};
    use tallygate_core::testing::manual_clock::ManualClock;
    use tallygate_core::testing::memory_log::MemoryLog;
    use tallygate_core::testing::seeded_ids::SeededIds;

    use super::{Happened, open};

    fn happened(code: &str) -> Happened {
        let event = CommandRefused {
            command: None,
            kind: "IssueKey".to_owned(),
            code: code.to_owned(),
            message: "no".to_owned(),
        };
        Happened { realm: None, actor: Actor::operator(), cause: Vec::new(), event: Event::CommandRefused(event) }
    }

    #[tokio::test]
    async fn every_record_is_written_once_in_order_and_the_chain_holds() {
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new(Log::Activity));
        let writer = WriterId::new("w").unwrap();
        let mac = MacKey::new([1; 32]);
        let clock = Arc::new(ManualClock::default());
        let ids = Arc::new(SeededIds::new(1));
        let (activity, task) = open(log.clone(), &writer, mac.clone(), clock, ids).await.unwrap();
        let task = tokio::spawn(task.run());
        let positions: Vec<u64> = (0..1_200).map(|n| activity.record(happened(&format!("c{n}"))).get()).collect();
        assert_eq!(positions, (1..=1_200).collect::<Vec<_>>());
        activity.until_written(Position::new(1_200)).await;
        activity.close();
        task.await.unwrap().unwrap();
        let mut head = Head::EMPTY;
        for (n, line) in
            log.read(Offset::START, 10_000).await.unwrap().iter().flat_map(|entry| &entry.lines).enumerate()
        {
            let (envelope, next) = line.check(Log::Activity, &ChainId::writer(&writer), &head, Some(&mac)).unwrap();
            assert!(envelope.data.get().contains(&format!("\"c{n}\"")));
            head = next;
        }
        assert_eq!(head.position.get(), 1_200);
    }
}
