//! The chains of the lease log, as far as they were read: lines are applied to the ledger, and what it proposes is sealed
//! as the line that follows.

use std::collections::{BTreeMap, BTreeSet};

use tallygate_core::actor::Actor;
use tallygate_core::digest::Digest;
use tallygate_core::envelope::{Fault, Line, MacKey, seal_event};
use tallygate_core::event::{Event as AnyEvent, Recorded, Undecodable};
use tallygate_core::id::EventId;
use tallygate_core::lease::recovery::Memory;
use tallygate_core::lease::slices::{Entry, Proposal};
use tallygate_core::lease::{AccountId, Book, Event, Root, SliceLedger};
use tallygate_core::stream::{Head, Log, Offset, Position, StreamId};
use tallygate_core::time::Timestamp;
use tallygate_projections::{ChainMark, ChainTip, Followed, KeptChain, LeaseBooks};

use super::read_chain::{Passed, ReadChain};
use super::{Desk, Outbox};

/// See the module.
#[derive(Debug)]
pub(super) struct Leases {
    chains: BTreeMap<Root, ReadChain>,
    /// The chains that this gateway takes part in, or is to.
    pub(super) wanted: BTreeSet<Root>,
    /// What the journal says of earlier boots, until they are wound up.
    memory: BTreeMap<Root, Memory>,
    /// Where the books are kept, so that the next start need not read all of the log.
    books: Option<LeaseBooks>,
}

/// What a line of the lease log was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    /// One of this chain, which then ended so.
    Line(Root, Head),
    /// Not sealed by a gateway of this installation: it says nothing.
    Forged,
    /// True, and published again, here or where it never was: it says nothing.
    Repeated,
}

/// Whose line it is that is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// It was read from the log.
    Log,
    /// This process has just appended it.
    Here,
}

/// Why a line of the lease log is not applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotApplied {
    /// The chain has another true line there: somebody wrote beside it.
    #[error("the chain {0} has another line at position {1}")]
    Rival(Root, Position),
    /// It belongs to no chain of the lease log, or does not stand where it must: the log is damaged.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A line is missing before it.
    #[error("a line of the chain {0} is missing before position {1}")]
    Missing(Root, Position),
}

/// What is known of a line before it is followed.
struct Place {
    root: Root,
    position: Position,
}

impl Outbox {
    /// Begins with the chains as they were kept, and keeps them from now on. Before anything is read.
    pub(crate) fn resume(&self, kept: Vec<KeptChain>, books: LeaseBooks) {
        let now_ms = self.0.clock.steady_ms();
        let mut desk = self.desk();
        let Desk { ledger, leases, .. } = &mut *desk;
        for KeptChain { root, mark, book } in kept {
            ledger.restore(&root, book, now_ms);
            if !mark.is_readable {
                ledger.lose_track(&root);
            }
            leases.chains.insert(root, ReadChain::at(mark.tip, mark.read));
        }
        leases.books = Some(books);
    }

    /// All of the lease log up to an offset was read; its last line has this hash.
    pub(crate) fn read_to(&self, offset: Offset, last_line: Digest) {
        if let Some(books) = &self.desk().leases.books {
            books.read_to(offset, last_line);
        }
    }

    /// Takes the books away: nothing more is read. Whoever drops them waits until they are on disk.
    pub(crate) fn take_books(&self) -> Option<LeaseBooks> {
        self.desk().leases.books.take()
    }

    /// Applies a line that was read from the lease log, whoever wrote it. One that was applied before changes nothing.
    ///
    /// # Errors
    /// [`NotApplied`]: the log is not what it was.
    pub(crate) fn read(&self, line: &Line, mac: &MacKey) -> Result<Taken, NotApplied> {
        self.take_line(line, Origin::Log, mac)
    }

    /// Applies a line that this process has just appended, before it is read.
    ///
    /// # Errors
    /// [`NotApplied`]: what comes before it was not read yet.
    pub(crate) fn appended(&self, line: &Line, mac: &MacKey) -> Result<(), NotApplied> {
        self.take_line(line, Origin::Here, mac).map(|_| ())
    }

    fn take_line(&self, line: &Line, from: Origin, mac: &MacKey) -> Result<Taken, NotApplied> {
        let now_ms = self.0.clock.steady_ms();
        let mut desk = self.desk();
        let taken = desk.take_line(line, from, mac, now_ms);
        desk.write_down();
        drop(desk);
        self.0.changed.notify_waiters();
        taken
    }

    /// The log was heard of at this moment, and all that it held then was applied.
    pub(crate) fn heard(&self, at_ms: u64) {
        self.desk().ledger.heard(at_ms);
    }

