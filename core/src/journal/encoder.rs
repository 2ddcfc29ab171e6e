//! Writing a journal: records as bytes, in the order in which they are to lie in the file.

use std::collections::BTreeSet;

use super::frame;
use super::record::Record;
use crate::id::{RequestId, WriterId};
use crate::lease::slices::{Hold, HoldPart};
use crate::lease::{Epoch, Root, SliceLedger};
use crate::money::NanoUsd;
use crate::stream::Position;

/// Encodes one segment. It is used under the same lock as the ledger, so that records and changes have one order; the
/// bytes are written by whoever takes them, in the order in which they were taken.
#[derive(Debug)]
pub struct Encoder {
    bytes: Vec<u8>,
    payload: Vec<u8>,
    seed: u32,
    named: BTreeSet<u32>,
}

impl Encoder {
    /// The first segment of a run.
    #[must_use]
    pub fn begin(gateway: &WriterId, run: u64, host: &str) -> Self {
        Self::segment(gateway, run, 0, host)
    }

    /// A later segment. It opens with what every slice came to, so that earlier segments may be dropped once none of their
    /// holds is open.
    #[must_use]
    pub fn next(ledger: &SliceLedger, run: u64, segment: u32, host: &str) -> Self {
        let mut encoder = Self::segment(ledger.gateway(), run, segment, host);
        for root in ledger.roots() {
            if let Some(epoch) = ledger.epoch(root) {
                encoder.joined(root, epoch);
            }
        }
        for slot in ledger.slots() {
            if let Some(part) = ledger.part(slot) {
                encoder.name(&part);
                encoder.record(&Record::Total { serial: slot.serial, spent: slot.spent, suspended: slot.suspended() });
            }
        }
        encoder
    }

    fn segment(gateway: &WriterId, run: u64, segment: u32, host: &str) -> Self {
        let mut encoder = Self { bytes: Vec::new(), payload: Vec::new(), seed: frame::SEED, named: BTreeSet::new() };
        encoder.record(&Record::Begun { gateway: gateway.clone(), run, segment, host });
        encoder
    }

    /// The gateway takes part in a chain. Without this record a later boot would put slices that were never used into
    /// suspense.
    pub fn joined(&mut self, root: &Root, epoch: Epoch) {
        self.record(&Record::Joined { root: root.clone(), epoch });
    }

    /// A hold was placed. Its request may be sent once the bytes are written.
    pub fn held(&mut self, ledger: &SliceLedger, hold: &Hold, request: RequestId) {
        let serials = self.serials(ledger, hold);
        self.record(&Record::Held { number: hold.number(), request, amount: hold.amount(), serials });
    }

    /// A hold is about to be settled, and this record of activity says so.
    pub fn settled(&mut self, ledger: &SliceLedger, hold: &Hold, cost: NanoUsd, position: Position, activity: &[u8]) {
        let serials = self.serials(ledger, hold);
        let cost = cost.at_least_zero();
        self.record(&Record::Settled { number: hold.number(), cost, serials, position, activity });
    }

    /// A hold is about to be released.
    pub fn released(&mut self, hold: &Hold) {
        self.record(&Record::Released { number: hold.number() });
    }

    /// A hold is about to go into suspense.
    pub fn suspended(&mut self, hold: &Hold) {
        self.record(&Record::Suspended { number: hold.number() });
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

    /// The bytes that were not taken yet, to be written and then let go of by [`Encoder::clear`].
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Lets go of the bytes, and keeps their room.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    fn serials(&mut self, ledger: &SliceLedger, hold: &Hold) -> Vec<u32> {
        let mut serials = Vec::with_capacity(hold.accounts());
        for part in ledger.parts(hold) {
            self.name(&part);
            serials.push(part.serial);
        }
        serials
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
