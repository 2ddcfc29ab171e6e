//! What sources elsewhere told of spend so far. Only what is more than was told before is added to the sums, so what is told
//! again counts once.

use tallygate_core::activity::{DaySpent, Under};
use tallygate_core::id::{RealmId, SourceName};

use super::spend::Detail;
use super::totals::Totals;
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError};

/// The most that was told of each number of each row.
pub(crate) const TOLD: RowTable<Totals> = RowTable::new(46, 1, "spend told from elsewhere");

/// The key of a row.
pub(crate) fn row_key(realm: &RealmId, source: &SourceName, row: &DaySpent) -> RowKey {
    let (kind, name) = match &row.under {
        None => (0, ""),
        Some(Under::EndUser(end_user)) => (1, end_user.as_str()),
        Some(Under::Tag(tag)) => (2, tag.as_str()),
    };
    let key = RowKey::of(&TOLD).realm(Some(realm)).text(source.as_str()).fixed(&[kind]).text(name);
    detail(row).end(key)
}

/// What a row is of, all but the name that its requests gave.
pub(crate) fn detail(row: &DaySpent) -> Detail {
    Detail { day: row.day, key: row.key, model: row.model.clone(), vendor: row.vendor.clone() }
}

/// Whether a row says more than its source said before.
pub(crate) fn is_news(store: &Store, realm: &RealmId, source: &SourceName, row: &DaySpent) -> Result<bool, StoreError> {
    let mut told = store.get(&TOLD, &row_key(realm, source, row))?.unwrap_or_default();
    Ok(told.raise(&Totals::of_elsewhere(row)) != Totals::default())
}
