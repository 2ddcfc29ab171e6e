//! Reading a journal: what was open, what was spent, and what the activity log may lack.

use std::collections::{BTreeMap, BTreeSet};

use super::frame::{self, End, Segment};
use super::record::Record;
use crate::id::{RequestId, WriterId};
use crate::lease::{AccountId, Epoch, Root};
use crate::money::NanoUsd;
use crate::stream::Position;

/// A slice, as a journal knows it.
pub type SliceKey = (Root, Epoch, AccountId);

/// A journal, folded from its segments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Journal {
    /// Its runs by their numbers, oldest first.
    pub runs: BTreeMap<u64, Run>,
    /// Records of activity by the place that they have in the writer's chain.
    pub activity: BTreeMap<Position, Vec<u8>>,
    /// Segments that are none of this gateway's, or cannot be read at all.
    pub strange: u64,
}

/// One run of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The boot of the machine.
    pub host: String,
    /// Whether it ended in good order.
    pub ended: bool,
    /// How the last of its segments ends; damage in any of them.
    pub end: End,
    /// Holds that did not end.
    pub open: BTreeMap<u64, OpenHold>,
    /// The chains that it took part in.
    pub joined: BTreeSet<(Root, Epoch)>,
    /// What its slices came to.
    pub totals: BTreeMap<SliceKey, Total>,
    segments: u32,
    checksum: u32,
    names: BTreeMap<u32, SliceKey>,
}

/// A hold that did not end before its process did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenHold {
    /// The request.
    pub request: RequestId,
    /// How much, on each account.
    pub amount: NanoUsd,
    /// The slices that it was placed on.
    pub slices: Vec<SliceKey>,
}

/// What a slice came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total {
    /// Settled, ever.
    pub spent: NanoUsd,
    /// Put into suspense, ever.
    pub suspended: NanoUsd,
}

impl Journal {
    /// Folds segments, in any order: each says which one it is.
    #[must_use]
    pub fn read<'a>(gateway: &WriterId, segments: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut journal = Self::default();
        let mut known: Vec<(Begun<'a>, Segment<'a>)> = Vec::new();
        for bytes in segments {
            let segment = frame::read(bytes);
            match segment.payloads.first().map(|payload| Record::read(payload)) {
                Some(Ok(Record::Begun { gateway: owner, run, segment: number, previous, host }))
                    if owner == *gateway =>
                {
                    known.push((Begun { run, number, previous, host }, segment));
                }
                // A segment that was cut before its first record held nothing that was sent.
                None if matches!(segment.end, End::Torn { .. } | End::Whole) => {}
                _ => journal.strange += 1,
            }
        }
        known.sort_by_key(|(begun, _)| (begun.run, begun.number));
        for (begun, segment) in &known {
            journal.fold_segment(begun, segment);
        }
        journal
    }

    fn fold_segment(&mut self, begun: &Begun<'_>, segment: &Segment<'_>) {
        let run = self.runs.entry(begun.run).or_insert_with(|| Run::begin(begun));
        if run.segments != begun.number || run.checksum != begun.previous || matches!(run.end, End::Damaged { .. }) {
            run.end =
                End::Damaged { at: 0, what: "a segment is missing before this one, or the one before is not whole" };
        } else {
            run.end = segment.end.clone();
        }
        run.segments = begun.number.saturating_add(1);
        run.checksum = segment.checksum;
        run.names.clear();
        for payload in segment.payloads.iter().skip(1) {
            let Ok(record) = Record::read(payload) else {
                run.end = End::Damaged { at: 0, what: "a record cannot be read by this version" };
                return;
            };
            if let Some((position, activity)) = run.fold(record) {
                self.activity.entry(position).or_insert_with(|| activity.to_vec());
            }
        }
    }
}

/// The first record of a segment.
struct Begun<'a> {
    run: u64,
    number: u32,
    previous: u32,
    host: &'a str,
}

impl Run {
    fn begin(begun: &Begun<'_>) -> Self {
        Self {
            host: begun.host.to_owned(),
            ended: false,
            end: End::Whole,
            open: BTreeMap::new(),
            joined: BTreeSet::new(),
            totals: BTreeMap::new(),
            segments: begun.number,
            checksum: begun.previous,
            names: BTreeMap::new(),
        }
    }

    /// Folds one record, and hands back the activity that is in it.
    fn fold<'a>(&mut self, record: Record<'a>) -> Option<(Position, &'a [u8])> {
        match record {
            Record::Begun { .. } => None,
            Record::Joined { root, epoch } => {
                self.joined.insert((root, epoch));
                None
            }
            Record::Account { serial, root, epoch, account } => {
                let key = (root, epoch, account);
                self.totals.entry(key.clone()).or_default();
                self.names.insert(serial, key);
                None
            }
            Record::Total { serial, spent, suspended } => {
                if let Some(key) = self.names.get(&serial) {
                    let total = self.totals.entry(key.clone()).or_default();
                    total.spent = total.spent.max(spent);
                    total.suspended = total.suspended.max(suspended);
                }
                None
            }
            Record::Held { number, request, amount, serials } => {
                let slices = serials.iter().filter_map(|serial| self.names.get(serial).cloned()).collect();
                self.open.insert(number, OpenHold { request, amount, slices });
                None
            }
            Record::Settled { number, cost, serials, position, activity } => {
                self.end(number, &serials, cost, NanoUsd::ZERO);
                Some((position, activity))
            }
            Record::Released { number } => {
                self.open.remove(&number);
                None
            }
            Record::Suspended { number, cost, rest, serials, position, activity } => {
                self.end(number, &serials, cost, rest);
                Some((position, activity))
            }
            Record::Happened { position, activity } => Some((position, activity)),
            Record::Ended => {
                self.ended = true;
                None
            }
        }
    }

    /// A hold ended: on each of its accounts so much was spent, and so much is in suspense.
    fn end(&mut self, number: u64, serials: &[u32], cost: NanoUsd, rest: NanoUsd) {
        self.open.remove(&number);
        for key in serials.iter().filter_map(|serial| self.names.get(serial)) {
            let total = self.totals.entry(key.clone()).or_default();
            total.spent = total.spent.saturating_plus(cost);
            total.suspended = total.suspended.saturating_plus(rest);
        }
    }
}
