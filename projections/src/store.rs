//! The store: rows on disk that can always be made again from the log. The one place that names sled.
//!
//! Sled's `flush` is no fsync, a damaged sled panics, and after a loss of power it may come back older, or empty. So
//! every call runs guarded, a panic or an error is damage, what is damaged is set aside on the next start
//! ([`Store::open`]), and the rows carry a checkpoint in the same batch: whatever state comes back, the follower goes
//! on from the checkpoint it finds. [`Store::sync`] makes that a late one.
//!
//! Calls block for microseconds, and behind a large batch for milliseconds.

mod apply;
mod durable;
mod open;
#[cfg(test)]
mod tests;

pub(crate) use open::META_TABLE;

pub(crate) use apply::Writes;
pub(crate) use durable::SyncThread;

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::de::DeserializeOwned;

use crate::row_codec::{RowError, RowTable};
use crate::row_key::RowKey;

/// Bytes of a stored row.
pub(crate) type StoredBytes = sled::IVec;

/// A file whose presence says that the store was found damaged while it was in use.
const DAMAGE_MARK: &str = "damaged";

/// Rows on disk, all in one tree.
#[derive(Debug)]
pub(crate) struct Store {
    db: sled::Db,
    dir: PathBuf,
    /// A second handle of sled's file, for the fsync that sled leaves out.
    file: File,
    damaged: AtomicBool,
    /// Held as long as the store is open: one process at a time.
    _lock: File,
}

/// The tables that a store holds, and the events that they were folded from: another set, or another schema of one, is
/// another store. So what an older version could not read is folded when a version comes that can.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// What the store is for, such as `control`.
    pub(crate) name: &'static str,
    /// Id and schema of each table.
    pub(crate) tables: &'static [(u8, u16)],
    /// Name and newest schema of each event that this version reads.
    pub(crate) events: fn() -> Vec<(&'static str, u16)>,
}

/// How a store is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) layout: Layout,
    /// The most memory for pages, in bytes.
    pub(crate) cache_bytes: u64,
}

/// Why the rows cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the store open.
    #[error("another process uses the views in {}", .0.display())]
    InUse(PathBuf),
    /// The file system refused.
    #[error("{what} {} failed", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store cannot be trusted any more. It is set aside and rebuilt on the next start.
    #[error("the views in {} are damaged: {what}", path.display())]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What was seen.
        what: String,
    },
    /// A row cannot be read or written.
    #[error(transparent)]
    Row(#[from] RowError),
}

impl Store {
    /// The row at a key.
    pub(crate) fn get<R: DeserializeOwned>(&self, table: &RowTable<R>, key: &RowKey) -> Result<Option<R>, StoreError> {
        let Some(bytes) = self.guarded(|| self.db.get(key.as_bytes()))? else { return Ok(None) };
        self.decode(table, &bytes).map(Some)
    }

    /// Whether there is a row at a key.
    pub(crate) fn contains(&self, key: &RowKey) -> Result<bool, StoreError> {
        self.guarded(|| self.db.contains_key(key.as_bytes()))
    }

    /// Reads a row's bytes. What cannot be read is damage.
    pub(crate) fn decode<R: DeserializeOwned>(&self, table: &RowTable<R>, bytes: &[u8]) -> Result<R, StoreError> {
        table.decode(bytes).inspect_err(|error| self.note_damage(&error.to_string())).map_err(StoreError::Row)
    }

    /// The rows whose keys begin with a prefix, in the order of their keys, or backwards from the end.
    pub(crate) fn scan(&self, prefix: &RowKey) -> Scan<'_> {
        Scan { store: self, iter: Some(self.db.scan_prefix(prefix.as_bytes())) }
    }

    /// The rows from a key on, before another.
    pub(crate) fn scan_between(&self, first: &RowKey, end: &RowKey) -> Scan<'_> {
        Scan { store: self, iter: Some(self.db.range(first.as_bytes()..end.as_bytes())) }
    }

    /// Every row of every table, in the order of the keys, without what the store says about itself.
    pub(crate) fn scan_tables(&self) -> Scan<'_> {
        Scan { store: self, iter: Some(self.db.range([META_TABLE + 1]..)) }
    }

    /// Whether any table has a row.
    pub(crate) fn has_rows(&self) -> Result<bool, StoreError> {
        self.scan_tables().next().transpose().map(|row| row.is_some())
    }

    /// Makes all that was applied survive a loss of power. Takes milliseconds.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.guarded(|| self.db.flush())?;
        self.file.sync_data().map_err(|source| StoreError::Io { what: "syncing", path: self.dir.clone(), source })
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    fn guarded<T>(&self, call: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
        if self.damaged.load(Ordering::Relaxed) {
            return Err(self.damage("it was found damaged before"));
        }
        let what = match catch_unwind(AssertUnwindSafe(call)) {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(sled::Error::Io(source))) => {
                return Err(StoreError::Io { what: "reading or writing the views in", path: self.dir.clone(), source });
            }
            Ok(Err(error)) => error.to_string(),
            Err(payload) => panic_text(payload.as_ref()),
        };
        self.note_damage(&what);
        Err(self.damage(&what))
    }

    /// From now on every call fails, and the next start sets the store aside.
    pub(crate) fn note_damage(&self, what: &str) {
        self.damaged.store(true, Ordering::Relaxed);
        tracing::error!(dir = %self.dir.display(), what, "the views are damaged: they are rebuilt on the next start");
        if let Err(error) = std::fs::write(self.dir.join(DAMAGE_MARK), what) {
            tracing::error!(%error, "the mark of the damage could not be written");
        }
    }

    /// The error of a store that cannot be trusted.
    pub(crate) fn damage(&self, what: &str) -> StoreError {
        StoreError::Damaged { path: self.dir.clone(), what: what.to_owned() }
    }
}

fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    format!("the store panicked: {}", text.unwrap_or("without words"))
}

/// Rows in the order of their keys. Ends after an error.
pub(crate) struct Scan<'a> {
    store: &'a Store,
    iter: Option<sled::Iter>,
}

impl Scan<'_> {
    fn step(
        &mut self,
        next: impl FnOnce(&mut sled::Iter) -> Option<sled::Result<(StoredBytes, StoredBytes)>>,
    ) -> Option<Result<(StoredBytes, StoredBytes), StoreError>> {
        let iter = self.iter.as_mut()?;
        let item = self.store.guarded(|| next(iter).transpose()).transpose();
        if !matches!(item, Some(Ok(_))) {
            self.iter = None;
        }
        item
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<(StoredBytes, StoredBytes), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(Iterator::next)
    }
}

impl DoubleEndedIterator for Scan<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(DoubleEndedIterator::next_back)
    }
}

/// A store that several parts share.
pub(crate) type SharedStore = Arc<Store>;
