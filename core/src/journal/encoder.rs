//! Writing a journal: records as bytes, in the order in which they are to lie in the file.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::frame;
use super::record::Record;
use crate::id::{RequestId, WriterId};
use crate::lease::slices::{Hold, HoldPart};
use crate::lease::{Epoch, Root, SliceLedger};
use crate::money::NanoUsd;
use crate::stream::Position;

/// Encodes the segments of one run. It is used under the same lock as the ledger, so that records and changes have one
/// order; the bytes are written by whoever takes them, in the order in which they were taken.
#[derive(Debug)]
pub struct Encoder {
    host: String,
    run: u64,
    segment: u32,
    bytes: Vec<u8>,
    payload: Vec<u8>,
    seed: u32,
    named: BTreeSet<u32>,
    /// Holds that did not end: a new segment says them again, so that no segment is kept for one long request.
    open: BTreeMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    request: RequestId,
    amount: NanoUsd,
    serials: Vec<u32>,
}

impl Encoder {
    /// The first segment of a run.
    #[must_use]
    pub fn begin(gateway: &WriterId, run: u64, host: &str) -> Self {
        let mut encoder = Self {
            host: host.to_owned(),
            run,
            segment: 0,
            bytes: Vec::new(),
            payload: Vec::new(),
            seed: frame::SEED,
            named: BTreeSet::new(),
            open: BTreeMap::new(),
        };
        encoder.begin_segment(gateway, 0);
        encoder
    }

    /// Begins the next segment of the run. It opens with what every slice came to and with what is held, so that earlier
    /// segments may be dropped once the activity log has their records.
    ///
    /// The bytes of the segment before must have been taken: what is there from here on belongs to the new one.
    pub fn next_segment(&mut self, ledger: &SliceLedger) {
        let previous = self.seed;
        self.segment = self.segment.saturating_add(1);
        self.begin_segment(ledger.gateway(), previous);
        self.stand_for_earlier(ledger);
    }

    /// Begins a new run of the same process: what was written before it may be lost, and it stands for all of that.
    pub fn next_run(&mut self, ledger: &SliceLedger, run: u64) {
        (self.run, self.segment) = (run, 0);
        self.begin_segment(ledger.gateway(), 0);
        self.stand_for_earlier(ledger);
    }

    fn begin_segment(&mut self, gateway: &WriterId, previous: u32) {
        self.bytes.clear();
        self.named.clear();
        self.seed = frame::SEED;
        let host = std::mem::take(&mut self.host);
        let (run, segment) = (self.run, self.segment);
        self.record(&Record::Begun { gateway: gateway.clone(), run, segment, previous, host: &host });
        self.host = host;
    }

    fn stand_for_earlier(&mut self, ledger: &SliceLedger) {
        for root in ledger.roots() {
            if let Some(epoch) = ledger.epoch(root) {
                self.joined(root, epoch);
            }
        }
        for slot in ledger.slots() {
            if let Some(part) = ledger.part(slot) {
                self.name(&part);
                self.record(&Record::Total { serial: slot.serial, spent: slot.spent, suspended: slot.suspended() });
            }
        }
        let open = std::mem::take(&mut self.open);
        for (number, hold) in &open {
            let Open { request, amount, serials } = hold;
            self.record(&Record::Held { number: *number, request: *request, amount: *amount, serials: serials.into() });
        }
        self.open = open;
    }

    /// The number of the run.
    #[must_use]
    pub const fn run(&self) -> u64 {
        self.run
    }

    /// The gateway takes part in a chain. Without this record a later boot would put slices that were never used into
    /// suspense.
    pub fn joined(&mut self, root: &Root, epoch: Epoch) {
        self.record(&Record::Joined { root: root.clone(), epoch });
    }

    /// A hold was placed. Its request may be sent once the bytes are written.
    pub fn held(&mut self, ledger: &SliceLedger, hold: &Hold, request: RequestId) {
        let mut serials = Vec::with_capacity(hold.accounts());
        for part in ledger.parts(hold) {
            self.name(&part);
            serials.push(part.serial);
        }
        let (number, amount) = (hold.number(), hold.amount());
        self.record(&Record::Held { number, request, amount, serials: Cow::Borrowed(&serials) });
        self.open.insert(number, Open { request, amount, serials });
    }

    /// A hold is about to be settled, and this record of activity says so.
    pub fn settled(&mut self, hold: &Hold, cost: NanoUsd, position: Position, activity: &[u8]) {
        let serials = self.open.remove(&hold.number()).map(|open| open.serials).unwrap_or_default();
        let cost = cost.at_least_zero();
        self.record(&Record::Settled { number: hold.number(), cost, serials: serials.into(), position, activity });
    }

    /// A hold is about to be released.
    pub fn released(&mut self, hold: &Hold) {
        self.open.remove(&hold.number());
        self.record(&Record::Released { number: hold.number() });
    }

    /// A hold is about to go into suspense, but for what it is thought to have cost, and this record of activity says so.
    pub fn suspended(&mut self, hold: &Hold, cost: NanoUsd, position: Position, activity: &[u8]) {
        let serials = self.open.remove(&hold.number()).map(|open| open.serials).unwrap_or_default();
        let (number, cost, rest, serials) = (hold.number(), cost.at_least_zero(), hold.rest(cost), serials.into());
        self.record(&Record::Suspended { number, cost, rest, serials, position, activity });
    }

    /// Something happened that holds nothing.
    pub fn happened(&mut self, position: Position, activity: &[u8]) {
        self.record(&Record::Happened { position, activity });
    }

    /// The run ends in good order. Nothing may follow.
    pub fn ended(&mut self) {
        self.record(&Record::Ended);
    }

    /// Takes the bytes that were not taken yet.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// The bytes that were not taken yet, to be written and then let go of by clearing them: so their room is kept.
    pub const fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// How many holds did not end.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    fn name(&mut self, part: &HoldPart<'_>) {
        if self.named.insert(part.serial) {
            self.record(&Record::Account {
                serial: part.serial,
                root: part.root.clone(),
                epoch: part.epoch,
                account: part.account.clone(),
            });
        }
    }

    fn record(&mut self, record: &Record<'_>) {
        self.payload.clear();
        record.write(&mut self.payload);
        self.seed = frame::write(&mut self.bytes, self.seed, &self.payload);
    }
}
