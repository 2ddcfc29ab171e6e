//! Spend under a name that requests give: that of an end user, in whose name they ask, or a tag, by which they are told
//! apart. Whatever a request says has rows, whether anybody registered it or not.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tallygate_core::id::{EndUserId, RealmId, TagName};

use super::spend::{Days, Detail, Spent};
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError};

/// Each row is what one key did with one model in the name of one end user on one day.
pub(crate) const BY_END_USER: RowTable<Spent<Named<EndUserId>>> = RowTable::new(44, 2, "spend by end user");
/// The same by tag. A request with several tags is in the rows of each, so these sums are not added up over tags.
pub(crate) const BY_TAG: RowTable<Spent<Named<TagName>>> = RowTable::new(45, 1, "spend by tag");

/// What was asked under a name in one realm.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Named<N> {
    /// The realm of the keys that asked.
    pub realm: RealmId,
    /// What the requests named.
    pub name: N,
    /// Day, key, model and vendor.
    pub detail: Detail,
}

/// The beginning of the rows of a realm, or of one name in it.
fn prefix<N: AsRef<str>>(table: &RowTable<Spent<Named<N>>>, realm: &RealmId, name: Option<&N>) -> RowKey {
    let of_realm = RowKey::of(table).realm(Some(realm));
    name.map_or(of_realm.clone(), |name| of_realm.text(name.as_ref()))
}

/// The key of a row.
pub(crate) fn row_key<N: AsRef<str>>(table: &RowTable<Spent<Named<N>>>, of: &Named<N>) -> RowKey {
    of.detail.end(prefix(table, &of.realm, Some(&of.name)))
}

/// Hands over the rows of a realm, or of one name in it, in the order of names and days. They may be many: whoever visits
/// them adds up.
pub(crate) fn each<N: AsRef<str> + DeserializeOwned>(
    store: &Store,
    table: &RowTable<Spent<Named<N>>>,
    (realm, name): (&RealmId, Option<&N>),
    days: Days,
    mut visit: impl FnMut(Spent<Named<N>>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for row in store.scan(&prefix(table, realm, name)) {
        let spent = store.decode(table, &row?.1)?;
        if days.has(spent.of.detail.day) {
            visit(spent)?;
        }
    }
    Ok(())
}
