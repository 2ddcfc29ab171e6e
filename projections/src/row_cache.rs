//! Rows in memory, loaded on demand: sharded, bounded, and never older than what was published.
//!
//! A row that is loaded from disk may be older than the change that is being published meanwhile. So a loader takes the
//! version of the row's shard before it reads, and what it read is kept only if the version is still the same; each
//! change makes a new version. A change is published here after it is on disk. So a loader either reads the changed
//! row, or is too late to keep the old one, or keeps it before the change replaces it.

use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use foldhash::HashMap;
use foldhash::fast::RandomState;

const SHARDS: usize = 64;

/// Rows by their key.
#[derive(Debug)]
pub(crate) struct RowCache<K, V> {
    shards: Box<[RwLock<Shard<K, V>>]>,
    shard_of: RandomState,
    rows_max_per_shard: usize,
}

#[derive(Debug)]
struct Shard<K, V> {
    rows: HashMap<K, Cached<V>>,
    version: u64,
}

#[derive(Debug)]
struct Cached<V> {
    row: V,
    /// Whether it was read since rows were last let go.
    used: AtomicBool,
}

impl<K: Hash + Eq + Clone, V: Clone> RowCache<K, V> {
    /// Keeps about so many rows.
    pub(crate) fn new(rows_max: usize) -> Self {
        let shard = || RwLock::new(Shard { rows: HashMap::default(), version: 0 });
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            shard_of: RandomState::default(),
            rows_max_per_shard: rows_max.div_ceil(SHARDS).max(2),
        }
    }

    /// The row, from memory or else from where `load` finds it.
    pub(crate) fn get_or_load<E>(&self, key: &K, load: impl FnOnce() -> Result<Option<V>, E>) -> Result<Option<V>, E> {
        let shard = self.shard(key);
        let version = {
            let shard = read(shard);
            if let Some(cached) = shard.rows.get(key) {
                // A store to a line that all readers share only when it changes something.
                if !cached.used.load(Ordering::Relaxed) {
                    cached.used.store(true, Ordering::Relaxed);
                }
                return Ok(Some(cached.row.clone()));
            }
            shard.version
        };
        let Some(row) = load()? else { return Ok(None) };
        let mut shard = write(shard);
        if shard.version == version {
            shard.make_room(self.rows_max_per_shard);
            shard.rows.insert(key.clone(), Cached { row: row.clone(), used: AtomicBool::new(true) });
        }
        Ok(Some(row))
    }

    /// Publishes a change: a row that is in memory becomes the new one, and is let go when there is none any more.
    pub(crate) fn publish(&self, key: &K, row: Option<V>) {
        let mut shard = write(self.shard(key));
        shard.version += 1;
        match row {
            Some(row) => {
                if let Some(cached) = shard.rows.get_mut(key) {
                    cached.row = row;
                }
            }
            None => {
                shard.rows.remove(key);
            }
        }
    }

    /// Lets go of all rows, and of those that are being loaded: where they were loaded from is another place now.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = write(shard);
            shard.version += 1;
            shard.rows.clear();
        }
    }

    /// How many rows are in memory.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| read(shard).rows.len()).sum()
    }

    fn shard(&self, key: &K) -> &RwLock<Shard<K, V>> {
        let hash = usize::try_from(self.shard_of.hash_one(key) % SHARDS as u64).unwrap_or(0);
        &self.shards[hash]
    }
}

impl<K: Hash + Eq + Clone, V> Shard<K, V> {
    /// Lets go of rows that were not read since the last time; of every other one when all were.
    fn make_room(&mut self, rows_max: usize) {
        if self.rows.len() < rows_max {
            return;
        }
        self.rows.retain(|_, cached| std::mem::replace(cached.used.get_mut(), false));
        let mut keep = false;
        if self.rows.len() > rows_max / 2 {
            self.rows.retain(|_, _| {
                keep = !keep;
                keep
            });
        }
    }
}

/// Nothing panics while a lock is held, so a poisoned shard is still whole.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::RowCache;
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn held(cache: &RowCache<u32, u64>, key: u32) -> Option<u64> {
        cache.get_or_load::<()>(&key, || Err(())).ok().flatten()
    }

    #[test]
    fn a_row_that_changed_while_it_was_loaded_is_not_kept() {
        let cache = RowCache::<u32, u64>::new(1_000);
        let loaded = cache.get_or_load::<Infallible>(&1, || {
            let old = 1;
            cache.publish(&1, Some(2));
            Ok(Some(old))
        });
        assert_eq!(loaded.unwrap(), Some(1));
        assert_eq!(held(&cache, 1), None);
    }

    #[test]
    fn a_row_that_was_kept_before_the_change_becomes_the_new_one() {
        let cache = RowCache::<u32, u64>::new(1_000);
        cache.get_or_load::<Infallible>(&1, || Ok(Some(1))).unwrap();
        cache.publish(&1, Some(2));
        assert_eq!(held(&cache, 1), Some(2));
        cache.publish(&1, None);
        assert_eq!(held(&cache, 1), None);
    }

    #[test]
    fn a_change_of_a_row_that_nobody_reads_takes_no_memory() {
        let cache = RowCache::<u32, u64>::new(1_000);
        cache.publish(&1, Some(2));
        assert_eq!(cache.len(), 0);
    }

    #[test]
    fn memory_is_bounded_and_rows_in_use_stay_longer() {
        let cache = RowCache::<u32, u64>::new(640);
        for key in 0..10_000 {
            cache.get_or_load::<Infallible>(&key, || Ok(Some(u64::from(key)))).unwrap();
            assert!(cache.len() <= 640 + 64, "{}", cache.len());
        }
        assert!(cache.len() > 100);
    }

    /// Many threads read while one changes: no reader may find an older row than was published before it began.
    #[test]
    fn no_reader_ever_sees_an_older_row_than_was_published() {
        const KEYS: u32 = 4;
        let cache = RowCache::<u32, u64>::new(4);
        let disk: Vec<AtomicU64> = (0..KEYS).map(|_| AtomicU64::new(0)).collect();
        let published = AtomicU64::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for change in 1..=20_000_u64 {
                    for key in 0..KEYS {
                        disk[key as usize].store(change, Ordering::SeqCst);
                        cache.publish(&key, Some(change));
                    }
                    published.store(change, Ordering::SeqCst);
                }
            });
            for reader in 0..3_u32 {
                let (cache, disk, published) = (&cache, &disk, &published);
                scope.spawn(move || {
                    for round in 0.. {
                        let least = published.load(Ordering::SeqCst);
                        let key = (round + reader) % KEYS;
                        let load = || Ok::<_, Infallible>(Some(disk[key as usize].load(Ordering::SeqCst)));
                        let row = cache.get_or_load(&key, load).unwrap().unwrap();
                        assert!(row >= least, "read {row} after {least} was published");
                        if least == 20_000 {
                            return;
                        }
                    }
                });
            }
        });
    }
}
