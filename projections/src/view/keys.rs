//! Keys with their budgets, each under its realm; and the global indexes that lead to them, which hold ids alone.

use std::collections::HashMap;
use std::sync::Arc;

use tallygate_core::budget::Budget;
use tallygate_core::control::{Control, Needs};
use tallygate_core::id::{KeyAlias, KeyId, RealmId};
use tallygate_core::key::{Key, KeyHash};

use super::key_list::{self, KeyList};
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

pub(crate) const KEYS: RowTable<Key> = RowTable::new(10, 2, "keys");
pub(crate) const KEY_BUDGETS: RowTable<Budget> = RowTable::new(11, 5, "budgets of keys");
pub(crate) const KEY_HASHES: RowTable<KeyPlace> = RowTable::new(12, 1, "hashes of keys");
pub(crate) const KEY_ALIASES: RowTable<KeyPlace> = RowTable::new(13, 1, "aliases of keys");
pub(crate) const KEY_REALMS: RowTable<RealmId> = RowTable::new(14, 1, "realms of keys");

/// Where a key's rows are.
pub(crate) type KeyPlace = (RealmId, KeyId);

/// A key and its budget. Cheap to clone; it never changes: a change makes another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// The key.
    pub key: Arc<Key>,
    /// Its own budget, if it ever had one. The budget may be without limits.
    pub budget: Option<Arc<Budget>>,
}

/// A key that a group of events touched.
#[derive(Debug)]
pub(crate) struct TouchedKey {
    /// The hash by which it may be in memory until now.
    pub(crate) hash_before: Option<KeyHash>,
    /// What it is now.
    pub(crate) row: KeyRow,
}

/// What was on disk of the keys that a group touches, before the group.
#[derive(Debug, Default)]
pub(crate) struct KeysBefore(HashMap<KeyId, Before>);

#[derive(Debug, Clone, Copy)]
struct Before {
    hash: KeyHash,
    listed: bool,
}

fn key_of(place: &KeyPlace) -> RowKey {
    RowKey::of(&KEYS).realm(Some(&place.0)).uuid(place.1.as_uuid())
}

fn budget_of(realm: Option<&RealmId>, key: KeyId) -> RowKey {
    RowKey::of(&KEY_BUDGETS).realm(realm).uuid(key.as_uuid())
}

/// Where the key with a hash is. Hashes that a key had before its secret was rotated lead to it too.
pub(crate) fn place_of_hash(store: &Store, hash: &KeyHash) -> Result<Option<KeyPlace>, StoreError> {
    store.get(&KEY_HASHES, &RowKey::of(&KEY_HASHES).fixed(hash.digest().as_bytes()))
}

/// Where the key with an alias is.
pub(crate) fn place_of_alias(store: &Store, alias: &KeyAlias) -> Result<Option<KeyPlace>, StoreError> {
    store.get(&KEY_ALIASES, &RowKey::of(&KEY_ALIASES).text(alias.as_str()))
}

/// Where a key is.
pub(crate) fn place_of_id(store: &Store, id: KeyId) -> Result<Option<KeyPlace>, StoreError> {
    let realm = store.get(&KEY_REALMS, &RowKey::of(&KEY_REALMS).uuid(id.as_uuid()))?;
    Ok(realm.map(|realm| (realm, id)))
}

/// The key at a place, with its budget.
pub(crate) fn find(store: &Store, place: &KeyPlace) -> Result<Option<KeyRow>, StoreError> {
    let Some(mut key) = store.get(&KEYS, &key_of(place))? else { return Ok(None) };
    // One text for both: there may be a million keys in memory.
    key.realm.clone_from(&place.0);
    let budget = store.get(&KEY_BUDGETS, &budget_of(Some(&place.0), place.1))?;
    Ok(Some(KeyRow { key: Arc::new(key), budget: budget.map(Arc::new) }))
}

/// Brings the keys, hashes and aliases that are needed into a state that does not have them yet.
pub(crate) fn load(store: &Store, control: &mut Control, needs: &Needs) -> Result<(), StoreError> {
    for id in &needs.keys {
        let place = if control.keys.contains(id) { None } else { place_of_id(store, *id)? };
        let Some(row) = place.map(|place| find(store, &place)).transpose()?.flatten() else { continue };
        if let Some(budget) = row.budget {
            control.key_budgets.load(*id, budget);
        }
        control.keys.load(*id, row.key);
    }
    for hash in &needs.hashes {
        if let Some((_, id)) = place_of_hash(store, hash)? {
            control.key_hashes.load(*hash, Arc::new(id));
        }
    }
    for alias in &needs.aliases {
        if let Some((_, id)) = place_of_alias(store, alias)? {
            control.key_aliases.load(alias.clone(), Arc::new(id));
        }
    }
    Ok(())
}

impl KeysBefore {
    /// Notes the keys that were loaded, before anything is folded.
    pub(crate) fn of(control: &Control) -> Self {
        let before = |key: &Key| Before { hash: key.hash, listed: key_list::is_listed(key) };
        Self(control.keys.iter().map(|(id, key)| (*id, before(key))).collect())
    }
}

/// Writes the touched keys, their budgets and their indexes, and tells which keys they are.
pub(crate) fn write(
    control: &mut Control,
    before: &KeysBefore,
    list: &mut KeyList,
    store: &Store,
    writes: &mut Writes,
) -> Result<Vec<TouchedKey>, StoreError> {
    write_indexes(control, writes)?;
    let mut touched: HashMap<KeyId, TouchedKey> = HashMap::new();
    let budgets = control.key_budgets.take_touched();
    for (id, key) in control.keys.take_touched() {
        let Some(key) = key else { continue };
        let before = before.0.get(&id);
        writes.put(&KEYS, key_of(&(key.realm.clone(), id)), key.as_ref())?;
        if before.is_none() {
            writes.put(&KEY_REALMS, RowKey::of(&KEY_REALMS).uuid(id.as_uuid()), &key.realm)?;
        }
        list.note(&key, before.is_some_and(|before| before.listed));
        let row = KeyRow { key, budget: control.key_budgets.get(&id).cloned() };
        touched.insert(id, TouchedKey { hash_before: before.map(|before| before.hash), row });
    }
    for (id, budget) in budgets {
        let Some(budget) = budget else { continue };
        writes.put(&KEY_BUDGETS, budget_of(budget.realm.as_ref(), id), budget.as_ref())?;
        if let Some(key) = control.keys.get(&id) {
            let hash_before = before.0.get(&id).map(|before| before.hash);
            let row = KeyRow { key: key.clone(), budget: Some(budget) };
            touched.entry(id).or_insert(TouchedKey { hash_before, row });
        }
    }
    list.write(store, writes)?;
    Ok(touched.into_values().collect())
}

fn write_indexes(control: &mut Control, writes: &mut Writes) -> Result<(), StoreError> {
    for (hash, id) in control.key_hashes.take_touched() {
        // A hash is only ever set together with its key.
        if let Some(key) = id.and_then(|id| control.keys.get(id.as_ref())) {
            let place = (key.realm.clone(), key.id);
            writes.put(&KEY_HASHES, RowKey::of(&KEY_HASHES).fixed(hash.digest().as_bytes()), &place)?;
        }
    }
    for (alias, id) in control.key_aliases.take_touched() {
        let at = RowKey::of(&KEY_ALIASES).text(alias.as_str());
        match id.and_then(|id| control.keys.get(id.as_ref())) {
            Some(key) => writes.put(&KEY_ALIASES, at, &(key.realm.clone(), key.id))?,
            None => writes.remove(at),
        }
    }
    Ok(())
}
