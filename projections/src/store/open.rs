//! Opening a store, and setting aside one that is in doubt.

use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use super::disk::{Change, Disk, DiskError};
use super::journal::{Journal, Recorded};
use super::unwritten::Unwritten;
use super::write_out::{Condition, Writing, apply};
use super::{DAMAGE_MARK, Layout, Settings, Store, StoreError, panic_text};
use crate::row_codec::RowTable;
use crate::row_key::RowKey;

/// The table of what the store says about itself. Its rows are no part of a digest.
pub(crate) const META_TABLE: u8 = 0;
const LAYOUT: RowTable<StoredLayout> = RowTable::new(META_TABLE, 3, "layout");
/// How often the store was written to.
const GENERATION: RowTable<()> = RowTable::new(META_TABLE, 1, "generation");
/// Tables and events, as [`super::Layout`] has them.
type StoredLayout = (Vec<(u8, u16)>, Vec<(String, u16)>);

/// How many stores that were set aside are kept, the newest.
const SET_ASIDE_MAX: usize = 3;
const LOCK_FILE: &str = "lock";
const SET_ASIDE_MARK: &str = ".bad-";

/// A store that is open.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The store.
    pub(crate) store: Store,
    /// The store that stood there before and could not be trusted, and why not.
    pub(crate) set_aside: Option<SetAside>,
}

/// A store that could not be trusted: where it is now, for whoever wants to look.
#[derive(Debug)]
pub(crate) struct SetAside {
    pub(crate) path: PathBuf,
    pub(crate) why: String,
}

impl Store {
    /// Opens the store in a folder, makes one if there is none, and has the caller read what it begins with.
    ///
    /// On any doubt (a panic, an error, another layout, a mark of damage, a check that fails) the folder is
    /// renamed to `<name>.bad-<milliseconds>` and an empty store made in its place: an empty one has no checkpoint, so
    /// the follower starts at the beginning of the log.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process has it open, and [`StoreError::Io`]. Neither is doubt.
    pub(crate) fn open(
        dir: &Path,
        settings: &Settings,
        check: impl Fn(&Self) -> Result<(), StoreError>,
    ) -> Result<Opened, StoreError> {
        match Self::open_as_it_is(dir, settings, &check) {
            Ok((store, ())) => Ok(Opened { store, set_aside: None }),
            Err(error @ (StoreError::InUse(_) | StoreError::Io { .. })) => Err(error),
            Err(doubt) => {
                let set_aside = SetAside { path: set_aside(dir)?, why: doubt.to_string() };
                tracing::warn!(
                    store = settings.layout.name, why = %set_aside.why, kept = %set_aside.path.display(),
                    "what is stored here could not be trusted: it is set aside, and views are made again from the log"
                );
                let (store, ()) = Self::open_as_it_is(dir, settings, &check)?;
                Ok(Opened { store, set_aside: Some(set_aside) })
            }
        }
    }

    /// Makes an empty store in the place of one that was given up. That one is removed: a disk that has just failed
    /// needs its room.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn replace(dir: &Path, settings: &Settings) -> Result<Self, StoreError> {
        if dir.exists() {
            let old = set_aside(dir)?;
            fs::remove_dir_all(&old).map_err(|source| io_error("removing", &old, source))?;
        }
        Self::open_as_it_is(dir, settings, &|_| Ok(())).map(|(store, ())| store)
    }

    /// Opens the store in a folder, makes one if there is none, and reads what the caller needs. Nothing is set aside.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn open_as_it_is<T>(
        dir: &Path,
        settings: &Settings,
        first: &impl Fn(&Self) -> Result<T, StoreError>,
    ) -> Result<(Self, T), StoreError> {
        let damaged = |what: String| StoreError::Damaged { path: dir.to_owned(), what };
        fs::create_dir_all(dir).map_err(|source| io_error("making", dir, source))?;
        let lock = lock(dir)?;
        if let Ok(what) = fs::read_to_string(dir.join(DAMAGE_MARK)) {
            return Err(damaged(format!("it was found damaged while in use: {what}")));
        }
        let disk = open_disk(dir, settings)?;
        sync_dir(dir)?;
        let journal = Journal::open(dir)?;
        let generation = finish(dir, &disk, &journal)?;
        let writing = Writing { journal, generation, reopen: false, _lock: Some(lock) };
        let store = Self {
            dir: dir.to_owned(),
            settings: *settings,
            unwritten: Unwritten::default(),
            disk: ArcSwapOption::from_pointee(disk),
            writing: Mutex::new(writing),
            condition: watch::Sender::new(Condition::Well),
        };
        let first = first(&store)?;
        Ok((store, first))
    }
}

/// Opens what lies on disk in a folder, and compares its layout; a new one takes the layout.
pub(super) fn open_disk(dir: &Path, settings: &Settings) -> Result<Disk, StoreError> {
    let damaged = |what: String| StoreError::Damaged { path: dir.to_owned(), what };
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let disk = Disk::open(dir, settings.cache_bytes)?;
        check_layout(&disk, settings.layout, dir)?;
        Ok(disk)
    }));
    opened.unwrap_or_else(|payload| Err(damaged(panic_text(payload.as_ref()))))
}

