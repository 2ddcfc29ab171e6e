//! One process of a gateway: what the real one does around the ledger, without its I/O.

use std::collections::{BTreeMap, VecDeque};

use uuid::Uuid;

use super::Sabotage;
use super::log::{Log, Message, Stored};
use super::provider::Provider;
use super::random::Random;
use super::requests::Running;
use super::world::Rules;
use crate::id::{EventId, RequestId, WriterId};
use crate::journal::{Encoder, Recovery};
use crate::lease::event::{Grant, Joined};
use crate::lease::recovery::Memory;
use crate::lease::slices::{Applied, Entry, Moment, Proposal};
use crate::lease::{Epoch, Event, Root, SliceLedger};
use crate::money::NanoUsd;
use crate::stream::Position;
use crate::time::Timestamp;

/// A running process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) number: u64,
    /// Its chain of the activity log: one a data folder.
    pub(super) chain: String,
    pub(super) ledger: SliceLedger,
    pub(super) encoder: Encoder,
    pub(super) running: Vec<Running>,
    pub(super) ended: Vec<(RequestId, bool)>,
    /// Until when it does nothing, and until when it reaches no log.
    pub(super) paused_until: u64,
    pub(super) cut_until: u64,
    pub(super) skew_ms: i64,
    /// The version of control that it knows.
    pub(super) control: usize,
    pub(super) queue: VecDeque<(Position, Vec<u8>)>,
    pub(super) promised: Position,
    pub(super) ids: u64,
    recovery: Recovery,
    appending: BTreeMap<Root, Appending>,
}

#[derive(Debug)]
struct Appending {
    proposal: Proposal,
    at: Timestamp,
    again_at: u64,
    was_sent: bool,
}

/// What a process reaches while it does something.
pub(super) struct Around<'a> {
    pub(super) now_ms: u64,
    pub(super) writer: &'a WriterId,
    pub(super) disk: &'a mut Vec<u8>,
    pub(super) log: &'a mut Log,
    pub(super) provider: &'a mut Provider,
    pub(super) random: &'a mut Random,
    pub(super) rules: &'a Rules,
    pub(super) sabotage: Option<Sabotage>,
}

/// Where the calendar stands when the simulation begins.
const EPOCH_MILLIS: i64 = 1_795_169_730_000;

/// The calendar's moment of a simulated one.
pub(super) fn calendar(now_ms: u64, skew_ms: i64) -> Timestamp {
    Timestamp::from_millis(EPOCH_MILLIS + i64::try_from(now_ms).unwrap_or(0) + skew_ms)
}

impl Process {
    pub(super) fn start(number: u64, around: &mut Around<'_>, recovery: Recovery, host: &str, chain: String) -> Self {
        let mut encoder = Encoder::begin(around.writer, number, host);
        let mut promised = around.log.activity_end(&chain);
        let mut queue = VecDeque::new();
        for (position, record) in &recovery.activity {
            let position = if around.sabotage == Some(Sabotage::ShipTwice) { promised.plus(1) } else { *position };
            encoder.happened(position, record);
            queue.push_back((position, record.clone()));
            promised = position;
        }
        let policy = around.rules.policy;
        let mut process = Self {
            number,
            chain,
            ledger: SliceLedger::new(around.writer.clone(), policy),
            encoder,
            running: Vec::new(),
            ended: Vec::new(),
            paused_until: 0,
            cut_until: 0,
            skew_ms: around.random.amount(-2_000, 2_000),
            control: 0,
            recovery,
            appending: BTreeMap::new(),
            queue,
            promised,
            ids: 0,
        };
        process.write(around);
        process
    }

    pub(super) const fn is_cut(&self, now_ms: u64) -> bool {
        now_ms < self.cut_until
    }

    pub(super) const fn moment(&self, now_ms: u64) -> Moment {
        // A clock that only runs forward knows nothing of the calendar's mistakes.
        Moment { at: Timestamp::from_millis(EPOCH_MILLIS + now_ms.cast_signed() + self.skew_ms), ms: now_ms }
    }

    pub(super) fn write(&mut self, around: &mut Around<'_>) {
        around.disk.append(self.encoder.bytes());
    }

    /// Begins another segment of the journal now and then, and drops the earlier ones, which it stands for.
    pub(super) fn roll_journal(&mut self, around: &mut Around<'_>) {
        if self.queue.is_empty() && around.random.chance(30) {
            self.encoder.next_segment(&self.ledger);
            around.disk.clear();
            self.write(around);
        }
    }

    /// Reads what the lease log has, up to some events of each chain, and hears of the log when that was all.
    pub(super) fn follow(&mut self, around: &mut Around<'_>, limit: usize) {
        let mut all = true;
        let roots: Vec<Root> = around.log.chains.keys().cloned().collect();
        for root in roots {
            for _ in 0..limit {
                let known = self.ledger.book(&root).map_or(Position::START, crate::lease::Book::position);
                if around.random.chance(30) && known > Position::START {
                    self.read(around, &root, known);
                }
                if around.random.chance(20) {
                    self.read(around, &root, known.plus(2));
                }
                if !self.read(around, &root, known.plus(1)) {
                    break;
                }
            }
            let known = self.ledger.book(&root).map_or(Position::START, crate::lease::Book::position);
            all &= around.log.book(&root).is_none_or(|book| book.position() == known);
        }
        if all {
            self.ledger.heard(around.now_ms);
        }
    }

