//! Spend: sums per realm, day, key and model, and per all of them at once; and over all realms, for the operator.

use serde::{Deserialize, Serialize};
use tallygate_core::id::{KeyId, ModelName, RealmId, VendorId};
use tallygate_core::time::Day;

use super::totals::Totals;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Scan, Store, StoreError};

pub(crate) const OF_REALMS: RowTable<Totals> = RowTable::new(32, 1, "spend of realms");
pub(crate) const BY_DAY: RowTable<Spent<Day>> = RowTable::new(33, 1, "spend by day");
pub(crate) const BY_KEY: RowTable<Spent<(RealmId, KeyId)>> = RowTable::new(34, 1, "spend by key");
pub(crate) const BY_MODEL: RowTable<Spent<ModelName>> = RowTable::new(35, 1, "spend by model");
pub(crate) const IN_DETAIL: RowTable<Spent<Detail>> = RowTable::new(36, 1, "spend in detail");
pub(crate) const OF_ALL: RowTable<Totals> = RowTable::new(37, 1, "spend of all realms");
pub(crate) const ALL_BY_DAY: RowTable<Spent<Day>> = RowTable::new(38, 1, "spend of all realms by day");
pub(crate) const ALL_BY_MODEL: RowTable<Spent<ModelName>> = RowTable::new(39, 1, "spend of all realms by model");
/// Which realm a key that spent belongs to. A global index that holds ids alone.
pub(crate) const KEY_REALMS: RowTable<RealmId> = RowTable::new(40, 1, "realms of keys that spent");

/// The most keys that a ranking has.
pub const RANKING_MAX: usize = 1_000;
/// The most rows of spend that one question is answered with.
pub const SPEND_ROWS_MAX: usize = 100_000;

/// Sums, and what they are the sums of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent<D> {
    /// What was summed over.
    pub of: D,
    /// The sums.
    pub totals: Totals,
}

/// The finest division of spend.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Detail {
    /// The day on which the requests came in.
    pub day: Day,
    /// The key that asked.
    pub key: KeyId,
    /// The model's public name.
    pub model: ModelName,
    /// Whose API answered.
    pub vendor: VendorId,
}

impl Detail {
    /// The last parts of a key.
    pub(super) fn end(&self, key: RowKey) -> RowKey {
        let key = key.number(self.day.number()).uuid(self.key.as_uuid());
        key.text(self.model.as_str()).text(self.vendor.as_str())
    }
}

/// Days from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    /// The first.
    pub first: Day,
    /// The last.
    pub last: Day,
}

impl Days {
    /// Every day.
    pub const ALL: Self = Self { first: Day::MIN, last: Day::MAX };

    /// Whether a day is one of them.
    #[must_use]
    pub fn has(self, day: Day) -> bool {
        (self.first..=self.last).contains(&day)
    }
}

pub(crate) fn realm_key(realm: &RealmId) -> RowKey {
    RowKey::of(&OF_REALMS).realm(Some(realm))
}

pub(crate) fn day_key(realm: &RealmId, day: Day) -> RowKey {
    RowKey::of(&BY_DAY).realm(Some(realm)).number(day.number())
}

pub(crate) fn key_key(realm: &RealmId, key: KeyId) -> RowKey {
    RowKey::of(&BY_KEY).realm(Some(realm)).uuid(key.as_uuid())
}

pub(crate) fn model_key(realm: &RealmId, model: &ModelName) -> RowKey {
    RowKey::of(&BY_MODEL).realm(Some(realm)).text(model.as_str())
}

pub(crate) fn detail_key(realm: &RealmId, detail: &Detail) -> RowKey {
    detail.end(RowKey::of(&IN_DETAIL).realm(Some(realm)))
}

pub(crate) fn all_key() -> RowKey {
    RowKey::of(&OF_ALL)
}

pub(crate) fn all_day_key(day: Day) -> RowKey {
    RowKey::of(&ALL_BY_DAY).number(day.number())
}

pub(crate) fn all_model_key(model: &ModelName) -> RowKey {
    RowKey::of(&ALL_BY_MODEL).text(model.as_str())
}

pub(crate) fn key_realm_key(key: KeyId) -> RowKey {
    RowKey::of(&KEY_REALMS).uuid(key.as_uuid())
}

/// The realm of a key that spent.
pub(crate) fn realm_of_key(store: &Store, key: KeyId) -> Result<Option<RealmId>, StoreError> {
    store.get(&KEY_REALMS, &key_realm_key(key))
}

/// The sums of a key; zeros for one that never asked.
pub(crate) fn of_key(store: &Store, key: KeyId) -> Result<Totals, StoreError> {
    let Some(realm) = realm_of_key(store, key)? else { return Ok(Totals::default()) };
    Ok(store.get(&BY_KEY, &key_key(&realm, key))?.map(|spent| spent.totals).unwrap_or_default())
}

/// The rows of some days, oldest first.
pub(crate) fn days_between<D: serde::de::DeserializeOwned>(
    store: &Store,
    table: &RowTable<Spent<D>>,
    prefix: &RowKey,
    days: Days,
) -> Result<Vec<Spent<D>>, StoreError> {
    let first = prefix.clone().number(days.first.number());
    let end = prefix.clone().number(days.last.number().saturating_add(1));
    decode_all(store, table, store.scan_between(&first, &end))
}

/// All rows with a common beginning of their keys.
pub(crate) fn all<D: serde::de::DeserializeOwned>(
    store: &Store,
    table: &RowTable<Spent<D>>,
    prefix: &RowKey,
) -> Result<Vec<Spent<D>>, StoreError> {
    decode_all(store, table, store.scan(prefix))
}

fn decode_all<D: serde::de::DeserializeOwned>(
    store: &Store,
    table: &RowTable<Spent<D>>,
    rows: Scan<'_>,
) -> Result<Vec<Spent<D>>, StoreError> {
    rows.take(SPEND_ROWS_MAX).map(|row| store.decode(table, &row?.1)).collect()
}

/// The keys that cost most, dearest first: at most so many, and at most [`RANKING_MAX`]. Reads the sums of every key
/// below the prefix.
pub(crate) fn dearest_keys(
    store: &Store,
    prefix: &RowKey,
    keys_max: usize,
) -> Result<Vec<Spent<(RealmId, KeyId)>>, StoreError> {
    let keys_max = keys_max.min(RANKING_MAX);
    let mut ranking: Vec<Spent<(RealmId, KeyId)>> = Vec::new();
    for row in store.scan(prefix) {
        ranking.push(store.decode(&BY_KEY, &row?.1)?);
        if ranking.len() >= 2 * RANKING_MAX {
            rank(&mut ranking, keys_max);
        }
    }
    rank(&mut ranking, keys_max);
    Ok(ranking)
}

/// Equal spend is in the order of the keys' ids, so that pages do not jump.
fn rank(ranking: &mut Vec<Spent<(RealmId, KeyId)>>, keys_max: usize) {
    ranking.sort_by(|one, other| {
        let by_cost = other.totals.cost_nano_usd.cmp(&one.totals.cost_nano_usd);
        by_cost.then_with(|| one.of.1.cmp(&other.of.1))
    });
    ranking.truncate(keys_max);
}
