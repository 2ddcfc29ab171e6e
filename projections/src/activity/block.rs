//! Blocks of usage records of one realm.
//!
//! A realm's blocks are numbered from 0 and filled in the order of the log; a full one never changes. Each full block
//! has a summary with the fingerprints of the ids in it, so that a search reads only blocks that may hold what is
//! sought. Which record is in which block follows from the log alone.

use serde::{Deserialize, Serialize};
use tallygate_core::id::{KeyId, RealmId};
use tallygate_core::time::Timestamp;
use uuid::Uuid;

use super::packed::Context;
use super::record::{Ending, UsageRecord};
use crate::row_codec::{Bytes, RowError, RowTable};
use crate::row_key::RowKey;

pub(crate) const BLOCKS: RowTable<Block> = RowTable::new(42, 6, "blocks of usage records");
pub(crate) const SUMMARIES: RowTable<Summary> = RowTable::new(43, 2, "summaries of blocks");

/// A block is full when its records have so many bytes (sled is slow with larger rows), or are so many.
const BLOCK_BYTES: usize = 14 * 1024;
const BLOCK_RECORDS: u32 = 512;

/// The records of a block, packed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Block {
    pub(crate) realm: Option<RealmId>,
    count: u32,
    records: Bytes,
}

/// What a block may hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    realm: Option<RealmId>,
    number: u64,
    /// When the first and the last request of it came in.
    first_started: Timestamp,
    last_started: Timestamp,
    /// Fingerprints in ascending order.
    keys: Vec<u32>,
    ids: Vec<u32>,
}

/// The block of a realm that is being filled.
#[derive(Debug, Clone)]
pub(crate) struct OpenBlock {
    pub(crate) block: Block,
    pub(crate) summary: Summary,
    context: Context,
}

pub(crate) fn block_key(realm: Option<&RealmId>, number: u64) -> RowKey {
    RowKey::of(&BLOCKS).realm(realm).number(number)
}

pub(crate) fn summary_key(realm: Option<&RealmId>, number: u64) -> RowKey {
    RowKey::of(&SUMMARIES).realm(realm).number(number)
}

