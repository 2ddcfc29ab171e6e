//! Sled: leaves on disk. The one place that names it.
//!
//! Calls may panic, as a damaged sled does: the store guards them.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::StoreError;
use super::leaf::{Leaf, Malformed, Row, pack, portions};
use super::open::io_error;
use super::scan::{Bounds, Direction};

/// Sled's threads give up its lock a moment after its last handle is gone.
const LOCK_RETRIES: u32 = 100;
const LOCK_RETRY_EVERY: Duration = Duration::from_millis(20);
const SLED_FILE: &str = "db";
/// The key of the first leaf, which is always there. Every row's key is greater: it begins with its table's byte and
/// goes on.
const FIRST_LEAF: [u8; 1] = [0];
/// Leaves that are written in one batch of sled's take so many bytes, about. Readers wait meanwhile.
const BATCH_BYTES: usize = 64 * 1024;

/// A key, and what is put there; nothing when the row is removed.
pub(super) type Change<'a> = (&'a [u8], Option<&'a [u8]>);

/// Leaves on disk.
#[derive(Debug)]
pub(super) struct Disk {
    db: sled::Db,
    /// A second handle of sled's file, for the fsync that sled leaves out.
    file: File,
}

/// Why leaves cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiskError {
    /// Sled says so.
    #[error(transparent)]
    Sled(#[from] sled::Error),
    /// The file cannot be synced.
    #[error("the file cannot be synced")]
    Sync(#[source] io::Error),
    /// A leaf is none.
    #[error("a leaf cannot be read")]
    Malformed,
}

impl From<Malformed> for DiskError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Leaves that may hold rows within bounds.
pub(super) struct Leaves(sled::Iter);

impl Disk {
    /// Opens what lies in a folder, or makes it.
    pub(super) fn open(dir: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let db = open_sled(dir, cache_bytes)?;
        let path = dir.join(SLED_FILE);
        let file =
            File::options().read(true).write(true).open(&path).map_err(|source| io_error("opening", &path, source))?;
        Ok(Self { db, file })
    }

    /// Whether nothing was ever written.
    pub(super) fn is_new(&self) -> bool {
        self.db.is_empty()
    }

    /// Makes the first leaf.
    pub(super) fn begin(&self) -> Result<(), DiskError> {
        self.db.insert(FIRST_LEAF, pack(&[]))?;
        Ok(())
    }

    /// Reads the row at a key.
    pub(super) fn read<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, DiskError> {
        let (_, leaf) = self.leaf_of(key)?;
        Ok(Leaf::read(&leaf)?.find(key)?.map(read))
    }

    /// The leaf that a key lies in, or would.
    fn leaf_of(&self, key: &[u8]) -> Result<(sled::IVec, sled::IVec), DiskError> {
        self.db.range(..=key).next_back().transpose()?.ok_or(DiskError::Malformed)
    }

    /// The leaves that may hold rows within bounds.
    pub(super) fn leaves(&self, bounds: &Bounds) -> Result<Leaves, DiskError> {
        let (first, _) = self.leaf_of(&bounds.from)?;
        Ok(Leaves(match &bounds.before {
            Some(before) => self.db.range(&first[..]..&before[..]),
            None => self.db.range(&first[..]..),
        }))
    }

    /// Puts and removes rows, which are in the order of their keys. Not at once: a crash may leave some of it done.
    pub(super) fn apply(&self, changes: &[Change<'_>]) -> Result<(), DiskError> {
        let mut rest = changes;
        while !rest.is_empty() {
            let (mut batch, mut bytes) = (sled::Batch::default(), 0);
            while let (Some((key, _)), true) = (rest.first(), bytes < BATCH_BYTES) {
                let (leaf_key, leaf) = self.leaf_of(key)?;
                let next =
                    self.db.range::<&[u8], _>((std::ops::Bound::Excluded(&leaf_key[..]), std::ops::Bound::Unbounded));
                let next = next.keys().next().transpose()?;
                let count = next.map_or(rest.len(), |next| rest.partition_point(|(key, _)| *key < &next[..]));
                let (of_leaf, others) = rest.split_at(count);
                bytes += change_leaf(&leaf_key, &leaf, of_leaf, &mut batch)?;
                rest = others;
            }
            self.db.apply_batch(batch)?;
        }
        Ok(())
    }

    /// Makes all that was applied survive a loss of power. Takes milliseconds.
    pub(super) fn sync(&self) -> Result<(), DiskError> {
        self.db.flush()?;
        self.file.sync_data().map_err(DiskError::Sync)
    }
}

impl Leaves {
    pub(super) fn next(&mut self, direction: Direction) -> Result<Option<sled::IVec>, DiskError> {
        let next = match direction {
            Direction::Forward => self.0.next(),
            Direction::Backward => self.0.next_back(),
        };
        Ok(next.transpose()?.map(|(_, leaf)| leaf))
    }
}

/// Adds to a batch what a leaf becomes, and tells how many bytes that are.
fn change_leaf(
    leaf_key: &[u8],
    leaf: &[u8],
    changes: &[Change<'_>],
    batch: &mut sled::Batch,
) -> Result<usize, DiskError> {
    let leaf = Leaf::read(leaf)?;
    let mut keys = Vec::with_capacity(4 * 1024);
    let mut old = Vec::with_capacity(64);
    for row in leaf.rows() {
        let (rest, value) = row?;
        keys.extend_from_slice(leaf.prefix());
        keys.extend_from_slice(rest);
        old.push((keys.len(), value));
    }
    let mut from = 0;
    let old = old.into_iter().map(|(to, value)| (&keys[std::mem::replace(&mut from, to)..to], value));
    let rows = merge(old, changes);
    let mut bytes = 0;
    let (mut from, is_first_leaf) = (0, leaf_key == FIRST_LEAF);
    for count in portions(&rows) {
        let part = &rows[from..from + count];
        let packed = pack(part);
        bytes += packed.len();
        // The first part keeps the key, which is at most that of its first row.
        batch.insert(if from == 0 { leaf_key } else { part[0].0 }, packed);
        from += count;
    }
    match (from, is_first_leaf) {
        (0, true) => batch.insert(leaf_key, pack(&[])),
        (0, false) => batch.remove(leaf_key),
        _ => {}
    }
    Ok(bytes)
}

/// Rows with changes over them; both are in the order of their keys.
fn merge<'a>(old: impl Iterator<Item = Row<'a>>, changes: &[Change<'a>]) -> Vec<Row<'a>> {
    let mut merged = Vec::with_capacity(changes.len() + 64);
    let mut changes = changes.iter().peekable();
    for (key, value) in old {
        while let Some((changed, put)) = changes.next_if(|(changed, _)| *changed < key) {
            merged.extend(put.map(|put| (*changed, put)));
        }
        match changes.next_if(|(changed, _)| *changed == key) {
            Some((_, put)) => merged.extend(put.map(|put| (key, put))),
            None => merged.push((key, value)),
        }
    }
    merged.extend(changes.filter_map(|(changed, put)| put.map(|put| (*changed, put))));
    merged
}

#[expect(clippy::disallowed_methods, reason = "sled gives up its lock on a thread of its own, and tells nobody when")]
fn open_sled(dir: &Path, cache_bytes: u64) -> Result<sled::Db, StoreError> {
    let config = sled::Config::new()
        .path(dir)
        .cache_capacity(cache_bytes)
        .mode(sled::Mode::HighThroughput)
        // `Disk::sync` does it, with the fsync that this would leave out.
        .flush_every_ms(None);
    let mut tries = 0;
    loop {
        match config.open() {
            Ok(db) => return Ok(db),
            Err(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => {
                if tries == LOCK_RETRIES {
                    return Err(StoreError::InUse(dir.to_owned()));
                }
                tries += 1;
                std::thread::sleep(LOCK_RETRY_EVERY);
            }
            Err(sled::Error::Io(error)) if is_environment(&error) => return Err(io_error("opening", dir, error)),
            Err(error) => return Err(StoreError::Damaged { path: dir.to_owned(), what: error.to_string() }),
        }
    }
}

/// Errors that say something about the machine and nothing about the bytes: a fresh store would meet them too.
fn is_environment(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull)
}
