//! Writing rows together, however many.
//!
//! Sled keeps a copy of every page that a batch touches until the batch ends, so a large batch is slow and takes much
//! memory. Many rows are therefore first written to a journal, as a few large rows in one batch; then they are applied
//! in small batches, and the journal is removed. A store that is opened with a journal in it applies it again: that
//! changes nothing where it was applied before.

use serde::Serialize;

use super::{META_TABLE, SharedStore, Store, StoreError};
use crate::row_codec::RowTable;
use crate::row_key::RowKey;

/// Rows of a large group, as they are to be applied.
const JOURNAL: RowTable<Vec<Write>> = RowTable::new(META_TABLE, 1, "journal");
/// Rows of one batch of sled's, at most.
const BATCH_ROWS: usize = 512;
/// About how many bytes a row of the journal has: sled is slow with larger ones.
const JOURNAL_ROW_BYTES: usize = 12 * 1024;

/// A key, and what is put there; nothing when the row is removed.
type Write = (Vec<u8>, Option<Vec<u8>>);

/// Rows to put and to remove, together.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    rows: Vec<Write>,
    /// Where rows go before all of them are there, if they need not be together.
    early: Option<SharedStore>,
}

impl Writes {
    /// Rows that need not be together: they are written as soon as there are enough of them. For a store that is thrown
    /// away if it is not finished.
    pub(crate) fn early_to(store: SharedStore) -> Self {
        Self { rows: Vec::new(), early: Some(store) }
    }

    pub(crate) fn put<R: Serialize>(&mut self, table: &RowTable<R>, key: RowKey, row: &R) -> Result<(), StoreError> {
        self.rows.push((key.into_bytes(), Some(table.encode(row)?)));
        match &self.early {
            Some(store) if self.rows.len() >= BATCH_ROWS => store.apply_batch(self.rows.drain(..)),
            _ => Ok(()),
        }
    }

    pub(crate) fn remove(&mut self, key: RowKey) {
        self.rows.push((key.into_bytes(), None));
    }

    /// How many rows are put or removed, without those that were written early.
    pub(crate) const fn len(&self) -> usize {
        self.rows.len()
    }
}

impl Store {
    /// Puts and removes rows: after a crash all of them are there, or none.
    pub(crate) fn apply(&self, writes: Writes) -> Result<(), StoreError> {
        let mut rows = writes.rows;
        if rows.len() <= BATCH_ROWS {
            return self.apply_batch(rows);
        }
        // Neighbours share pages. Where a key was written twice the later one stays the later one.
        rows.sort_by(|(one, _), (other, _)| one.cmp(other));
        let journal = self.write_journal(&rows)?;
        self.apply_journal(rows, journal)
    }

    /// Applies what a crash has left half applied.
    pub(super) fn finish_journal(&self) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        let mut journal = 0;
        for row in self.scan(&journal_rows()) {
            rows.extend(self.decode(&JOURNAL, &row?.1)?);
            journal += 1;
        }
        if journal == 0 { Ok(()) } else { self.apply_journal(rows, journal) }
    }

    /// Writes the journal, and tells how many rows it has.
    fn write_journal(&self, rows: &[Write]) -> Result<u64, StoreError> {
        let mut journal = Vec::new();
        let (mut from, mut bytes) = (0, 0);
        for (index, (key, row)) in rows.iter().enumerate() {
            bytes += key.len() + row.as_ref().map_or(0, Vec::len);
            if bytes >= JOURNAL_ROW_BYTES || index + 1 == rows.len() {
                journal.push(rows[from..=index].to_vec());
                (from, bytes) = (index + 1, 0);
            }
        }
        let encoded: Result<Vec<Write>, StoreError> = (0..)
            .zip(&journal)
            .map(|(number, rows)| Ok((journal_row(number).into_bytes(), Some(JOURNAL.encode(rows)?))))
            .collect();
        self.apply_batch(encoded?)?;
        Ok(u64::try_from(journal.len()).unwrap_or(u64::MAX))
    }

    fn apply_journal(&self, rows: Vec<Write>, journal: u64) -> Result<(), StoreError> {
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            self.apply_batch(rows.by_ref().take(BATCH_ROWS))?;
        }
        self.apply_batch((0..journal).map(|number| (journal_row(number).into_bytes(), None)))
    }

    fn apply_batch(&self, rows: impl IntoIterator<Item = Write>) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (key, row) in rows {
            match row {
                Some(row) => batch.insert(key, row),
                None => batch.remove(key),
            }
        }
        self.guarded(|| self.db.apply_batch(batch))
    }

    /// What a crash leaves that comes after the journal is written, and before it is applied.
    #[cfg(test)]
    pub(super) fn apply_and_crash(&self, writes: Writes, applied: usize) -> Result<(), StoreError> {
        self.write_journal(&writes.rows)?;
        self.apply_batch(writes.rows.into_iter().take(applied))
    }
}

fn journal_rows() -> RowKey {
    RowKey::of(&JOURNAL).text("journal")
}

fn journal_row(number: u64) -> RowKey {
    journal_rows().number(number)
}
