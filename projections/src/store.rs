//! The store: rows that can always be made again from the log, in memory and on disk.
//!
//! Rows are put into memory, together with the checkpoint that they stand for, and written to disk together from time to
//! time ([`Store::write_out`]), through a journal. So whatever state a crash leaves, the follower goes on from the
//! checkpoint that it finds.
//!
//! Sled's `flush` is no fsync, a damaged sled panics, one that met a full disk never writes again, and after a loss of
//! power it may come back older, or empty. So every call runs guarded; after a write that failed the rows stay in memory,
//! sled is opened anew and the same rows are written again; and what cannot be trusted any more is set aside, and made
//! again from the log.
//!
//! Calls block for microseconds.

mod disk;
mod journal;
mod leaf;
mod open;
mod scan;
#[cfg(test)]
mod tests;
mod unwritten;
mod write_out;
mod writer;

pub(crate) use open::META_TABLE;
pub(crate) use scan::Scan;
#[cfg(test)]
pub(crate) use scan::StoredRow;
pub(crate) use write_out::Condition;
pub(crate) use writer::WriterThread;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwapOption;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use self::disk::{Disk, DiskError};
use self::scan::{Bounds, Direction};
use self::unwritten::Unwritten;
use self::write_out::Writing;
use crate::row_codec::{RowError, RowTable};
use crate::row_key::RowKey;

/// A file whose presence says that the store was found damaged while it was in use.
const DAMAGE_MARK: &str = "damaged";

/// A key, and what is put there; nothing when the row is removed.
pub(crate) type Write = (Box<[u8]>, Option<Box<[u8]>>);

/// Rows in memory and on disk.
#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    settings: Settings,
    unwritten: Unwritten,
    /// None while sled is opened anew, and when the store is given up.
    disk: ArcSwapOption<Disk>,
    writing: Mutex<Writing>,
    condition: watch::Sender<Condition>,
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
    /// Rows are written when so many bytes of them are in memory, or after some seconds.
    pub(crate) write_bytes: usize,
}

/// How many times `write_bytes` may be in memory before whoever has more must wait.
const WAIT_AT: usize = 2;

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
    /// The store cannot be trusted any more. It is set aside and made again.
    #[error("the views in {} are damaged: {what}", path.display())]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What was seen.
        what: String,
    },
    /// The disk's part of the store is being opened anew, after it failed.
    #[error("the views in {} are being opened again", .0.display())]
    Reopening(PathBuf),
    /// More rows wait for the disk than there is memory for, and it does not take them.
    #[error("the views in {} wait for the disk: {why}", path.display())]
    Waiting {
        /// The folder.
        path: PathBuf,
        /// Why the disk took none of them.
        why: String,
    },
    /// A row cannot be read or written.
    #[error(transparent)]
    Row(#[from] RowError),
}

/// Rows to put and to remove, together.
#[derive(Debug, Default)]
pub(crate) struct Writes(Vec<Write>);

impl Writes {
    pub(crate) fn put<R: Serialize>(&mut self, table: &RowTable<R>, key: RowKey, row: &R) -> Result<(), StoreError> {
        self.0.push((key.into_bytes().into_boxed_slice(), Some(table.encode(row)?)));
        Ok(())
    }

    pub(crate) fn remove(&mut self, key: RowKey) {
        self.0.push((key.into_bytes().into_boxed_slice(), None));
    }

    /// How many rows are put or removed.
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }
}

impl Store {
    /// The row at a key.
    pub(crate) fn get<R: DeserializeOwned>(&self, table: &RowTable<R>, key: &RowKey) -> Result<Option<R>, StoreError> {
        self.check_trusted()?;
        let key = key.as_bytes();
        let row = match self.unwritten.read(key, |bytes| table.decode(bytes)) {
            Some(row) => row,
            None => self.on_disk(|disk| disk.read(key, |bytes| table.decode(bytes)))?,
        };
        row.transpose().inspect_err(|error| self.note_damage(&error.to_string())).map_err(StoreError::Row)
    }

    /// Whether there is a row at a key.
    pub(crate) fn contains(&self, key: &RowKey) -> Result<bool, StoreError> {
        self.check_trusted()?;
        match self.unwritten.read(key.as_bytes(), |_| ()) {
            Some(row) => Ok(row.is_some()),
            None => Ok(self.on_disk(|disk| disk.read(key.as_bytes(), |_| ()))?.is_some()),
        }
    }

