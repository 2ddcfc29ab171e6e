//! Filling the blocks of usage records.

use std::collections::hash_map::Entry;

use foldhash::{HashMap, HashSet};
use tallygate_core::activity::Event;
use tallygate_core::id::RealmId;

use crate::activity::block::{BLOCKS, OpenBlock, SUMMARIES};
use crate::activity::record::{Ending, UsageRecord};
use crate::follow::activity_reader::Happened;
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
        let mut changed = HashSet::default();
        for happened in events {
            let Some(record) = record_of(happened) else { continue };
            let open = self.of(store, record.realm.as_ref())?;
            open.push(&record)?;
            let is_full = open.is_full();
            if is_full {
                write_full(open, writes)?;
                *open = open.next();
            }
            if is_full {
                changed.remove(&record.realm);
            } else if !changed.contains(&record.realm) {
                changed.insert(record.realm);
            }
        }
        for realm in &changed {
            if let Some(open) = self.0.get(realm) {
                writes.put(&BLOCKS, open.summary.block_key(), &open.block)?;
            }
        }
        Ok(())
    }

    /// The open block of a realm.
    fn of(&mut self, store: &Store, realm: Option<&RealmId>) -> Result<&mut OpenBlock, StoreError> {
        let realm = realm.cloned();
        match self.0.entry(realm) {
            Entry::Occupied(open) => Ok(open.into_mut()),
            Entry::Vacant(none) => {
                let open = last_block(store, none.key().as_ref())?;
                Ok(none.insert(open))
            }
        }
    }
}

fn write_full(open: &mut OpenBlock, writes: &mut Writes) -> Result<(), StoreError> {
    open.summary.finish();
    writes.put(&BLOCKS, open.summary.block_key(), &open.block)?;
    writes.put(&SUMMARIES, open.summary.key(), &open.summary)
}

/// The block of a realm that is to be filled on.
fn last_block(store: &Store, realm: Option<&RealmId>) -> Result<OpenBlock, StoreError> {
    let Some(row) = store.scan_back(&RowKey::of(&BLOCKS).realm(realm)).next() else {
        return Ok(OpenBlock::new(realm.cloned(), 0));
    };
    let (key, bytes) = row?;
    let number = key.last_chunk::<8>().map_or(0, |number| u64::from_be_bytes(*number));
    let open = OpenBlock::stored(number, &store.decode(&BLOCKS, &bytes)?)?;
    Ok(if open.is_full() { open.next() } else { open })
}

fn record_of(Happened { realm, at, event }: Happened) -> Option<UsageRecord> {
    let ending = match event {
        Event::RequestSettled(settled) => Ending::Settled(settled),
        Event::RequestRefused(refused) => Ending::Refused(refused),
        Event::CommandRefused(_)
        | Event::BoundViolated(_)
        | Event::SoftLimitReached(_)
        | Event::DeploymentProbed(_)
        | Event::AgentConnected(_)
        | Event::ConfigurationAcknowledged(_)
        | Event::AgentDisconnected(_)
        | Event::SpentElsewhere(_) => return None,
    };
    Some(UsageRecord { realm, at, ending })
}
