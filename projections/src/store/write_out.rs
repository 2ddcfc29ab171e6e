//! Writing rows to disk, and going on after a disk that did not take them.

use std::fs::File;
use std::sync::{Arc, PoisonError};

use tokio::sync::watch;

use super::disk::{Change, Disk, DiskError};
use super::journal::Journal;
use super::open::{generation, generation_row, open_disk};
use super::{Store, StoreError, WAIT_AT};

/// Sled takes its file's room in steps of half a MiB, and a few at once.
const ROOM_BYTES: usize = 2 * 1024 * 1024;

/// How a store fares.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    /// Well.
    Well,
    /// The disk did not take the last rows, for this reason. They are in memory, and it is tried again.
    Failing(Arc<str>),
    /// It cannot be trusted any more, for this reason.
    Lost(Arc<str>),
}

impl Condition {
    /// Whether the disk did not take the last rows.
    pub(crate) const fn is_failing(&self) -> bool {
        matches!(self, Self::Failing(_))
    }
}

/// What whoever writes has in hand.
#[derive(Debug)]
pub(super) struct Writing {
    pub(super) journal: Journal,
    /// How often rows were written.
    pub(super) generation: u64,
    /// Sled failed, or may have: it is opened anew before the next write.
    pub(super) reopen: bool,
    /// Held as long as the store is open: one process at a time. None when the store is given up.
    pub(super) _lock: Option<File>,
}

impl Store {
    /// How the store fares, and each change of it.
    pub(crate) fn condition(&self) -> watch::Receiver<Condition> {
        self.condition.subscribe()
    }

    /// Writes all rows that are only in memory, so that they survive a loss of power. Takes milliseconds at least.
    ///
    /// # Errors
    /// [`StoreError`]. The rows stay in memory, readers find them there, and the next call tries again.
    pub(crate) fn write_out(&self) -> Result<(), StoreError> {
        self.check_trusted()?;
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.write_all(&mut writing);
        drop(writing);
        self.note_written(written)
    }

    fn write_all(&self, writing: &mut Writing) -> Result<(), StoreError> {
        // Rows that could not be written before come first, and then what gathered meanwhile.
        let times = if self.unwritten.has_frozen() { 2 } else { 1 };
        for _ in 0..times {
            let Some(rows) = self.unwritten.freeze() else { break };
            if writing.reopen {
                self.reopen(writing)?;
            }
            let sorted = rows.sorted();
            writing.journal.record(writing.generation, &sorted)?;
            writing.reopen = true;
            self.on_disk(|disk| apply(disk, writing.generation, &sorted)).inspect_err(|error| {
                let why = with_causes(error);
                tracing::error!(why, dir = %self.dir.display(), "sled did not take the rows: it will be opened again");
            })?;
            writing.reopen = false;
            writing.generation += 1;
            writing.journal.forget();
            drop(sorted);
            self.unwritten.forget_frozen();
        }
        Ok(())
    }

    fn note_written(&self, written: Result<(), StoreError>) -> Result<(), StoreError> {
        let Err(error) = written else {
            let was_failing = |condition: &mut Condition| {
                let was_failing = condition.is_failing();
                if was_failing {
                    *condition = Condition::Well;
                }
                was_failing
            };
            if self.condition.send_if_modified(was_failing) {
                tracing::info!(dir = %self.dir.display(), "the views are written again");
            }
            return Ok(());
        };
        let why = with_causes(&error);
        let begins_to_fail = self.condition.send_if_modified(|condition| {
            let is_well = matches!(condition, Condition::Well);
            if is_well {
                *condition = Condition::Failing(Arc::from(why.as_str()));
            }
            is_well
        });
        if begins_to_fail {
            tracing::error!(why, dir = %self.dir.display(), "the views cannot be written: they go on in memory");
        }
        Err(error)
    }