    /// The chains that should be written to: all that this gateway takes part in, or those that cannot wait.
    pub(crate) fn roots(&self, all: bool) -> Vec<Root> {
        let mut desk = self.desk();
        let left: Vec<Root> = desk.ledger.roots().filter(|root| desk.ledger.left_something(root)).cloned().collect();
        desk.leases.wanted.extend(left);
        let urgent: BTreeSet<Root> = desk.ledger.take_urgent().into_iter().collect();
        let wanted = desk.leases.wanted.iter();
        wanted.filter(|root| all || urgent.contains(*root) || desk.ledger.epoch(root).is_none()).cloned().collect()
    }

    /// The next line of a chain, if there is anything to say.
    pub(crate) fn propose(&self, root: &Root, mac: &MacKey) -> Option<Line> {
        let now = self.moment();
        let id = EventId::new(self.0.ids.uuid());
        let mut desk = self.desk();
        let Desk { ledger, leases, .. } = &mut *desk;
        let nothing = Memory::default();
        let proposal = ledger.propose(root, leases.memory.get(root).unwrap_or(&nothing), id, now);
        leases.forget_memory_of_members(ledger);
        if leases.memory.is_empty() {
            desk.journal.forget_earlier();
        }
        let Proposal { id, after, event } = proposal?;
        let actor = Actor::gateway(desk.ledger.gateway().as_str());
        let line = desk.seal(root, (id, after, event), (actor, now.at), mac);
        if line.is_none() {
            desk.ledger.give_up(root);
        }
        line
    }

    /// What was proposed is certainly not stored.
    pub(crate) fn give_up(&self, root: &Root) {
        self.desk().ledger.give_up(root);
    }

    /// The log says that a chain ends here. If lines that no gateway wrote stand at its end, they are passed over.
    pub(crate) fn pass_over_forged(&self, root: &Root, end: Position) {
        let mut desk = self.desk();
        let Desk { ledger, leases, .. } = &mut *desk;
        let Some(tip) = leases.tip(root).filter(|tip| tip.end().position == end) else { return };
        for position in tip.head().position.plus(1).get()..=end.get() {
            ledger.skip(root, Position::new(position));
        }
    }

    /// Reports and returns all that can be: the gateway is about to stop.
    pub(crate) fn retire(&self) {
        self.desk().ledger.retire();
        self.hurry();
    }

    /// Waits until a chain should be written to soon.
    pub(crate) async fn urgent(&self) {
        self.0.urgent.notified().await;
    }

    /// Writes to the chains soon.
    pub(crate) fn hurry(&self) {
        self.0.urgent.notify_one();
    }
}

impl Leases {
    /// Before the log was read, with what the journal says of earlier boots.
    pub(super) fn after(memory: BTreeMap<Root, Memory>) -> Self {
        Self { wanted: memory.keys().cloned().collect(), memory, chains: BTreeMap::new(), books: None }
    }

    fn tip(&self, root: &Root) -> Option<ChainTip> {
        self.chains.get(root).map(|chain| chain.tip)
    }

    /// A forged line is in no chain, whatever it says. Only where a log in files holds it, with its place and all, does
    /// the next true line follow it.
    fn skip_forged(&mut self, line: &Line) -> Option<Root> {
        let said = place_of(line).ok();
        let (chain, position) = said.map_or((None, None), |place| (Some(place.root), Some(place.position)));
        tracing::error!(log = "lease", chain = ?chain, position = ?position, "a forged line is skipped");
        let root = chain?;
        self.chains.get_mut(&root)?.tip.skip_foreign(line);
        Some(root)
    }

    fn forget_memory_of_members(&mut self, ledger: &SliceLedger) {
        self.memory.retain(|root, _| !ledger.is_member(root));
    }
}

impl Desk {
    fn take_line(&mut self, line: &Line, from: Origin, mac: &MacKey, now_ms: u64) -> Result<Taken, NotApplied> {
        if !line.is_authentic(mac) {
            if let Some(root) = self.leases.skip_forged(line) {
                self.keep(&root, &[]);
            }
            return Ok(Taken::Forged);
        }
        let Place { root, position } = match place(line, mac) {
            Ok(place) => place,
            // True, but of another log: nobody but a foreigner puts it here.
            Err(Fault::Elsewhere(chain)) => {
                tracing::error!(log = "lease", chain, "a line of elsewhere was published here and is skipped");
                return Ok(Taken::Repeated);
            }
            Err(fault) => return Err(fault.into()),
        };
        let start = || ReadChain::at(ChainTip::START, Position::START);
        let chain = self.leases.chains.entry(root.clone()).or_insert_with(start);
        if position <= chain.tip.head().position {
            return match from {
                Origin::Here => Ok(Taken::Line(root, chain.tip.head())),
                Origin::Log => {
                    let taken = pass(chain, &root, line, position)?;
                    self.keep(&root, &[]);
                    Ok(taken)
                }
            };
        }
        let before = chain.tip.end().position;
        let recorded = match chain.tip.follow(Log::Lease, &root.chain(), line, None)? {
            Some(Followed::Known(recorded)) => Ok(recorded.clone()),
            Some(Followed::Read(envelope)) => Recorded::decode(&envelope),
            None => return Ok(Taken::Forged),
        };
        chain.grew_by(line, from == Origin::Log);
        let head = chain.tip.head();
        // Forged lines before it took places of the chain.
        let known = self.ledger.book(&root).map_or(Position::START, Book::position);
        for skipped in known.get() + 1..position.get().min(before.get() + 1) {
            self.ledger.skip(&root, Position::new(skipped));
        }
        let touched = self.fold(&root, recorded, now_ms)?;
        self.keep(&root, &touched);
        Ok(Taken::Line(root, head))
    }

