//! The list of keys, newest first: of one realm, or of all for the operator. Keys that were revoked are not on it.

use std::collections::{BTreeMap, BTreeSet};

use tallygate_core::id::{KeyId, RealmId};
use tallygate_core::key::Key;

use super::keys::{self, KeyPlace, KeyRow};
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Scan, Store, StoreError, StoredBytes, Writes};

pub(crate) const KEYS_BY_AGE: RowTable<KeyId> = RowTable::new(15, 1, "keys by age");
pub(crate) const ALL_KEYS_BY_AGE: RowTable<KeyPlace> = RowTable::new(16, 1, "all keys by age");
pub(crate) const KEY_COUNTS: RowTable<(Option<RealmId>, u64)> = RowTable::new(17, 1, "numbers of keys");

/// The most rows of one page.
pub const PAGE_ROWS_MAX: usize = 1_000;

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// How many rows before the page are left out. Each costs about a microsecond.
    pub skip: usize,
    /// How many rows are wanted: at most [`PAGE_ROWS_MAX`], more are not given.
    pub rows: usize,
}

/// Part of a list of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPage {
    /// The keys, newest first.
    pub keys: Vec<KeyRow>,
    /// How many keys the whole list has.
    pub total: u64,
}

/// How many keys are listed, by realm.
#[derive(Debug, Default)]
pub(crate) struct KeyCounts {
    /// By realm; under none the number of all.
    numbers: BTreeMap<Option<RealmId>, u64>,
    touched: BTreeSet<Option<RealmId>>,
}

pub(crate) fn is_listed(key: &Key) -> bool {
    key.revoked.is_none()
}

/// Puts a touched key on the list, or takes it off.
pub(crate) fn write(
    key: &Key,
    was_listed: bool,
    counts: &mut KeyCounts,
    writes: &mut Writes,
) -> Result<(), StoreError> {
    let born = key.trail.created.position.get();
    let in_realm = RowKey::of(&KEYS_BY_AGE).realm(Some(&key.realm)).number(born);
    let in_all = RowKey::of(&ALL_KEYS_BY_AGE).number(born);
    match (was_listed, is_listed(key)) {
        (false, true) => {
            writes.put(&KEYS_BY_AGE, in_realm, &key.id)?;
            writes.put(&ALL_KEYS_BY_AGE, in_all, &(key.realm.clone(), key.id))?;
            counts.change(&key.realm, |number| number.saturating_add(1));
        }
        (true, false) => {
            writes.remove(in_realm);
            writes.remove(in_all);
            counts.change(&key.realm, |number| number.saturating_sub(1));
        }
        (true, true) | (false, false) => {}
    }
    Ok(())
}

/// A page of the keys of one realm.
pub(crate) fn of_realm(store: &Store, realm: &RealmId, page: Page) -> Result<KeyPage, StoreError> {
    let total = KeyCounts::find(store, Some(realm))?;
    let rows = store.scan(&RowKey::of(&KEYS_BY_AGE).realm(Some(realm)));
    let keys = read_page(store, rows, page, |bytes| Ok((realm.clone(), store.decode(&KEYS_BY_AGE, bytes)?)))?;
    Ok(KeyPage { keys, total })
}

/// A page of the keys of all realms.
pub(crate) fn of_all_realms_for_operator(store: &Store, page: Page) -> Result<KeyPage, StoreError> {
    let total = KeyCounts::find(store, None)?;
    let rows = store.scan(&RowKey::of(&ALL_KEYS_BY_AGE));
    let keys = read_page(store, rows, page, |bytes| store.decode(&ALL_KEYS_BY_AGE, bytes))?;
    Ok(KeyPage { keys, total })
}

fn read_page(
    store: &Store,
    rows: Scan<'_>,
    page: Page,
    place: impl Fn(&StoredBytes) -> Result<KeyPlace, StoreError>,
) -> Result<Vec<KeyRow>, StoreError> {
    let mut keys = Vec::new();
    for row in rows.rev().skip(page.skip).take(page.rows.min(PAGE_ROWS_MAX)) {
        keys.extend(keys::find(store, &place(&row?.1)?)?);
    }
    Ok(keys)
}

impl KeyCounts {
    pub(crate) fn load(store: &Store) -> Result<Self, StoreError> {
        let mut numbers = BTreeMap::new();
        super::light::load(store, &KEY_COUNTS, |(realm, number)| {
            numbers.insert(realm, number);
        })?;
        Ok(Self { numbers, touched: BTreeSet::new() })
    }

    fn find(store: &Store, realm: Option<&RealmId>) -> Result<u64, StoreError> {
        Ok(store.get(&KEY_COUNTS, &RowKey::of(&KEY_COUNTS).realm(realm))?.map_or(0, |(_, number)| number))
    }

    fn change(&mut self, realm: &RealmId, change: impl Fn(u64) -> u64) {
        for counted in [Some(realm.clone()), None] {
            let number = self.numbers.entry(counted.clone()).or_default();
            *number = change(*number);
            self.touched.insert(counted);
        }
    }

    pub(crate) fn write(&mut self, writes: &mut Writes) -> Result<(), StoreError> {
        for realm in std::mem::take(&mut self.touched) {
            let at = RowKey::of(&KEY_COUNTS).realm(realm.as_ref());
            match self.numbers.get(&realm).copied().unwrap_or_default() {
                // No keys is no row: whether there were any in between depends on the groups.
                0 => writes.remove(at),
                number => writes.put(&KEY_COUNTS, at, &(realm, number))?,
            }
        }
        Ok(())
    }
}
