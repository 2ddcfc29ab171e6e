//! The list of keys, newest first: of one realm, or of all for the operator. Keys that were revoked are not on it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tallygate_core::id::{KeyId, RealmId};
use tallygate_core::key::Key;
use tallygate_core::stream::Position;

use super::keys::{self, KeyPlace, KeyRow};
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

/// The keys of a realm that were issued in one range of positions, oldest first.
pub(crate) const KEYS_BY_AGE: RowTable<Vec<(Position, KeyId)>> = RowTable::new(15, 2, "keys by age");
/// The keys of all realms that were issued in one range of positions, oldest first.
pub(crate) const ALL_KEYS_BY_AGE: RowTable<Vec<(Position, KeyPlace)>> = RowTable::new(16, 2, "all keys by age");
pub(crate) const KEY_COUNTS: RowTable<(Option<RealmId>, u64)> = RowTable::new(17, 1, "numbers of keys");

/// How many positions a row of the lists stands for. Fixed, so that the rows do not depend on how the log was grouped.
const POSITIONS_OF_A_ROW: u64 = 256;

/// The most rows of one page.
pub const PAGE_ROWS_MAX: usize = 1_000;

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// How many rows before the page are left out. They cost little, but not nothing.
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

/// Changes of the lists, and how many keys are on each.
#[derive(Debug, Default)]
pub(crate) struct KeyList {
    /// How many keys are listed, by realm; under none the number of all.
    numbers: BTreeMap<Option<RealmId>, u64>,
    touched: BTreeSet<Option<RealmId>>,
    /// Keys that come onto the lists (true) or off them.
    changes: BTreeMap<(Position, KeyPlace), bool>,
}

pub(crate) fn is_listed(key: &Key) -> bool {
    key.revoked.is_none()
}

fn row_number(born: Position) -> u64 {
    born.get() / POSITIONS_OF_A_ROW
}

/// A page of the keys of one realm.
pub(crate) fn of_realm(store: &Store, realm: &RealmId, page: Page) -> Result<KeyPage, StoreError> {
    let total = KeyList::number(store, Some(realm))?;
    let prefix = RowKey::of(&KEYS_BY_AGE).realm(Some(realm));
    let keys = read_page(store, &KEYS_BY_AGE, &prefix, page, |id| (realm.clone(), id))?;
    Ok(KeyPage { keys, total })
}

/// A page of the keys of all realms.
pub(crate) fn of_all_realms_for_operator(store: &Store, page: Page) -> Result<KeyPage, StoreError> {
    let total = KeyList::number(store, None)?;
    let keys = read_page(store, &ALL_KEYS_BY_AGE, &RowKey::of(&ALL_KEYS_BY_AGE), page, |place| place)?;
    Ok(KeyPage { keys, total })
}

fn read_page<T: DeserializeOwned>(
    store: &Store,
    table: &RowTable<Vec<(Position, T)>>,
    prefix: &RowKey,
    page: Page,
    place: impl Fn(T) -> KeyPlace,
) -> Result<Vec<KeyRow>, StoreError> {
    let (mut skip, rows) = (page.skip, page.rows.min(PAGE_ROWS_MAX));
    let mut keys = Vec::new();
    for row in store.scan_back(prefix) {
        let listed = store.decode(table, &row?.1)?;
        if listed.len() <= skip {
            skip -= listed.len();
            continue;
        }
        for (_, listed) in listed.into_iter().rev().skip(std::mem::take(&mut skip)) {
            if keys.len() == rows {
                return Ok(keys);
            }
            keys.extend(keys::find(store, &place(listed))?);
        }
    }
    Ok(keys)
}

impl KeyList {
    pub(crate) fn load(store: &Store) -> Result<Self, StoreError> {
        let mut numbers = BTreeMap::new();
        super::light::load(store, &KEY_COUNTS, |(realm, number)| {
            numbers.insert(realm, number);
        })?;
        Ok(Self { numbers, ..Self::default() })
    }

    fn number(store: &Store, realm: Option<&RealmId>) -> Result<u64, StoreError> {
        Ok(store.get(&KEY_COUNTS, &RowKey::of(&KEY_COUNTS).realm(realm))?.map_or(0, |(_, number)| number))
    }

    /// Notes a touched key: it comes onto the lists, goes off them, or stays as it is.
    pub(crate) fn note(&mut self, key: &Key, was_listed: bool) {
        let is_listed = is_listed(key);
        if is_listed == was_listed {
            return;
        }
        self.changes.insert((key.trail.created.position, (key.realm.clone(), key.id)), is_listed);
        for counted in [Some(key.realm.clone()), None] {
            let number = self.numbers.entry(counted.clone()).or_default();
            *number = if is_listed { number.saturating_add(1) } else { number.saturating_sub(1) };
            self.touched.insert(counted);
        }
    }

    /// Writes the rows of the lists that changed.
    pub(crate) fn write(&mut self, store: &Store, writes: &mut Writes) -> Result<(), StoreError> {
        let mut of_realms: BTreeMap<(RealmId, u64), Vec<Change<KeyId>>> = BTreeMap::new();
        let mut of_all: BTreeMap<u64, Vec<Change<KeyPlace>>> = BTreeMap::new();
        for ((born, place), is_listed) in std::mem::take(&mut self.changes) {
            let number = row_number(born);
            of_realms.entry((place.0.clone(), number)).or_default().push((born, place.1, is_listed));
            of_all.entry(number).or_default().push((born, place, is_listed));
        }
        for ((realm, number), changes) in of_realms {
            let key = RowKey::of(&KEYS_BY_AGE).realm(Some(&realm)).number(number);
            write_row(store, &KEYS_BY_AGE, key, changes, writes)?;
        }
        for (number, changes) in of_all {
            write_row(store, &ALL_KEYS_BY_AGE, RowKey::of(&ALL_KEYS_BY_AGE).number(number), changes, writes)?;
        }
        self.write_numbers(writes)
    }

    fn write_numbers(&mut self, writes: &mut Writes) -> Result<(), StoreError> {
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

/// When a key was issued, where it is, and whether it comes onto a list or goes off it.
type Change<T> = (Position, T, bool);

fn write_row<T: Serialize + DeserializeOwned>(
    store: &Store,
    table: &RowTable<Vec<(Position, T)>>,
    key: RowKey,
    changes: Vec<Change<T>>,
    writes: &mut Writes,
) -> Result<(), StoreError> {
    let mut listed = store.get(table, &key)?.unwrap_or_default();
    for (born, what, is_listed) in changes {
        listed.retain(|(at, _)| *at != born);
        if is_listed {
            listed.push((born, what));
        }
    }
    listed.sort_by_key(|(born, _)| *born);
    if listed.is_empty() {
        writes.remove(key);
        return Ok(());
    }
    writes.put(table, key, &listed)
}
