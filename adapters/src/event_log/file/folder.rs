//! The names in a log's folder, and the lock that keeps a second process out.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use tallygate_core::port::event_log::LogError;
use tallygate_core::stream::Offset;

use super::disk::{Disk, failed};

/// As many digits as the greatest offset has.
const NAME_DIGITS: usize = 20;

/// The lock of a folder, given free when it is dropped, or when the process ends in whatever way.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    /// Closing the file is not enough: a child that was forked a moment ago may still have it open.
    fn drop(&mut self) {
        // If it fails, the lock goes when the last such child has begun its own program.
        let _ = self.0.unlock();
    }
}

/// Makes the folder if it is not there, and takes its lock.
pub(super) fn claim(disk: &dyn Disk, folder: &Path) -> Result<Lock, LogError> {
    if !folder.is_dir() {
        fs::create_dir_all(folder).map_err(failed("making", folder))?;
        // Only the name made last is synced through its parent; what lies above belongs to whoever chose the path.
        if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            disk.sync_folder(parent).map_err(failed("syncing", parent))?;
        }
    }
    let path = folder.join("lock");
    let lock =
        OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(failed("making", &path))?;
    match lock.try_lock() {
        Ok(()) => Ok(Lock(lock)),
        Err(TryLockError::WouldBlock) => Err(LogError::Misconfigured(format!(
            "another process has the log in {} open: stop it, or choose another data folder",
            folder.display()
        ))),
        Err(TryLockError::Error(error)) => Err(failed("locking", &path)(error)),
    }
}

/// The path of the segment that begins with a line.
pub(super) fn segment_path(folder: &Path, first: Offset) -> PathBuf {
    folder.join(format!("{:0NAME_DIGITS$}.jsonl", first.get()))
}

/// The path of the file that tells where the chains ended before a segment.
pub(super) fn heads_path(folder: &Path, first: Offset) -> PathBuf {
    folder.join(format!("{:0NAME_DIGITS$}.heads", first.get()))
}

/// The first offsets of the segments of a folder, in order. Files of other names are none of ours.
pub(super) fn segments(folder: &Path) -> Result<Vec<Offset>, LogError> {
    let mut firsts = Vec::new();
    for file in fs::read_dir(folder).map_err(failed("listing", folder))? {
        let name = file.map_err(failed("listing", folder))?.file_name();
        firsts.extend(name.to_str().and_then(first_of_name));
    }
    firsts.sort_unstable();
    Ok(firsts)
}

fn first_of_name(name: &str) -> Option<Offset> {
    let digits = name.strip_suffix(".jsonl")?;
    let plain = digits.len() == NAME_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok().map(Offset::new) } else { None }
}

#[cfg(test)]
mod tests {
    use super::{Offset, Path, first_of_name, segment_path};

    #[test]
    fn a_segment_is_named_after_its_first_line() {
        let path = segment_path(Path::new("log"), Offset::new(42));
        assert_eq!(path, Path::new("log/00000000000000000042.jsonl"));
        let name = |first| segment_path(Path::new(""), Offset::new(first)).to_string_lossy().into_owned();
        assert_eq!(first_of_name(&name(u64::MAX)), Some(Offset::new(u64::MAX)));
        for other in ["lock", "1.jsonl", "+0000000000000000001.jsonl", "00000000000000000001.jsonl.bak"] {
            assert_eq!(first_of_name(other), None, "{other}");
        }
    }
}