    /// Opens sled anew, once there is room, and finds out how much of the frozen rows it has.
    fn reopen(&self, writing: &mut Writing) -> Result<(), StoreError> {
        writing.journal.try_room(ROOM_BYTES)?;
        tracing::info!(dir = %self.dir.display(), "the views are opened again");
        // Readers may hold it for a moment yet; sled gives up its file when the last of them is done.
        drop(self.disk.swap(None));
        let disk = open_disk(&self.dir, &self.settings).inspect_err(|error| self.note_lost(error))?;
        let found = generation(&disk).inspect_err(|error| self.note_lost(&self.damage(&error.to_string())));
        let (begun, done) = found.map_err(|error| self.damage(&error.to_string()))?;
        self.disk.store(Some(Arc::new(disk)));
        let base = writing.generation;
        if done != base && (begun, done) != (base + 1, base + 1) {
            let lost = self.damage(&format!("it went back from generation {base} to {done}"));
            self.note_lost(&lost);
            return Err(lost);
        }
        // Where all of the rows are there already, writing them again changes nothing.
        writing.generation = done;
        writing.reopen = false;
        Ok(())
    }

    fn note_lost(&self, error: &StoreError) {
        if matches!(error, StoreError::Damaged { .. } | StoreError::Row(_)) {
            self.note_damage(&error.to_string());
        }
    }

    /// Checks that rows may be put: the store is trusted, and does not wait for a disk that takes none while its memory is
    /// full.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and [`StoreError::Waiting`].
    pub(crate) fn check_room(&self) -> Result<(), StoreError> {
        self.check_trusted()?;
        let is_full = self.unwritten.young_bytes() >= WAIT_AT * self.settings.write_bytes;
        match &*self.condition.borrow() {
            Condition::Failing(why) if is_full => {
                Err(StoreError::Waiting { path: self.dir.clone(), why: why.to_string() })
            }
            _ => Ok(()),
        }
    }

    /// Waits until there is memory for more rows. A store that no thread writes is written here.
    ///
    /// # Errors
    /// [`StoreError`] when there is no memory, and the disk does not take what is in it.
    pub(crate) fn make_room(&self) -> Result<(), StoreError> {
        loop {
            self.check_trusted()?;
            if self.unwritten.young_bytes() < WAIT_AT * self.settings.write_bytes {
                return Ok(());
            }
            if let Condition::Failing(why) = &*self.condition.borrow() {
                return Err(StoreError::Waiting { path: self.dir.clone(), why: why.to_string() });
            }
            if self.unwritten.is_written_by_thread() {
                self.unwritten.want_written();
                self.unwritten.wait_for_progress();
            } else {
                self.write_out()?;
            }
        }
    }

    /// Closes what is on disk: from now on every call fails, and the folder may be opened again.
    pub(crate) fn give_up(&self) {
        self.condition.send_if_modified(|condition| {
            let is_trusted = !matches!(condition, Condition::Lost(_));
            if is_trusted {
                *condition = Condition::Lost(Arc::from("it was given up"));
            }
            is_trusted
        });
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.disk.swap(None));
        writing._lock = None;
    }

    /// What a crash leaves that comes after the journal is recorded, and after so many rows.
    #[cfg(test)]
    pub(super) fn write_out_and_crash(&self, rows: usize) {
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(frozen) = self.unwritten.freeze() else { return };
        let (sorted, base) = (frozen.sorted(), writing.generation);
        let disk = self.disk.load_full();
        let crashed = writing.journal.record(base, &sorted).and_then(|()| {
            let (key, begun) = generation_row(base + 1, base);
            self.on_disk(|disk| disk.apply(&[(&key, Some(&begun))]).and_then(|()| disk.apply(&sorted[..rows])))
        });
        assert!(crashed.is_ok() && disk.is_some());
    }

    /// From now on sled is opened anew before it is written to.
    #[cfg(test)]
    pub(crate) fn pretend_that_sled_failed(&self) {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner).reopen = true;
    }
}

fn with_causes(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Writes rows between two marks, so that a store with half of them is known.
pub(super) fn apply(disk: &Disk, base: u64, rows: &[Change<'_>]) -> Result<(), DiskError> {
    let (key, begun) = generation_row(base + 1, base);
    disk.apply(&[(&key, Some(&begun))])?;
    disk.apply(rows)?;
    let (key, done) = generation_row(base + 1, base + 1);
    disk.apply(&[(&key, Some(&done))])?;
    disk.sync()
}
