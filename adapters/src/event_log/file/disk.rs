//! What the writer asks of the disk. A seam only so that tests can make it fail, or lose what was not synced.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tallygate_core::port::event_log::LogError;

/// What was tried on a file or folder, and failed.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {} failed", path.display())]
struct Failed {
    doing: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Makes the port's error of one of the operating system's.
pub(super) fn failed(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> LogError {
    move |source| LogError::Unavailable(Box::new(Failed { doing, path: path.to_owned(), source }))
}

/// The operations that can lose lines. Each does the real thing unless a test says otherwise.
pub(super) trait Disk: Debug + Send + Sync {
    /// Opens a segment so that writes go to its end; makes it if it is not there.
    fn open_segment(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).open(path)
    }

    /// Writes some of the bytes, and tells how many.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    /// Makes a file's bytes and length durable.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    /// Cuts a file to a length.
    fn truncate(&self, file: &File, bytes: u64) -> io::Result<()> {
        file.set_len(bytes)
    }

    /// Makes the names in a folder durable.
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

/// Lets the system take the memory back that it keeps a durable piece of a file in: nobody is likely to read it soon, and
/// the next piece then goes into the same memory. Only advice: whatever comes of it, the file is what it was.
pub(super) fn let_go(file: &File, from: u64, bytes: u64) {
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(file, from, std::num::NonZeroU64::new(bytes), rustix::fs::Advice::DontNeed);
    #[cfg(not(target_os = "linux"))]
    let _ = (file, from, bytes);
}

/// The disk that the operating system shows.
#[derive(Debug)]
pub(super) struct RealDisk;

impl Disk for RealDisk {}

/// Whether an error says that there is no room, which passes, rather than that something is broken.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
