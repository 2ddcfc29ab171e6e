//! The tables of the activity store, and how far they go.

use serde::{Deserialize, Serialize};
use tallygate_core::activity::Event;
use tallygate_core::digest::Digest;
use tallygate_core::stream::{ChainId, Log, Offset};

use crate::activity::{block, charges, named, spend, told};
use crate::follow::activity_reader::{ActivityGroup, Tips};
use crate::follow::chain::ChainTip;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Layout, META_TABLE, Store, StoreError, Writes};
use crate::view::light;

/// How far a follower of the activity log has come. It is no part of a digest.
const CHECKPOINT: RowTable<ActivityCheckpoint> = RowTable::new(META_TABLE, 1, "checkpoint");
/// Where each chain ends.
const CHAINS: RowTable<(ChainId, ChainTip)> = RowTable::new(META_TABLE, 1, "chains");

pub(crate) const LAYOUT: Layout = Layout {
    name: Log::Activity.name(),
    tables: &[
        (CHECKPOINT.id, CHECKPOINT.schema),
        (CHAINS.id, CHAINS.schema),
        (spend::OF_REALMS.id, spend::OF_REALMS.schema),
        (spend::BY_DAY.id, spend::BY_DAY.schema),
        (spend::BY_KEY.id, spend::BY_KEY.schema),
        (spend::BY_MODEL.id, spend::BY_MODEL.schema),
        (spend::IN_DETAIL.id, spend::IN_DETAIL.schema),
        (spend::OF_ALL.id, spend::OF_ALL.schema),
        (spend::ALL_BY_DAY.id, spend::ALL_BY_DAY.schema),
        (spend::ALL_BY_MODEL.id, spend::ALL_BY_MODEL.schema),
        (spend::KEY_REALMS.id, spend::KEY_REALMS.schema),
        (named::BY_END_USER.id, named::BY_END_USER.schema),
        (named::BY_TAG.id, named::BY_TAG.schema),
        (charges::CHARGES.id, charges::CHARGES.schema),
        (told::TOLD.id, told::TOLD.schema),
        (block::BLOCKS.id, block::BLOCKS.schema),
        (block::SUMMARIES.id, block::SUMMARIES.schema),
    ],
    events: || Event::TYPES.to_vec(),
};

/// The last entry that was folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ActivityCheckpoint {
    pub(crate) offset: Offset,
    /// SHA-256 of its last line: it tells this log from another.
    pub(crate) last_line: Digest,
}

/// What a follower begins with.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) checkpoint: ActivityCheckpoint,
    pub(crate) tips: Tips,
}

fn checkpoint_key() -> RowKey {
    RowKey::of(&CHECKPOINT).text("checkpoint")
}

fn chains_prefix() -> RowKey {
    RowKey::of(&CHAINS).text("chain")
}

/// Reads how far the rows go.
pub(crate) fn read(store: &Store) -> Result<Beginning, StoreError> {
    let stored = store.get(&CHECKPOINT, &checkpoint_key())?;
    if stored.is_none() && store.has_rows()? {
        return Err(store.damage("it has rows and no checkpoint"));
    }
    let mut tips = Tips::default();
    light::load_from(store, &CHAINS, &chains_prefix(), |(chain, tip)| {
        tips.insert(chain, tip);
    })?;
    let start = ActivityCheckpoint { offset: Offset::START, last_line: Digest::ZERO };
    Ok(Beginning { checkpoint: stored.unwrap_or(start), tips })
}

/// Writes how far the rows go.
pub(crate) fn write_checkpoint(group: &ActivityGroup, writes: &mut Writes) -> Result<(), StoreError> {
    for (chain, tip) in &group.tips {
        // A chain's name is what its writer made it; it is the key's last part.
        writes.put(&CHAINS, chains_prefix().fixed(chain.as_str().as_bytes()), &(chain.clone(), *tip))?;
    }
    let checkpoint = ActivityCheckpoint { offset: group.offset, last_line: group.last_line };
    writes.put(&CHECKPOINT, checkpoint_key(), &checkpoint)
}
