//! Usage records: what is known of single requests, in blocks of one realm.
//!
//! A realm's blocks are numbered from 0 and filled in the order of the log; a full one never changes. Each full block
//! has a summary with the fingerprints of the ids in it, so that a search reads only blocks that may hold what is
//! sought. Which record is in which block follows from the log alone.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tallygate_core::activity::{RequestRefused, RequestSettled};
use tallygate_core::id::{KeyId, RealmId};
use tallygate_core::time::Timestamp;

use crate::row_codec::RowTable;
use crate::row_key::RowKey;

pub(crate) const BLOCKS: RowTable<Vec<UsageRecord>> = RowTable::new(42, 1, "blocks of usage records");
pub(crate) const SUMMARIES: RowTable<Summary> = RowTable::new(43, 1, "summaries of blocks");

/// A block is full when its records have so many bytes (sled is slow with larger rows), or are so many.
const BLOCK_BYTES: usize = 14 * 1024;
const BLOCK_RECORDS: usize = 512;

/// What is known of one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRecord {
    /// The realm that asked; none for a refused request without a known key.
    pub realm: Option<RealmId>,
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub ending: Ending,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// It reached an upstream, and this is what it used.
    Settled(Arc<RequestSettled>),
    /// It was refused before.
    Refused(RequestRefused),
}

impl UsageRecord {
    /// The key that asked, if it is known.
    #[must_use]
    pub fn key(&self) -> Option<KeyId> {
        match &self.ending {
            Ending::Settled(settled) => Some(settled.key),
            Ending::Refused(refused) => refused.key,
        }
    }

    /// When the request came in; for a refused one, when it was refused.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        match &self.ending {
            Ending::Settled(settled) => settled.started_at,
            Ending::Refused(_) => self.at,
        }
    }

    /// Whether an id is the request's own, or the one in the upstream's answer.
    #[must_use]
    pub fn has_id(&self, id: &str) -> bool {
        match &self.ending {
            Ending::Settled(settled) => {
                settled.provider_request.as_deref() == Some(id) || settled.request.to_string() == id
            }
            Ending::Refused(refused) => refused.request.to_string() == id,
        }
    }

    fn fingerprints_of_ids(&self) -> impl Iterator<Item = u32> {
        let (request, provider) = match &self.ending {
            Ending::Settled(settled) => (&settled.request, settled.provider_request.as_deref()),
            Ending::Refused(refused) => (&refused.request, None),
        };
        [Some(fingerprint(request.to_string().as_bytes())), provider.map(|id| fingerprint(id.as_bytes()))]
            .into_iter()
            .flatten()
    }
}

/// What a full block may hold.
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
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenBlock {
    pub(crate) number: u64,
    pub(crate) records: Vec<UsageRecord>,
    bytes: usize,
}

pub(crate) fn block_key(realm: Option<&RealmId>, number: u64) -> RowKey {
    RowKey::of(&BLOCKS).realm(realm).number(number)
}

pub(crate) fn summary_key(realm: Option<&RealmId>, number: u64) -> RowKey {
    RowKey::of(&SUMMARIES).realm(realm).number(number)
}

/// FNV-1a: stable over versions and machines, as a stored row must be. A fingerprint only says where to look.
pub(crate) fn fingerprint(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

pub(crate) fn fingerprint_of_key(key: KeyId) -> u32 {
    fingerprint(key.as_uuid().as_bytes())
}

impl OpenBlock {
    /// The block as it was stored.
    pub(crate) fn stored(number: u64, records: Vec<UsageRecord>, bytes: usize) -> Self {
        Self { number, records, bytes }
    }

    /// Adds a record that has so many bytes.
    pub(crate) fn push(&mut self, record: UsageRecord, bytes: usize) {
        self.records.push(record);
        self.bytes += bytes;
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.bytes >= BLOCK_BYTES || self.records.len() >= BLOCK_RECORDS
    }

    /// The block after this one, empty.
    pub(crate) const fn next(&self) -> Self {
        Self { number: self.number + 1, records: Vec::new(), bytes: 0 }
    }
}

impl Summary {
    pub(crate) fn of(realm: Option<&RealmId>, block: &OpenBlock) -> Self {
        let started = || block.records.iter().map(UsageRecord::started_at);
        Self {
            realm: realm.cloned(),
            number: block.number,
            first_started: started().min().unwrap_or_default(),
            last_started: started().max().unwrap_or_default(),
            keys: sorted(block.records.iter().filter_map(UsageRecord::key).map(fingerprint_of_key)),
            ids: sorted(block.records.iter().flat_map(UsageRecord::fingerprints_of_ids)),
        }
    }

    /// The row of the block.
    pub(crate) fn block_key(&self) -> RowKey {
        block_key(self.realm.as_ref(), self.number)
    }

    pub(crate) fn may_hold_key(&self, fingerprint: u32) -> bool {
        self.keys.binary_search(&fingerprint).is_ok()
    }

    pub(crate) fn may_hold_id(&self, fingerprint: u32) -> bool {
        self.ids.binary_search(&fingerprint).is_ok()
    }

    /// Whether a request that came in from a moment on, and before another, may be in it.
    pub(crate) fn may_hold_started(&self, from: Option<Timestamp>, before: Option<Timestamp>) -> bool {
        from.is_none_or(|from| self.last_started >= from) && before.is_none_or(|before| self.first_started < before)
    }
}

fn sorted(fingerprints: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut sorted: Vec<u32> = fingerprints.collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}
