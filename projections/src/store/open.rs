//! Opening a store, and setting aside one that is in doubt.

use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{DAMAGE_MARK, Settings, Store, StoreError, Writes, panic_text};
use crate::row_codec::RowTable;
use crate::row_key::RowKey;

/// The table of what the store says about itself. Its rows are no part of a digest.
pub(crate) const META_TABLE: u8 = 0;
const LAYOUT: RowTable<StoredLayout> = RowTable::new(META_TABLE, 2, "layout");
/// Tables and events, as [`super::Layout`] has them.
type StoredLayout = (Vec<(u8, u16)>, Vec<(String, u16)>);

/// How many stores that were set aside are kept, the newest.
const SET_ASIDE_MAX: usize = 3;
/// Sled's threads give up its lock a moment after its last handle is gone.
const LOCK_RETRIES: u32 = 100;
const LOCK_RETRY_EVERY: Duration = Duration::from_millis(20);
const SLED_FILE: &str = "db";
const LOCK_FILE: &str = "lock";
const SET_ASIDE_MARK: &str = ".bad-";

/// A store that is open.
#[derive(Debug)]
pub(crate) struct Opened<T> {
    /// The store.
    pub(crate) store: Store,
    /// What was read from it to begin with.
    pub(crate) first: T,
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
    /// Opens the store in a folder, makes one if there is none, and reads what the caller needs to begin with.
    ///
    /// On any doubt (a panic, an error, another layout, a mark of damage, a first read that fails) the folder is
    /// renamed to `<name>.bad-<milliseconds>` and an empty store made in its place: an empty one has no checkpoint, so
    /// the follower starts at the beginning of the log.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process has it open, and [`StoreError::Io`]. Neither is doubt.
    pub(crate) fn open<T>(
        dir: &Path,
        settings: &Settings,
        first: impl Fn(&Self) -> Result<T, StoreError>,
    ) -> Result<Opened<T>, StoreError> {
        match Self::open_as_it_is(dir, settings, &first) {
            Ok((store, first)) => Ok(Opened { store, first, set_aside: None }),
            Err(error @ (StoreError::InUse(_) | StoreError::Io { .. })) => Err(error),
            Err(doubt) => {
                let set_aside = SetAside { path: set_aside(dir)?, why: doubt.to_string() };
                tracing::warn!(
                    store = settings.layout.name, why = %set_aside.why, kept = %set_aside.path.display(),
                    "the views could not be trusted: they are set aside and made again from the log"
                );
                let (store, first) = Self::open_as_it_is(dir, settings, &first)?;
                Ok(Opened { store, first, set_aside: Some(set_aside) })
            }
        }
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
        let db = match catch_unwind(AssertUnwindSafe(|| open_sled(dir, settings.cache_bytes))) {
            Ok(db) => db?,
            Err(payload) => return Err(damaged(panic_text(payload.as_ref()))),
        };
        let file_path = dir.join(SLED_FILE);
        let file = File::options()
            .read(true)
            .write(true)
            .open(&file_path)
            .map_err(|source| io_error("opening", &file_path, source))?;
        sync_dir(dir)?;
        let store = Self { db, dir: dir.to_owned(), file, damaged: AtomicBool::new(false), _lock: lock };
        store.check_layout(settings)?;
        store.finish_journal()?;
        let first = first(&store)?;
        Ok((store, first))
    }

    /// An empty store takes the layout; any other must have it.
    fn check_layout(&self, settings: &Settings) -> Result<(), StoreError> {
        let key = || RowKey::of(&LAYOUT).text("layout");
        let tables = settings.layout.tables.to_vec();
        let events: Vec<_> =
            (settings.layout.events)().iter().map(|(name, schema)| ((*name).to_owned(), *schema)).collect();
        match self.get(&LAYOUT, &key())? {
            Some(found) if found.0 != tables => Err(self.damage("it was written by a version with other tables")),
            Some(found) if found.1 != events => Err(self.damage("it was written by a version that knew other events")),
            Some(_) => Ok(()),
            None if self.has_rows()? => Err(self.damage("it has rows, and does not say of what layout")),
            None => {
                let mut writes = Writes::default();
                writes.put(&LAYOUT, key(), &(tables, events))?;
                self.apply(writes)
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "sled gives up its lock on a thread of its own, and tells nobody when")]
fn open_sled(dir: &Path, cache_bytes: u64) -> Result<sled::Db, StoreError> {
    let config = sled::Config::new()
        .path(dir)
        .cache_capacity(cache_bytes)
        .mode(sled::Mode::HighThroughput)
        // `Store::sync` does it, with the fsync that this would leave out.
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

fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    // The empty path is the parent of a relative folder: the current one.
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    File::open(dir).and_then(|file| file.sync_all()).map_err(|source| io_error("syncing", dir, source))
}

fn io_error(what: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { what, path: path.to_owned(), source }
}
