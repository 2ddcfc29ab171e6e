//! What this gateway did and no log has yet: the ledger of its slices, its journal, and the records that wait for the
//! activity log; all behind one short lock, so that they have one order.
//!
//! Whatever happens is written to the journal before anybody is told, without a sync, and what happens at the same time
//! with one `write(2)`. So a process that is killed loses nothing: the next one finds in the journal what ran, what was
//! spent, and which records the log lacks.

mod holding;
#[cfg(test)]
mod interleavings;
mod leases;
mod journal;
mod read_chain;
mod records;
mod start;
mod upkeep;
mod written;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tallygate_core::activity::Event;
use tallygate_core::actor::Actor;
use tallygate_core::event::{Event as AnyEvent, Recorded};
use tallygate_core::id::{EventId, RealmId, WriterId};
use tallygate_core::lease::SliceLedger;
use tallygate_core::port::clock::{Clock, Ids};
use tallygate_core::stream::{ChainId, Log, Position, StreamId};
use tokio::sync::Notify;

pub(crate) use holding::Held;
use journal::Journal;
use leases::Leases;
pub(crate) use leases::{NotApplied, Taken};
use records::Records;
pub(crate) use records::Waiting;
pub(crate) use start::{StartError, open};
pub(crate) use upkeep::{Drawn, Seen, Verdict};
use written::Turn;

/// Something that happened.
#[derive(Debug, Clone)]
pub(crate) struct Happened {
    pub(crate) realm: Option<RealmId>,
    pub(crate) actor: Actor,
    /// Positions in control of the events that decided.
    pub(crate) cause: Vec<Position>,
    pub(crate) event: Event,
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Outbox(Arc<Shared>);

struct Shared {
    desk: Mutex<Desk>,
    /// A record waits, or no more will come.
    arrived: Notify,
    /// A chain of the lease log should be written to.
    urgent: Notify,
    /// Something was read from the lease log, or money that somebody waits for may be free.
    changed: Notify,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    stream: StreamId,
    chain: ChainId,
}

/// What is under the lock. Nothing waits while it is held; the journal's write goes into memory.
struct Desk {
    ledger: SliceLedger,
    journal: Journal,
    records: Records,
    leases: Leases,
    turn: Turn,
    /// A hold found a slice too small, and whoever placed it may wait for what others let go of.
    is_short: bool,
}

/// What happened, all but its place.
struct Draft {
    recorded: Box<Recorded>,
    cause: Vec<Position>,
    data: Vec<u8>,
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outbox")
    }
}

impl Outbox {
    /// Takes in something that happened, and tells which position it will get in this gateway's chain. It survives the
    /// process once it is [written down](Outbox::written_down).
    pub(crate) fn note(&self, happened: Happened) -> Position {
        let draft = self.draft(happened);
        let mut desk = self.desk();
        if let Some(draft) = draft {
            desk.record(draft);
        }
        let promised = desk.records.promised();
        drop(desk);
        self.0.arrived.notify_one();
        promised
    }

    /// Writes what happened so far. When this returns it survives the process, unless the journal cannot be written.
    pub(crate) fn write_down(&self) {
        self.desk().write_down();
    }

    /// Takes the oldest records, so many at most, to be appended.
    pub(crate) fn take(&self, count: usize) -> Vec<Waiting> {
        self.desk().records.take(count)
    }

    /// Everything up to a position is in the log: the journal may forget it.
    pub(crate) fn written(&self, position: Position) {
        let mut desk = self.desk();
        desk.records.written(position);
        desk.journal.forget_up_to(position);
    }

    /// How many records wait or are on their way, and whether no more will come.
    pub(crate) fn waiting(&self) -> (usize, bool) {
        let desk = self.desk();
        (desk.records.len(), desk.records.is_closed())
    }

    /// Whether new requests may be let in.
    pub(crate) fn has_room(&self) -> bool {
        self.desk().records.has_room()
    }

    /// The position of the newest record, written or not.
    pub(crate) fn promised(&self) -> Position {
        self.desk().records.promised()
    }

    /// The chain of this gateway in the activity log.
    pub(crate) fn chain(&self) -> &ChainId {
        &self.0.chain
    }

    /// Whose outbox it is.
    pub(crate) fn gateway(&self) -> WriterId {
        self.desk().ledger.gateway().clone()
    }

    /// Waits until a record is there, or no more will come.
    pub(crate) async fn arrived(&self) {
        self.0.arrived.notified().await;
    }

    /// The next change of what can be held. It counts from this call on, not from when it is awaited.
    pub(crate) fn changed(&self) -> impl Future<Output = ()> {
        self.0.changed.notified()
    }

    /// No more records will come.
    pub(crate) fn close(&self) {
        self.desk().records.close();
        self.0.arrived.notify_one();
    }

    /// Tries again to write a journal that could not be written, with all that is held and waits. Called now and then.
    pub(crate) fn mend(&self) {
        let mut desk = self.desk();
        let Desk { ledger, journal, records, .. } = &mut *desk;
        journal.mend(ledger, records);
    }

    /// Whether what happens survives the process. If not, the disk of the journal has failed or has no room.
    pub(crate) fn is_safe(&self) -> bool {
        !self.desk().journal.is_broken()
    }

    /// Ends the journal in good order, and makes it survive the machine. Nothing may happen after it.
    pub(crate) fn end(&self) {
        self.desk().journal.end();
    }

    fn draft(&self, happened: Happened) -> Option<Draft> {
        let Happened { realm, actor, cause, event } = happened;
        let event = AnyEvent::Activity(event);
        // Activity holds nothing that JSON cannot.
        let data = event.to_bytes().inspect_err(lost).ok()?;
        let recorded = Box::new(Recorded {
            id: EventId::new(self.0.ids.uuid()),
            log: Log::Activity,
            position: Position::START,
            realm,
            stream: self.0.stream.clone(),
            version: 0,
            at: self.0.clock.now(),
            actor,
            command: None,
            part: (1, 1),
            event,
        });
        Some(Draft { recorded, cause, data })
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        #[cfg(test)]
        interleavings::switch();
        self.0.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// Gives a record its place, and writes it down.
    fn record(&mut self, draft: Draft) {
        let Some(waiting) = self.records.place(draft) else { return };
        self.journal.happened(waiting.position, &waiting.unsealed);
        self.records.push(waiting);
    }

    /// Writes what was not written yet.
    fn write_down(&mut self) {
        self.journal.write(&self.ledger);
        self.turn.wake();
    }
}

/// A record is lost. That it can be is a defect: its fields are all bounded.
fn lost(error: &impl std::error::Error) {
    tracing::error!(%error, "a record of activity cannot be written and is lost");
}