    /// Reads a row's bytes. What cannot be read is damage.
    pub(crate) fn decode<R: DeserializeOwned>(&self, table: &RowTable<R>, bytes: &[u8]) -> Result<R, StoreError> {
        table.decode(bytes).inspect_err(|error| self.note_damage(&error.to_string())).map_err(StoreError::Row)
    }

    /// The rows whose keys begin with a prefix, in the order of their keys.
    pub(crate) fn scan(&self, prefix: &RowKey) -> Scan<'_> {
        Scan::new(self, Bounds::of_prefix(prefix.as_bytes()), Direction::Forward)
    }

    /// The rows whose keys begin with a prefix, from the last one on.
    pub(crate) fn scan_back(&self, prefix: &RowKey) -> Scan<'_> {
        Scan::new(self, Bounds::of_prefix(prefix.as_bytes()), Direction::Backward)
    }

    /// The rows from a key on, before another.
    pub(crate) fn scan_between(&self, first: &RowKey, end: &RowKey) -> Scan<'_> {
        let bounds = Bounds { from: first.as_bytes().to_vec(), before: Some(end.as_bytes().to_vec()) };
        Scan::new(self, bounds, Direction::Forward)
    }

    /// The rows from a key on, before another, from the last one on.
    pub(crate) fn scan_back_between(&self, first: &RowKey, end: &RowKey) -> Scan<'_> {
        let bounds = Bounds { from: first.as_bytes().to_vec(), before: Some(end.as_bytes().to_vec()) };
        Scan::new(self, bounds, Direction::Backward)
    }

    /// Every row of every table, in the order of the keys, without what the store says about itself.
    pub(crate) fn scan_tables(&self) -> Scan<'_> {
        Scan::new(self, Bounds { from: vec![META_TABLE + 1], before: None }, Direction::Forward)
    }

    /// Whether any table has a row.
    pub(crate) fn has_rows(&self) -> Result<bool, StoreError> {
        self.scan_tables().next().transpose().map(|row| row.is_some())
    }

    /// Puts and removes rows, all at once for every reader: after a crash all of them are there, or none.
    pub(crate) fn apply(&self, writes: Writes) {
        if self.unwritten.put(writes.0) >= self.settings.write_bytes {
            self.unwritten.want_written();
        }
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Reads or writes the disk.
    fn on_disk<T>(&self, call: impl FnOnce(&Disk) -> Result<T, DiskError>) -> Result<T, StoreError> {
        let Some(disk) = self.disk.load_full() else { return Err(StoreError::Reopening(self.dir.clone())) };
        self.guarded(|| call(&disk))
    }

    /// Runs a call that may panic. What fails otherwise than by the file system is damage, unless a write has failed
    /// before: then sled may say anything, and is opened anew.
    fn guarded<T>(&self, call: impl FnOnce() -> Result<T, DiskError>) -> Result<T, StoreError> {
        let what = match catch_unwind(AssertUnwindSafe(call)) {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(DiskError::Sled(sled::Error::Io(source)) | DiskError::Sync(source))) => {
                return Err(StoreError::Io { what: "reading or writing the views in", path: self.dir.clone(), source });
            }
            Ok(Err(error)) => error.to_string(),
            Err(payload) => panic_text(payload.as_ref()),
        };
        if !matches!(*self.condition.borrow(), Condition::Failing(_)) {
            self.note_damage(&what);
        }
        Err(self.damage(&what))
    }

    /// From now on every call fails, until the store is set aside: by the follower, or on the next start.
    pub(crate) fn note_damage(&self, what: &str) {
        self.condition.send_replace(Condition::Lost(Arc::from(what)));
        tracing::error!(dir = %self.dir.display(), what, "the views are damaged: they are made again");
        if let Err(error) = std::fs::write(self.dir.join(DAMAGE_MARK), what) {
            tracing::error!(%error, "the mark of the damage could not be written");
        }
    }

    fn check_trusted(&self) -> Result<(), StoreError> {
        match &*self.condition.borrow() {
            Condition::Lost(why) => Err(self.damage(&format!("it was found damaged before: {why}"))),
            Condition::Well | Condition::Failing(_) => Ok(()),
        }
    }

    /// Whether all that the store holds can be read: it is trusted, and its disk took the last rows.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and [`StoreError::Waiting`].
    pub(crate) fn check_whole(&self) -> Result<(), StoreError> {
        self.check_trusted()?;
        match &*self.condition.borrow() {
            Condition::Failing(why) => Err(StoreError::Waiting { path: self.dir.clone(), why: why.to_string() }),
            Condition::Well | Condition::Lost(_) => Ok(()),
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

/// A store that several parts share.
pub(crate) type SharedStore = Arc<Store>;
