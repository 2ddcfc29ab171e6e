//! Tables that are whole in memory: how all of them are read at the start, and written when they are touched.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Store, StoreError, Writes};

/// Reads every row of a table.
pub(crate) fn load<R: DeserializeOwned>(
    store: &Store,
    table: &RowTable<R>,
    load: impl FnMut(R),
) -> Result<(), StoreError> {
    load_from(store, table, &RowKey::of(table), load)
}

/// Reads the rows of a table whose keys have a common beginning.
pub(crate) fn load_from<R: DeserializeOwned>(
    store: &Store,
    table: &RowTable<R>,
    prefix: &RowKey,
    mut load: impl FnMut(R),
) -> Result<(), StoreError> {
    for row in store.scan(prefix) {
        load(store.decode(table, &row?.1)?);
    }
    Ok(())
}

/// Writes the touched rows of a table whose rows are never removed.
pub(crate) fn write<K, R: Serialize>(
    touched: Vec<(K, Option<Arc<R>>)>,
    table: &RowTable<R>,
    writes: &mut Writes,
    key: impl Fn(&K, &R) -> RowKey,
) -> Result<(), StoreError> {
    for (id, row) in touched {
        if let Some(row) = row {
            writes.put(table, key(&id, &row), row.as_ref())?;
        }
    }
    Ok(())
}
