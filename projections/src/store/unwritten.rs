//! Rows in memory that the disk does not have yet.
//!
//! A fold puts its rows here, with the checkpoint they stand for, and readers find them here first. From time to time
//! all of them are *frozen* together and written to disk; what is put meanwhile gathers for the next time. So a row that
//! many groups touch is written once, the disk is never waited for, and what a kill loses is folded again, from the
//! checkpoint on disk.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use super::Write;
use super::scan::Bounds;

/// What a row takes in memory beside its bytes, about.
const ROW_OVERHEAD: usize = 96;
/// How long to wait for room before it is looked again whether any will come.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A row's bytes; none where the row was removed.
type Value = Option<Box<[u8]>>;

/// Rows by their keys: a map for each table, as most are looked up and few are listed.
#[derive(Debug, Default)]
pub(super) struct Rows {
    tables: BTreeMap<u8, HashMap<Box<[u8]>, Value>>,
    bytes: usize,
}

/// Rows that the disk does not have yet.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    rows: RwLock<Generations>,
    signal: Mutex<Signal>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Generations {
    /// What was put since rows were last frozen.
    young: Rows,
    /// What is being written.
    frozen: Option<Arc<Rows>>,
}

/// What the thread that writes is asked for.
#[derive(Debug, Default)]
struct Signal {
    /// Whether there is a thread that writes.
    by_thread: bool,
    wanted: bool,
    stop: bool,
}

impl Rows {
    fn put(&mut self, (key, value): Write) {
        let Some(&table) = key.first() else { return };
        let more = key.len() + value.as_ref().map_or(0, |value| value.len()) + ROW_OVERHEAD;
        let before = self.tables.entry(table).or_default().insert(key, value);
        // The key and its overhead were counted the first time.
        let less = before.map_or(0, |value| value.map_or(0, |value| value.len()) + ROW_OVERHEAD);
        self.bytes = (self.bytes + more).saturating_sub(less);
    }

    fn get(&self, key: &[u8]) -> Option<&Value> {
        self.tables.get(key.first()?)?.get(key)
    }

    fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// All rows, in the order of their keys.
    pub(super) fn sorted(&self) -> Vec<(&[u8], Option<&[u8]>)> {
        let mut sorted = Vec::with_capacity(self.tables.values().map(HashMap::len).sum());
        for table in self.tables.values() {
            let from = sorted.len();
            sorted.extend(table.iter().map(|(key, value)| (&key[..], value.as_deref())));
            sorted[from..].sort_unstable_by_key(|(key, _)| *key);
        }
        sorted
    }

    fn copy_within(&self, bounds: &Bounds, into: &mut BTreeMap<Vec<u8>, Option<Vec<u8>>>) {
        for (_, table) in self.tables.range(bounds.tables()) {
            let within = table.iter().filter(|(key, _)| bounds.contain(key));
            into.extend(within.map(|(key, value)| (key.to_vec(), value.as_deref().map(<[u8]>::to_vec))));
        }
    }
}

impl Unwritten {
    /// Puts rows, all at once for every reader. Tells how many bytes are unwritten now, without what is frozen.
    pub(super) fn put(&self, writes: Vec<Write>) -> usize {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        for write in writes {
            rows.young.put(write);
        }
        rows.young.bytes
    }

    /// Reads the row at a key: none if it is not here, and none within if it was removed.
    pub(super) fn read<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Option<Option<T>> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        let value = rows.young.get(key).or_else(|| rows.frozen.as_ref().and_then(|frozen| frozen.get(key)));
        value.map(|value| value.as_deref().map(read))
    }

    /// A copy of the rows within bounds, in the order of their keys.
    pub(super) fn copy_within(&self, bounds: &Bounds) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        let mut copy = BTreeMap::new();
        if let Some(frozen) = &rows.frozen {
            frozen.copy_within(bounds, &mut copy);
        }
        rows.young.copy_within(bounds, &mut copy);
        copy
    }

    /// Bytes that are unwritten, without what is frozen.
    pub(super) fn young_bytes(&self) -> usize {
        self.rows.read().unwrap_or_else(PoisonError::into_inner).young.bytes
    }

    /// The rows that are to be written: those that were frozen before and are not written yet, or else all that are
    /// here. None if there are none.
    pub(super) fn freeze(&self) -> Option<Arc<Rows>> {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        if rows.frozen.is_none() && !rows.young.is_empty() {
            rows.frozen = Some(Arc::new(std::mem::take(&mut rows.young)));
        }
        let frozen = rows.frozen.clone();
        drop(rows);
        self.changed.notify_all();
        frozen
    }

    /// Forgets the frozen rows: they are on disk.
    pub(super) fn forget_frozen(&self) {
        let frozen = self.rows.write().unwrap_or_else(PoisonError::into_inner).frozen.take();
        // Freeing many rows takes milliseconds, so not under the lock.
        drop(frozen);
        self.changed.notify_all();
    }

    /// Whether rows were frozen that are not written yet.
    pub(super) fn has_frozen(&self) -> bool {
        self.rows.read().unwrap_or_else(PoisonError::into_inner).frozen.is_some()
    }

    /// Says that a thread writes, or none.
    pub(super) fn set_written_by_thread(&self, by_thread: bool) {
        self.signal().by_thread = by_thread;
    }

    pub(super) fn is_written_by_thread(&self) -> bool {
        self.signal().by_thread
    }

    /// Asks the thread that writes to begin.
    pub(super) fn want_written(&self) {
        self.signal().wanted = true;
        self.changed.notify_all();
    }

    /// Asks the thread that writes to write once more and end.
    pub(super) fn stop(&self) {
        self.signal().stop = true;
        self.changed.notify_all();
    }

    /// Waits until writing is wanted, or for so long. Tells whether it is to be the last time.
    pub(super) fn wait_until_wanted(&self, longest: Duration) -> bool {
        let signal = self.signal();
        let waited = self.changed.wait_timeout_while(signal, longest, |signal| !signal.wanted && !signal.stop);
        let mut signal = waited.unwrap_or_else(PoisonError::into_inner).0;
        signal.wanted = false;
        signal.stop
    }

    /// Waits for so long, or until the thread is to end. Tells whether it is.
    pub(super) fn wait_until_stopped(&self, longest: Duration) -> bool {
        let signal = self.signal();
        let waited = self.changed.wait_timeout_while(signal, longest, |signal| !signal.stop);
        waited.unwrap_or_else(PoisonError::into_inner).0.stop
    }

    /// Waits a moment for something to be written.
    pub(super) fn wait_for_progress(&self) {
        let signal = self.signal();
        drop(self.changed.wait_timeout(signal, LOOK_AGAIN));
    }

    fn signal(&self) -> MutexGuard<'_, Signal> {
        self.signal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
