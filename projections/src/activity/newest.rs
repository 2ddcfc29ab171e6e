//! Usage records, newest first: of one realm, or of all for the operator.
//!
//! The summaries of full blocks are read from the newest on; a block is read only if it may hold what is sought. Within
//! a realm the order is that of the log.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use tallygate_core::id::{KeyId, RealmId};
use tallygate_core::time::Timestamp;

use super::block::{self, BLOCKS, SUMMARIES, Summary};
use super::record::UsageRecord;
use crate::row_key::RowKey;
use crate::store::{Scan, Store, StoreError};
use crate::view::key_list::{PAGE_ROWS_MAX, Page};

/// The most summaries that one question reads, over all realms. Each stands for dozens of records.
const SUMMARIES_MAX: usize = 100_000;

/// Which records are wanted. What is absent does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageFilter {
    /// Of this key.
    pub key: Option<KeyId>,
    /// With this id: the request's own, or the one in the upstream's answer.
    pub id: Option<String>,
    /// That came in at this moment or later.
    pub from: Option<Timestamp>,
    /// That came in before this moment.
    pub before: Option<Timestamp>,
}

/// Part of the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsagePage {
    /// The records, newest first.
    pub records: Vec<UsageRecord>,
    /// Whether there may be more of them.
    pub more: bool,
}

impl UsageFilter {
    fn wants(&self, record: &UsageRecord) -> bool {
        let started_at = record.started_at();
        self.key.is_none_or(|key| record.key() == Some(key))
            && self.from.is_none_or(|from| started_at >= from)
            && self.before.is_none_or(|before| started_at < before)
            && self.id.as_deref().is_none_or(|id| record.has_id(id))
    }

    fn may_be_in(&self, summary: &Summary) -> bool {
        summary.may_hold_started(self.from, self.before)
            && self.key.is_none_or(|key| summary.may_hold_key(key))
            && self.id.as_deref().is_none_or(|id| summary.may_hold_id(id))
    }
}

/// A page of the records of one realm; of no realm, those of refused requests without a known key.
pub(crate) fn of_realm(
    store: &Store,
    realm: Option<&RealmId>,
    filter: &UsageFilter,
    page: Page,
) -> Result<UsagePage, StoreError> {
    let mut budget = SUMMARIES_MAX;
    let mut newest = Newest::of_realm(store, realm)?;
    let mut taken = Taken::new(page);
    while let Some(record) = newest.next(filter, &mut budget)? {
        if !taken.take(record) {
            break;
        }
    }
    Ok(taken.page(budget))
}

/// A page of the records of all realms, by when they ended.
pub(crate) fn of_all_realms_for_operator(
    store: &Store,
    filter: &UsageFilter,
    page: Page,
) -> Result<UsagePage, StoreError> {
    let mut budget = SUMMARIES_MAX;
    let mut heads = BinaryHeap::new();
    for realm in realms(store)? {
        let newest = Newest::of_realm(store, realm.as_ref())?;
        heads.extend(Head::of(newest, filter, &mut budget)?);
    }
    let mut taken = Taken::new(page);
    while let Some(Head { record, newest }) = heads.pop() {
        heads.extend(Head::of(newest, filter, &mut budget)?);
        if !taken.take(record) {
            break;
        }
    }
    Ok(taken.page(budget))
}

/// The realms that have records. Reads one block of each.
fn realms(store: &Store) -> Result<Vec<Option<RealmId>>, StoreError> {
    let end = RowKey::of(&BLOCKS).after_all();
    let mut from = RowKey::of(&BLOCKS);
    let mut realms = Vec::new();
    while let Some(row) = store.scan_between(&from, &end).next() {
        let realm = store.decode(&BLOCKS, &row?.1)?.realm;
        from = RowKey::of(&BLOCKS).realm(realm.as_ref()).after_all();
        realms.push(realm);
    }
    Ok(realms)
}

/// What is taken for a page.
struct Taken {
    page: Page,
    passed: usize,
    records: Vec<UsageRecord>,
    more: bool,
}

impl Taken {
    fn new(page: Page) -> Self {
        let page = Page { rows: page.rows.min(PAGE_ROWS_MAX), ..page };
        Self { page, passed: 0, records: Vec::new(), more: false }
    }

    /// Takes the next record, and tells whether another may be wanted.
    fn take(&mut self, record: UsageRecord) -> bool {
        if self.passed < self.page.skip {
            self.passed += 1;
            return true;
        }
        self.more = self.records.len() == self.page.rows;
        if !self.more {
            self.records.push(record);
        }
        !self.more
    }

    fn page(self, budget: usize) -> UsagePage {
        UsagePage { records: self.records, more: self.more || budget == 0 }
    }
}

/// The records of one realm, from the newest on.
struct Newest<'a> {
    store: &'a Store,
    /// Of the block that is being read; the last is the newest.
    records: Vec<UsageRecord>,
    /// From the last on.
    summaries: Scan<'a>,
}

impl<'a> Newest<'a> {
    fn of_realm(store: &'a Store, realm: Option<&RealmId>) -> Result<Self, StoreError> {
        let summaries = store.scan_back(&RowKey::of(&SUMMARIES).realm(realm));
        let mut newest = Self { store, records: Vec::new(), summaries };
        if let Some(row) = store.scan_back(&RowKey::of(&BLOCKS).realm(realm)).next() {
            let (key, bytes) = row?;
            let number = key.last_chunk::<8>().map_or(0, |number| u64::from_be_bytes(*number));
            // A full block comes again with its summary.
            if !store.contains(&block::summary_key(realm, number))? {
                newest.records = store.decode(&BLOCKS, &bytes)?.records()?;
            }
        }
        Ok(newest)
    }

    fn next(&mut self, filter: &UsageFilter, budget: &mut usize) -> Result<Option<UsageRecord>, StoreError> {
        loop {
            while let Some(record) = self.records.pop() {
                if filter.wants(&record) {
                    return Ok(Some(record));
                }
            }
            if *budget == 0 {
                return Ok(None);
            }
            *budget -= 1;
            let Some(row) = self.summaries.next() else { return Ok(None) };
            let summary = self.store.decode(&SUMMARIES, &row?.1)?;
            if filter.may_be_in(&summary) {
                self.records = self.store.get(&BLOCKS, &summary.block_key())?.unwrap_or_default().records()?;
            }
        }
    }
}

/// The newest record of a realm, and those behind it: ordered by when the record ended.
struct Head<'a> {
    record: UsageRecord,
    newest: Newest<'a>,
}

impl<'a> Head<'a> {
    fn of(mut newest: Newest<'a>, filter: &UsageFilter, budget: &mut usize) -> Result<Option<Self>, StoreError> {
        Ok(newest.next(filter, budget)?.map(|record| Self { record, newest }))
    }
}

impl PartialEq for Head<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head<'_> {}

impl PartialOrd for Head<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_end = self.record.at.cmp(&other.record.at);
        by_end.then_with(|| other.record.realm.cmp(&self.record.realm))
    }
}
