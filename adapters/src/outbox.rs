//! The files of a gateway's journal: segments in its data folder, written in place and used again.
//!
//! A write is one `write(2)` into the system's memory of the file, without a sync: that is enough against a process that
//! is killed, and against a machine that goes down nothing unsynced counts. What the bytes mean, and how what an earlier
//! segment left behind the end is told from what counts, is `core::journal`'s business.
//!
//! Rewriting a file that is already in memory costs a third of growing a new one, so the files of segments that are not
//! needed any more are kept as spares. A spare begins with a terminator: it reads as a segment without records.

mod machine;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use tallygate_core::journal::frame::TERMINATOR;

pub use machine::{steady_ms, this_boot};

/// From so many bytes on, the next segment should be begun.
pub const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;
/// No segment is longer: it begins with what is held and what slices came to, and grows to [`SEGMENT_BYTES`] from there.
const SEGMENT_MAX_BYTES: u64 = 512 * 1024 * 1024;
/// Spare files that are kept.
const SPARES_MAX: usize = 3;
const EXTENSION: &str = "journal";

/// What was tried on a file of the journal, and failed.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {} failed", path.display())]
pub struct OutboxError {
    doing: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// The number of a segment's file. Files of released segments have it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentFile(u64);

/// A segment that was found when the folder was opened.
#[derive(Debug)]
pub struct Found {
    /// Its file.
    pub file: SegmentFile,
    /// All that the file holds.
    pub bytes: Vec<u8>,
}

/// The journal's folder. One process has it, by the data folder's lock.
#[derive(Debug)]
pub struct Outbox {
    folder: PathBuf,
    current: Option<Current>,
    spares: Vec<SegmentFile>,
    /// The number that no file has yet.
    fresh: u64,
}

#[derive(Debug)]
struct Current {
    path: PathBuf,
    file: File,
    /// Where the next record goes: over the terminator behind the last one.
    at: u64,
}

impl Outbox {
    /// Opens a folder, makes it if it is not there, and reads the segments in it, in no order.
    ///
    /// # Errors
    /// [`OutboxError`] when the folder or a file of it cannot be read.
    pub fn open(folder: &Path) -> Result<(Self, Vec<Found>), OutboxError> {
        fs::create_dir_all(folder).map_err(failed("making", folder))?;
        let mut outbox = Self { folder: folder.to_owned(), current: None, spares: Vec::new(), fresh: 0 };
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed("listing", folder))? {
            let path = entry.map_err(failed("listing", folder))?.path();
            let Some(file) = number(&path) else { continue };
            outbox.fresh = outbox.fresh.max(file.0 + 1);
            let bytes = read(&path)?;
            if bytes.is_empty() || bytes.starts_with(&TERMINATOR) {
                outbox.spares.push(file);
            } else {
                found.push(Found { file, bytes });
            }
        }
        Ok((outbox, found))
    }

    /// Begins a segment with its first records, which are cleared once they are written.
    ///
    /// # Errors
    /// [`OutboxError`]. The segment before stays the one that is written.
    pub fn begin(&mut self, bytes: &mut Vec<u8>) -> Result<SegmentFile, OutboxError> {
        let number = self.spares.last().copied().unwrap_or(SegmentFile(self.fresh));
        let path = self.path(number);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = opened.map_err(failed("opening", &path))?;
        let mut next = Current { path, file, at: 0 };
        next.write(bytes)?;
        if self.spares.pop().is_none() {
            self.fresh += 1;
        }
        self.current = Some(next);
        Ok(number)
    }

    /// Writes records behind those that are there, and clears them. When this returns they survive the process.
    ///
    /// # Errors
    /// [`OutboxError`]. Nobody knows then where the segment ends: nothing more may be written to it.
    pub fn write(&mut self, bytes: &mut Vec<u8>) -> Result<(), OutboxError> {
        match &mut self.current {
            Some(current) => current.write(bytes),
            None => self.begin(bytes).map(drop),
        }
    }

    /// How long the segment is that is being written, in bytes.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.current.as_ref().map_or(0, |current| current.at)
    }

    /// Makes what was written survive the machine.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub fn sync(&self) -> Result<(), OutboxError> {
        let Some(current) = &self.current else { return Ok(()) };
        current.file.sync_all().map_err(failed("syncing", &current.path))?;
        let folder = File::open(&self.folder).and_then(|folder| folder.sync_all());
        folder.map_err(failed("syncing", &self.folder))
    }

    /// A segment is not needed any more. Its file is used again, or removed.
    ///
    /// # Errors
    /// [`OutboxError`]: it may still be found at the next start.
    pub fn release(&mut self, file: SegmentFile) -> Result<(), OutboxError> {
        let path = self.path(file);
        if self.spares.len() < SPARES_MAX {
            let opened = OpenOptions::new().write(true).open(&path).map_err(failed("opening", &path))?;
            opened.write_all_at(&TERMINATOR, 0).map_err(failed("writing", &path))?;
            self.spares.push(file);
            return Ok(());
        }
        fs::remove_file(&path).map_err(failed("removing", &path))
    }

    fn path(&self, file: SegmentFile) -> PathBuf {
        self.folder.join(format!("{:04}.{EXTENSION}", file.0))
    }
}

impl Current {
    fn write(&mut self, bytes: &mut Vec<u8>) -> Result<(), OutboxError> {
        let records = bytes.len();
        bytes.extend_from_slice(&TERMINATOR);
        let written = self.file.write_all_at(bytes, self.at);
        bytes.clear();
        written.map_err(failed("writing", &self.path))?;
        self.at += records as u64;
        Ok(())
    }
}

fn failed(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> OutboxError {
    move |source| OutboxError { doing, path: path.to_owned(), source }
}

fn number(path: &Path) -> Option<SegmentFile> {
    let is_ours = path.extension().is_some_and(|extension| extension == EXTENSION);
    if is_ours { path.file_stem()?.to_str()?.parse().ok().map(SegmentFile) } else { None }
}

fn read(path: &Path) -> Result<Vec<u8>, OutboxError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed("opening", path))?;
    file.take(SEGMENT_MAX_BYTES).read_to_end(&mut bytes).map_err(failed("reading", path))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