    /// Keeps a chain as it is now, with the accounts that have changed.
    fn keep(&self, root: &Root, touched: &[AccountId]) {
        let Leases { books: Some(books), chains, .. } = &self.leases else { return };
        let (Some(chain), Some(book)) = (chains.get(root), self.ledger.book(root)) else { return };
        let mark = ChainMark { tip: chain.tip, read: chain.read(), is_readable: !self.ledger.has_lost_track(root) };
        books.keep(root, &mark, book, touched);
    }

    /// Folds an event, and tells which accounts it changed.
    fn fold(
        &mut self,
        root: &Root,
        recorded: Result<Recorded, Undecodable>,
        now_ms: u64,
    ) -> Result<Vec<AccountId>, NotApplied> {
        let (recorded, event) = match recorded {
            Ok(Recorded { event: AnyEvent::Lease(event), id, position, at, .. }) => ((id, position, at), event),
            Ok(Recorded { position, .. }) => return Err(NotApplied::Missing(root.clone(), position)),
            Err(error) => {
                tracing::error!(
                    log = "lease", %root, reason = &error as &dyn std::error::Error,
                    "an event cannot be read by this version: nothing is held on the budgets of this chain any more"
                );
                self.ledger.lose_track(root);
                return Ok(Vec::new());
            }
        };
        if self.ledger.has_lost_track(root) {
            return Ok(Vec::new());
        }
        let touched =
            self.ledger.book(root).map_or_else(|| Book::default().touched(&event), |book| book.touched(&event));
        let (id, position, at) = recorded;
        let before = self.ledger.epoch(root);
        let entry = Entry { id, position, at, event: &event };
        self.ledger.apply(root, entry, now_ms).map_err(|gap| NotApplied::Missing(root.clone(), gap.found))?;
        if let Some(epoch) = self.ledger.epoch(root).filter(|epoch| before != Some(*epoch)) {
            self.journal.joined(root, epoch);
        }
        Ok(touched)
    }

    /// Seals an event as the line after a position, if the chain ends there as far as it was read: with its last true
    /// line, or with a forged one that took a place behind it.
    pub(super) fn seal(
        &self,
        root: &Root,
        (id, after, event): (EventId, Position, Event),
        (actor, at): (Actor, Timestamp),
        mac: &MacKey,
    ) -> Option<Line> {
        let tip = self.leases.tip(root).unwrap_or(ChainTip::START);
        let head = [tip.head(), tip.end()].into_iter().find(|head| head.position == after)?;
        let recorded = Recorded {
            id,
            log: Log::Lease,
            position: head.position.plus(1),
            realm: root.realm().cloned(),
            stream: root.stream(),
            version: head.position.plus(1).get(),
            at,
            actor,
            command: None,
            part: (1, 1),
            event: AnyEvent::Lease(event),
        };
        // A line names 500 accounts at most, which stays far under the limit of a line.
        seal_event(&head, recorded, &[], mac).ok().map(|(line, _)| line)
    }
}

/// Reads a true line that says a place which its chain has passed.
fn pass(chain: &mut ReadChain, root: &Root, line: &Line, position: Position) -> Result<Taken, NotApplied> {
    match chain.pass(line, position) {
        Passed::Awaited => Ok(Taken::Line(root.clone(), chain.tip.head())),
        Passed::Rival => Err(NotApplied::Rival(root.clone(), position)),
        Passed::Repeated => {
            tracing::error!(log = "lease", %root, %position, "a line that was published again is skipped");
            Ok(Taken::Repeated)
        }
    }
}

/// The chain and the place of a line, by its own words.
fn place(line: &Line, mac: &MacKey) -> Result<Place, Fault> {
    let Some(known) = line.known(mac) else { return place_of(line) };
    of_stream(&known.recorded().stream, known.recorded().position)
}

fn place_of(line: &Line) -> Result<Place, Fault> {
    let envelope = line.envelope()?;
    if envelope.log != Log::Lease {
        return Err(Fault::Elsewhere(format!("log {}, stream {}", envelope.log, envelope.stream)));
    }
    of_stream(&envelope.stream, envelope.position)
}

fn of_stream(stream: &StreamId, position: Position) -> Result<Place, Fault> {
    let root = Root::of_stream(stream).ok_or_else(|| Fault::Elsewhere(stream.to_string()))?;
    Ok(Place { root, position })
}
