//! Winding up a gateway's earlier boots: what becomes of the slices that they had.
//!
//! The next boot joins first, which fences the earlier ones off; then it says what it knows. What it does not know is in
//! suspense: a crash costs availability, never money that is counted twice too little.

use std::collections::BTreeMap;

use super::book::{Book, Slice};
use super::event::{Evidence, Recovered, WoundUp};
use super::{AccountId, Epoch, SLICES_MAX, narrow, wide};
use crate::id::WriterId;
use crate::money::NanoUsd;

/// What a gateway knows of its earlier boots in one chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// Each boot that something is known of.
    pub boots: BTreeMap<Epoch, Boot>,
}

/// What a gateway knows of one earlier boot in one chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// Whether all is known that this boot did, and that it does nothing any more.
    pub evidence: Evidence,
    /// What it did with its slices.
    pub slices: BTreeMap<AccountId, Use>,
}

/// What a boot did with a slice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Use {
    /// Settled under its epoch, ever.
    pub spent: NanoUsd,
    /// Put into suspense, ever.
    pub suspended: NanoUsd,
    /// Held by requests that ran when it ended.
    pub open: NanoUsd,
}

/// What to write about the earlier boots of a gateway: one proposal for each boot, several where it had many slices. None
/// once nothing is left to wind up.
#[must_use]
pub fn wind_up(book: &Book, gateway: &WriterId, memory: &Memory) -> Option<Recovered> {
    let newest = book.gateway(gateway)?.epoch;
    let mut of_boot: BTreeMap<Epoch, Vec<WoundUp>> = BTreeMap::new();
    for (account, row) in book.accounts() {
        for slice in row.slices().iter().filter(|slice| slice.gateway == *gateway && slice.epoch < newest) {
            let boot = memory.boots.get(&slice.epoch);
            if let Some(wound) = wound_up(account, slice, boot) {
                let wounds = of_boot.entry(slice.epoch).or_default();
                if wounds.len() < SLICES_MAX {
                    wounds.push(wound);
                }
            }
        }
    }
    let (epoch, slices) = of_boot.into_iter().next()?;
    let journal = memory.boots.get(&epoch).map_or(Evidence::Missing, |boot| boot.evidence);
    Some(Recovered { gateway: gateway.clone(), epoch, by_epoch: newest, journal, slices })
}

fn wound_up(account: &AccountId, slice: &Slice, boot: Option<&Boot>) -> Option<WoundUp> {
    let known = boot.and_then(|boot| boot.slices.get(account)).copied().unwrap_or_default();
    // Where the log knows more than the journal, the journal is an old copy.
    let is_older = known.spent < slice.spent || known.suspended < slice.suspended;
    let is_whole = !is_older && boot.is_some_and(|boot| boot.evidence == Evidence::Whole);
    let all = wide(slice.out) + wide(slice.gone);
    let spent = (wide(known.spent) - wide(slice.spent)).max(0);
    if all <= 0 && spent == 0 {
        return None;
    }
    let left = (all - spent).max(0);
    let unknown = wide(known.open) + (wide(known.suspended) - wide(slice.suspended)).max(0);
    let suspended = if is_whole { left.min(unknown) } else { left };
    Some(WoundUp {
        account: account.clone(),
        spent_nano_usd: narrow(spent),
        suspended_nano_usd: narrow(suspended),
        returned_nano_usd: narrow(left - suspended),
    })
}

#[cfg(test)]
mod tests;