    fn read(&mut self, around: &mut Around<'_>, root: &Root, position: Position) -> bool {
        let Some(entry) = around.log.at(root, position) else { return false };
        let before = self.ledger.epoch(root);
        let altered = self.altered(&entry, root, around.sabotage);
        let entry = altered.as_ref().map_or(entry, |event| Entry { event, ..entry });
        let applied = matches!(self.ledger.apply(root, entry, around.now_ms), Ok(Applied::Folded));
        let after = self.ledger.epoch(root);
        if let Some(epoch) = after.filter(|_| before != after) {
            self.encoder.joined(root, epoch);
            self.write(around);
        }
        if self
            .appending
            .get(root)
            .is_some_and(|flight| self.ledger.book(root).is_some_and(|book| book.position() > flight.proposal.after))
        {
            self.appending.remove(root);
        }
        applied
    }

    /// What a sabotaged process makes of an event.
    fn altered(&self, entry: &Entry<'_>, root: &Root, sabotage: Option<Sabotage>) -> Option<Event> {
        let mine = self.appending.get(root).is_some_and(|flight| flight.proposal.id == entry.id);
        match (sabotage?, entry.event) {
            (Sabotage::GrantTwice, Event::Rolled(data)) if mine => {
                let mut data = data.clone();
                for roll in &mut data.slices {
                    roll.granted = roll.granted.map(|grant| Grant {
                        amount_nano_usd: grant.amount_nano_usd.saturating_plus(grant.amount_nano_usd),
                        ..grant
                    });
                }
                Some(Event::Rolled(data))
            }
            (Sabotage::NoFencing, event) if !mine && self.is_about_me(event, root) => {
                let gateway = WriterId::new("nobody").expect("an id");
                Some(Event::Joined(Joined { gateway, epoch: Epoch::new(1) }))
            }
            _ => None,
        }
    }

    fn is_about_me(&self, event: &Event, root: &Root) -> bool {
        let Some(mine) = self.ledger.epoch(root) else { return false };
        let me = self.ledger.gateway();
        match event {
            Event::Joined(data) => data.gateway == *me,
            Event::Recovered(data) => data.gateway == *me && data.epoch == mine,
            Event::Suspended(data) => data.gateway == *me && data.epoch == mine,
            Event::Closed(data) => data.gateway == *me && data.epoch == mine,
            _ => false,
        }
    }

    /// Proposes, appends, and appends again what was not answered.
    pub(super) fn write_leases(&mut self, around: &mut Around<'_>) {
        let _ = self.ledger.take_urgent();
        let roots: Vec<Root> = self.ledger.roots().cloned().collect();
        for root in roots {
            if !self.appending.contains_key(&root) {
                self.ids += 1;
                let id = EventId::new(Uuid::from_u128(1 << 127 | u128::from(self.number) << 64 | u128::from(self.ids)));
                let memory: Memory = self.remembered(&root, around.sabotage);
                let moment = self.moment(around.now_ms);
                let Some(proposal) = self.ledger.propose(&root, &memory, id, moment) else { continue };
                let again_at = around.now_ms;
                self.appending.insert(root.clone(), Appending { proposal, at: moment.at, again_at, was_sent: false });
            }
            self.send(around, &root);
        }
    }

    fn remembered(&self, root: &Root, sabotage: Option<Sabotage>) -> Memory {
        let mut memory = self.recovery.of_root(root);
        if sabotage == Some(Sabotage::ForgetOpenHolds) {
            let slices = memory.boots.values_mut().flat_map(|boot| boot.slices.values_mut());
            slices.for_each(|used| used.open = NanoUsd::ZERO);
        }
        memory
    }

    fn send(&mut self, around: &mut Around<'_>, root: &Root) {
        let Some(flight) = self.appending.get_mut(root) else { return };
        if flight.again_at > around.now_ms {
            return;
        }
        let was_sent = std::mem::replace(&mut flight.was_sent, true);
        flight.again_at = around.now_ms + around.random.within(300, 3_000);
        if !was_sent && around.random.chance(20) && around.rules.has_faults {
            // The log says that it stores nothing now.
            self.appending.remove(root);
            self.ledger.give_up(root);
            return;
        }
        if now_cut(self.cut_until, around) {
            return;
        }
        let stored = Stored { id: flight.proposal.id, at: flight.at, event: flight.proposal.event.clone() };
        let copies = if around.rules.has_faults && around.random.chance(50) { 2 } else { 1 };
        for _ in 0..copies {
            let slowest = if around.rules.has_faults { 400 } else { 20 };
            let due_ms = around.now_ms + around.random.within(1, slowest);
            let message = Message { due_ms, root: root.clone(), after: flight.proposal.after, stored: stored.clone() };
            around.log.network.push(message);
        }
    }

    /// Ships records of activity, some of which may not be answered.
    pub(super) fn ship(&mut self, around: &mut Around<'_>) {
        let name = self.chain.clone();
        while let Some((position, record)) = self.queue.front() {
            if around.rules.has_faults && around.random.chance(100) {
                return;
            }
            if !around.log.ship(&name, *position, record) {
                return;
            }
            if around.rules.has_faults && around.random.chance(100) {
                // The answer is lost: it is asked again.
                return;
            }
            self.queue.pop_front();
        }
    }

    pub(super) fn is_fenced(&self) -> bool {
        self.ledger.roots().any(|root| self.ledger.is_fenced(root))
    }

    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.queue.is_empty()
    }
}

fn now_cut(cut_until: u64, around: &mut Around<'_>) -> bool {
    around.now_ms < cut_until || (around.rules.has_faults && around.random.chance(80))
}