/// FNV-1a: stable over versions and machines, as a stored row must be. A fingerprint only says where to look.
fn fingerprint(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

fn fingerprint_of_uuid(id: &Uuid) -> u32 {
    fingerprint(id.as_bytes())
}

impl Block {
    /// The records, in the order of the log.
    pub(crate) fn records(&self) -> Result<Vec<UsageRecord>, RowError> {
        let (mut context, mut bytes) = (Context::default(), self.records.0.as_slice());
        let mut records = Vec::new();
        while !bytes.is_empty() {
            records.push(context.unpack(self.realm.as_ref(), &mut bytes)?);
        }
        Ok(records)
    }
}

impl OpenBlock {
    /// An empty block.
    pub(crate) fn new(realm: Option<RealmId>, number: u64) -> Self {
        let block = Block { realm: realm.clone(), ..Block::default() };
        let (first_started, last_started) = (Timestamp::from_millis(i64::MAX), Timestamp::from_millis(i64::MIN));
        let summary = Summary { realm, number, first_started, last_started, keys: Vec::new(), ids: Vec::new() };
        Self { block, summary, context: Context::default() }
    }

    /// A block as it was stored, to be filled on.
    pub(crate) fn stored(number: u64, block: &Block) -> Result<Self, RowError> {
        let mut open = Self::new(block.realm.clone(), number);
        for record in block.records()? {
            open.push(&record)?;
        }
        Ok(open)
    }

    /// Adds a record.
    pub(crate) fn push(&mut self, record: &UsageRecord) -> Result<(), RowError> {
        self.context.pack(record, &mut self.block.records.0)?;
        self.block.count += 1;
        self.summary.note(record);
        Ok(())
    }

    /// Whether the next record belongs to the next block.
    pub(crate) fn is_full(&self) -> bool {
        self.block.records.0.len() >= BLOCK_BYTES || self.block.count >= BLOCK_RECORDS
    }

    /// The block after this one, empty.
    pub(crate) fn next(&self) -> Self {
        Self::new(self.block.realm.clone(), self.summary.number + 1)
    }
}

impl Summary {
    fn note(&mut self, record: &UsageRecord) {
        let started = record.started_at();
        self.first_started = self.first_started.min(started);
        self.last_started = self.last_started.max(started);
        if let Some(key) = record.key() {
            insert(&mut self.keys, fingerprint_of_uuid(key.as_uuid()));
        }
        let (request, provider) = match &record.ending {
            Ending::Settled(settled) => (settled.request, settled.provider_request.as_deref()),
            Ending::Refused(refused) => (refused.request, None),
        };
        self.ids.push(fingerprint_of_uuid(request.as_uuid()));
        self.ids.extend(provider.map(|id| fingerprint(id.as_bytes())));
    }

    /// The summary of a full block, ready to be written.
    pub(crate) fn finish(&mut self) {
        self.ids.sort_unstable();
        self.ids.dedup();
    }

    /// Its own row.
    pub(crate) fn key(&self) -> RowKey {
        summary_key(self.realm.as_ref(), self.number)
    }

    /// The row of the block.
    pub(crate) fn block_key(&self) -> RowKey {
        block_key(self.realm.as_ref(), self.number)
    }

    pub(crate) fn may_hold_key(&self, key: KeyId) -> bool {
        self.keys.binary_search(&fingerprint_of_uuid(key.as_uuid())).is_ok()
    }

    /// Whether there may be a request with this id, its own or the one in the upstream's answer.
    pub(crate) fn may_hold_id(&self, id: &str) -> bool {
        let own = Uuid::try_parse(id).ok().map(|id| fingerprint_of_uuid(&id));
        let ids = [Some(fingerprint(id.as_bytes())), own];
        ids.into_iter().flatten().any(|fingerprint| self.ids.binary_search(&fingerprint).is_ok())
    }

    /// Whether a request that came in from a moment on, and before another, may be in it.
    pub(crate) fn may_hold_started(&self, from: Option<Timestamp>, before: Option<Timestamp>) -> bool {
        from.is_none_or(|from| self.last_started >= from) && before.is_none_or(|before| self.first_started < before)
    }
}

/// Inserts into what is in ascending order. Few values come again and again.
fn insert(sorted: &mut Vec<u32>, value: u32) {
    if let Err(at) = sorted.binary_search(&value) {
        sorted.insert(at, value);
    }
}

#[cfg(test)]
mod tests {
    use tallygate_core::activity::{Endpoint, RequestRefused};
    use tallygate_core::id::{RealmId, RequestId};
    use tallygate_core::time::Timestamp;
    use uuid::Uuid;

    use super::{BLOCK_RECORDS, OpenBlock};
    use crate::activity::record::{Ending, UsageRecord};

    fn refused(id: u128) -> UsageRecord {
        let refused = RequestRefused {
            request: RequestId::new(Uuid::from_u128(id)),
            endpoint: Endpoint::Chat,
            key: None,
            requested_model: None,
            code: String::new(),
            status: 400,
            scope: None,
            count: 1,
        };
        let at = i64::try_from(id).unwrap();
        UsageRecord { realm: None, at: Timestamp::from_millis(at), ending: Ending::Refused(refused) }
    }

    #[test]
    fn a_block_is_full_at_its_limit_and_the_next_one_is_empty() {
        let mut open = OpenBlock::new(Some(RealmId::default_realm()), 7);
        for id in 0..u128::from(BLOCK_RECORDS) {
            assert!(!open.is_full(), "{id}");
            open.push(&refused(id)).unwrap();
        }
        assert!(open.is_full());
        let next = open.next();
        assert!(!next.is_full() && next.block.records().unwrap().is_empty());
        assert_eq!((next.summary.number, &next.block.realm), (8, &open.block.realm));
    }

    #[test]
    fn a_summary_leads_to_every_record_of_its_block() {
        let mut open = OpenBlock::new(None, 0);
        (5..9).for_each(|id| open.push(&refused(id)).unwrap());
        open.summary.finish();
        let moment = |millis| Some(Timestamp::from_millis(millis));
        for id in 5..9 {
            assert!(open.summary.may_hold_id(&Uuid::from_u128(id).to_string()));
        }
        assert!(!open.summary.may_hold_id(&Uuid::from_u128(9).to_string()) && !open.summary.may_hold_id("5"));
        assert!(open.summary.may_hold_started(moment(8), moment(9)) && open.summary.may_hold_started(None, moment(6)));
        assert!(!open.summary.may_hold_started(moment(9), None) && !open.summary.may_hold_started(None, moment(5)));
    }
}