/// A new store takes the layout; any other must have it.
fn check_layout(disk: &Disk, layout: Layout, dir: &Path) -> Result<(), StoreError> {
    let damaged = |what: &str| StoreError::Damaged { path: dir.to_owned(), what: what.to_owned() };
    let failed = |error: DiskError| match error {
        DiskError::Sled(sled::Error::Io(source)) => io_error("writing the views in", dir, source),
        error => damaged(&error.to_string()),
    };
    let key = RowKey::of(&LAYOUT).text("layout");
    let tables = layout.tables.to_vec();
    let events: Vec<_> = (layout.events)().iter().map(|(name, schema)| ((*name).to_owned(), *schema)).collect();
    if disk.is_new() {
        disk.begin().map_err(failed)?;
        let (row, (generation_key, generation)) = (LAYOUT.encode(&(tables, events))?, generation_row(0, 0));
        return disk.apply(&[(&generation_key, Some(&generation)), (key.as_bytes(), Some(&row))]).map_err(failed);
    }
    match disk.read(key.as_bytes(), |row| LAYOUT.decode(row)).map_err(failed)?.transpose()? {
        Some(found) if found.0 != tables => Err(damaged("it was written by a version with other tables")),
        Some(found) if found.1 != events => Err(damaged("it was written by a version that knew other events")),
        Some(_) => Ok(()),
        None => Err(damaged("it does not say of what layout it is")),
    }
}

/// The key and the row that say how often the store was written to: begun, and done.
pub(super) fn generation_row(begun: u64, done: u64) -> (Vec<u8>, Vec<u8>) {
    let row = [GENERATION.schema.to_be_bytes().as_slice(), &begun.to_be_bytes(), &done.to_be_bytes()].concat();
    (RowKey::of(&GENERATION).text("generation").into_bytes(), row)
}

/// How often the store was written to: begun, and done.
pub(super) fn generation(disk: &Disk) -> Result<(u64, u64), DiskError> {
    let (key, _) = generation_row(0, 0);
    let parse = |row: &[u8]| {
        let (schema, numbers) = row.split_first_chunk::<2>()?;
        let (begun, done) = numbers.split_first_chunk::<8>()?;
        let numbers = (u64::from_be_bytes(*begun), u64::from_be_bytes(done.try_into().ok()?));
        (u16::from_be_bytes(*schema) == GENERATION.schema).then_some(numbers)
    };
    disk.read(&key, parse)?.flatten().ok_or(DiskError::Malformed)
}

/// Writes what a crash has left half written, and tells how often the store was written to.
fn finish(dir: &Path, disk: &Disk, journal: &Journal) -> Result<u64, StoreError> {
    let damaged = |what: String| StoreError::Damaged { path: dir.to_owned(), what };
    let guarded = |call: &dyn Fn() -> Result<(u64, u64), DiskError>| match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(DiskError::Sled(sled::Error::Io(source)))) => Err(io_error("writing the views in", dir, source)),
        Ok(Err(error)) => Err(damaged(error.to_string())),
        Err(payload) => Err(damaged(panic_text(payload.as_ref()))),
    };
    let (begun, done) = guarded(&|| generation(disk))?;
    if begun == done {
        // A journal was at most recorded, and what it says will be folded again.
        journal.forget();
        return Ok(done);
    }
    let recorded = journal.read()?.filter(|recorded| recorded.base == done && begun == done + 1);
    let Some(Recorded { base, rows }) = recorded else {
        return Err(damaged("a write was not finished, and there is no journal of it".to_owned()));
    };
    let rows: Vec<Change<'_>> = rows.iter().map(|(key, value)| (&key[..], value.as_deref())).collect();
    guarded(&|| apply(disk, base, &rows).map(|()| (base, base)))?;
    journal.forget();
    Ok(base + 1)
}

fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join(LOCK_FILE);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|source| io_error("opening", &path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(io_error("locking", &path, source)),
    }
}

/// Renames the folder out of the way, and forgets the oldest of those that were set aside before.
fn set_aside(dir: &Path) -> Result<PathBuf, StoreError> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned() + SET_ASIDE_MARK;
    let mut millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let mut to = dir.with_file_name(format!("{name}{millis}"));
    while to.exists() {
        millis += 1;
        to = dir.with_file_name(format!("{name}{millis}"));
    }
    fs::rename(dir, &to).map_err(|source| io_error("setting aside", dir, source))?;
    if let Some(parent) = dir.parent() {
        sync_dir(parent)?;
        forget_oldest(parent, &name)?;
    }
    Ok(to)
}

fn forget_oldest(parent: &Path, name: &str) -> Result<(), StoreError> {
    let entries = fs::read_dir(parent).map_err(|source| io_error("listing", parent, source))?;
    let mut kept: Vec<(u128, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let millis = entry.file_name().to_str()?.strip_prefix(name)?.parse().ok()?;
            Some((millis, entry.path()))
        })
        .collect();
    kept.sort_unstable();
    let surplus = kept.len().saturating_sub(SET_ASIDE_MAX);
    for (_, path) in kept.drain(..surplus) {
        fs::remove_dir_all(&path).map_err(|source| io_error("removing", &path, source))?;
    }
    Ok(())
}

pub(super) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    // The empty path is the parent of a relative folder: the current one.
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    File::open(dir).and_then(|file| file.sync_all()).map_err(|source| io_error("syncing", dir, source))
}

pub(super) fn io_error(what: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { what, path: path.to_owned(), source }
}
