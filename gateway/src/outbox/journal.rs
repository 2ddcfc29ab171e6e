//! The journal in use: records are encoded as things happen, and written in place, segment after segment.

use std::collections::VecDeque;

use tallygate_adapters::outbox::{Outbox as Files, OutboxError, SEGMENT_BYTES, SegmentFile};
use tallygate_core::id::RequestId;
use tallygate_core::journal::Encoder;
use tallygate_core::lease::slices::Hold;
use tallygate_core::lease::{Epoch, Root, SliceLedger};
use tallygate_core::money::NanoUsd;
use tallygate_core::stream::Position;

use super::records::Records;
use crate::sabotage::Sabotage;

/// See the module.
#[derive(Debug)]
pub(super) struct Journal {
    encoder: Encoder,
    files: Files,
    /// The segments that are kept, oldest first; the last one is being written.
    segments: VecDeque<Segment>,
    /// What earlier processes left, until it is dealt with.
    earlier: Vec<SegmentFile>,
    /// It could not be written. What happens is not safe against a kill until it is mended.
    is_broken: bool,
    /// How many records were made, and how many of them were written, since it was begun.
    encoded: u64,
    written: u64,
}

#[derive(Debug)]
struct Segment {
    file: SegmentFile,
    /// The newest record of activity that is in it.
    activity: Position,
}

impl Journal {
    /// A journal whose first segment is written.
    pub(super) fn begin(
        mut encoder: Encoder,
        mut files: Files,
        earlier: Vec<SegmentFile>,
    ) -> Result<Self, OutboxError> {
        let file = files.begin(encoder.bytes())?;
        let segments = VecDeque::from([Segment { file, activity: Position::START }]);
        Ok(Self { encoder, files, segments, earlier, is_broken: false, encoded: 0, written: 0 })
    }

    /// Something happened that holds nothing.
    pub(super) fn happened(&mut self, position: Position, unsealed: &[u8]) {
        self.encoded += 1;
        self.encoder.happened(position, unsealed);
        self.reached(position);
    }

    /// The gateway takes part in a chain.
    pub(super) fn joined(&mut self, root: &Root, epoch: Epoch) {
        self.encoded += 1;
        self.encoder.joined(root, epoch);
    }

    /// A hold was placed.
    pub(super) fn held(&mut self, ledger: &SliceLedger, hold: &Hold, request: RequestId) {
        self.encoded += 1;
        self.encoder.held(ledger, hold, request);
    }

    /// A hold is about to be settled.
    pub(super) fn settled(&mut self, hold: &Hold, cost: NanoUsd, position: Position, unsealed: &[u8]) {
        self.encoded += 1;
        self.encoder.settled(hold, cost, position, unsealed);
        self.reached(position);
    }

    /// A hold is about to go into suspense, but for what its request is thought to have cost.
    pub(super) fn suspended(&mut self, hold: &Hold, cost: NanoUsd, position: Position, unsealed: &[u8]) {
        self.encoded += 1;
        self.encoder.suspended(hold, cost, position, unsealed);
        self.reached(position);
    }

    /// A hold is about to be released.
    pub(super) fn released(&mut self, hold: &Hold) {
        self.encoded += 1;
        self.encoder.released(hold);
    }

    /// Writes what was encoded. When this returns it survives the process, unless [`Journal::is_broken`].
    pub(super) fn write(&mut self, ledger: &SliceLedger) {
        if self.is_broken || Sabotage::NoJournal.is_done() {
            self.encoder.bytes().clear();
            self.written = self.encoded;
            return;
        }
        if self.written == self.encoded {
            return;
        }
        self.written = self.encoded;
        if let Err(error) = self.files.write(self.encoder.bytes()) {
            self.broke(&error);
        } else if self.files.written_bytes() >= SEGMENT_BYTES {
            self.next_segment(ledger);
        }
    }

    /// The activity log has everything up to a position: segments that hold nothing newer are let go of.
    pub(super) fn forget_up_to(&mut self, position: Position) {
        while self.segments.len() > 1 && self.segments.front().is_some_and(|segment| segment.activity <= position) {
            if let Some(segment) = self.segments.pop_front() {
                self.release(segment.file);
            }
        }
    }

    /// What earlier processes left is dealt with: all of it is in a log, or here.
    pub(super) fn forget_earlier(&mut self) {
        for file in std::mem::take(&mut self.earlier) {
            self.release(file);
        }
    }

    /// Whether what happens is not safe against a kill.
    pub(super) const fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// How many records were made so far.
    pub(super) const fn encoded(&self) -> u64 {
        self.encoded
    }

    /// How many of them were written, or never will be.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// How many holds did not end.
    pub(super) fn open(&self) -> usize {
        self.encoder.open()
    }

    /// Begins anew after it could not be written, with all that is held and waits.
    pub(super) fn mend(&mut self, ledger: &SliceLedger, records: &Records) {
        if !self.is_broken {
            return;
        }
        // What is on its way to the log may be lost with this process: it is waited for.
        let Some(waiting) = records.all() else { return };
        self.encoder.next_run(ledger, self.encoder.run().saturating_add(1));
        for record in waiting {
            self.encoder.happened(record.position, &record.unsealed);
        }
        match self.files.begin(self.encoder.bytes()) {
            Ok(file) => {
                self.is_broken = false;
                let before = std::mem::take(&mut self.segments);
                before.into_iter().for_each(|segment| self.release(segment.file));
                self.segments.push_back(Segment { file, activity: records.promised() });
                tracing::warn!("the journal can be written again");
            }
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "the journal cannot be written yet"),
        }
    }

    /// Ends it in good order. Nothing may follow.
    pub(super) fn end(&mut self) {
        if self.is_broken {
            return;
        }
        self.encoder.ended();
        let written = self.files.write(self.encoder.bytes()).and_then(|()| self.files.sync());
        if let Err(error) = written {
            self.broke(&error);
        }
    }

    fn reached(&mut self, position: Position) {
        if let Some(segment) = self.segments.back_mut() {
            segment.activity = segment.activity.max(position);
        }
    }

    fn next_segment(&mut self, ledger: &SliceLedger) {
        self.encoder.next_segment(ledger);
        match self.files.begin(self.encoder.bytes()) {
            Ok(file) => {
                let activity = self.segments.back().map_or(Position::START, |segment| segment.activity);
                self.segments.push_back(Segment { file, activity });
            }
            Err(error) => self.broke(&error),
        }
    }

    fn broke(&mut self, error: &OutboxError) {
        self.is_broken = true;
        tracing::error!(
            error = error as &dyn std::error::Error,
            "the journal cannot be written: requests with budgets are refused until it can"
        );
    }

    fn release(&mut self, file: SegmentFile) {
        if let Err(error) = self.files.release(file) {
            tracing::warn!(error = &error as &dyn std::error::Error, "a segment of the journal is kept");
        }
    }
}
