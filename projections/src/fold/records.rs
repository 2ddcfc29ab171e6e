//! Filling the blocks of usage records.

use std::collections::{HashMap, HashSet};

use tallygate_core::activity::Event;
use tallygate_core::id::RealmId;

use crate::activity::block::{self, BLOCKS, Ending, OpenBlock, SUMMARIES, Summary, UsageRecord};
use crate::follow::activity_reader::Happened;
use crate::row_codec::{RowError, encoded_bytes};
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

/// Open blocks in memory between groups, at most.
const OPEN_MAX: usize = 1_024;

/// The open blocks of realms, as far as they are in memory.
#[derive(Debug, Default)]
pub(crate) struct OpenBlocks(HashMap<Option<RealmId>, OpenBlock>);

impl OpenBlocks {
    /// Adds the records of a group, and writes the blocks that changed.
    pub(crate) fn add(&mut self, store: &Store, events: Vec<Happened>, writes: &mut Writes) -> Result<(), StoreError> {
        if self.0.len() > OPEN_MAX {
            self.0.clear();
        }
        let mut changed = HashSet::new();
        for happened in events {
            let Some(record) = record_of(happened) else { continue };
            let realm = record.realm.clone();
            let open = match self.0.get_mut(&realm) {
                Some(open) => open,
                None => self.0.entry(realm.clone()).or_insert(last_block(store, realm.as_ref())?),
            };
            let bytes = encoded_bytes(BLOCKS.name, &record)?;
            open.push(record, bytes);
            if open.is_full() {
                let of = realm.as_ref();
                writes.put(&BLOCKS, block::block_key(of, open.number), &open.records)?;
                writes.put(&SUMMARIES, block::summary_key(of, open.number), &Summary::of(of, open))?;
                *open = open.next();
                changed.remove(&realm);
            } else {
                changed.insert(realm);
            }
        }
        for realm in &changed {
            if let Some(open) = self.0.get(realm) {
                writes.put(&BLOCKS, block::block_key(realm.as_ref(), open.number), &open.records)?;
            }
        }
        Ok(())
    }
}

/// The block of a realm that is to be filled on.
fn last_block(store: &Store, realm: Option<&RealmId>) -> Result<OpenBlock, StoreError> {
    let Some(row) = store.scan_back(&RowKey::of(&BLOCKS).realm(realm)).next() else { return Ok(OpenBlock::default()) };
    let (key, bytes) = row?;
    let number = key.last_chunk::<8>().map_or(0, |number| u64::from_be_bytes(*number));
    let records = store.decode(&BLOCKS, &bytes)?;
    let bytes = records.iter().map(|record| encoded_bytes(BLOCKS.name, record)).sum::<Result<usize, RowError>>()?;
    let block = OpenBlock::stored(number, records, bytes);
    Ok(if block.is_full() { block.next() } else { block })
}

fn record_of(Happened { realm, at, event }: Happened) -> Option<UsageRecord> {
    let ending = match event {
        Event::RequestSettled(settled) => Ending::Settled(settled),
        Event::RequestRefused(refused) => Ending::Refused(refused),
        Event::CommandRefused(_) | Event::BoundViolated(_) => return None,
    };
    Some(UsageRecord { realm, at, ending })
}
