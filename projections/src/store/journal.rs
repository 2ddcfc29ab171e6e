//! The journal: rows that are about to be written, so that after a crash all of them are there or none.
//!
//! One file of its own, and synced before sled sees the first of the rows. Its first number is the store's generation
//! that the rows are to be written on top of; its last 32 bytes are the SHA-256 of all before. A journal that is not
//! whole was never acted on.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::disk::Change;
use super::open::{io_error, sync_dir};
use super::{StoreError, Write};

const FILE: &str = "journal";
const SUM_BYTES: usize = 32;
/// The length of a value that is not there: the row is removed.
const REMOVED: u32 = u32::MAX;

/// The file.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
}

/// What a whole journal says.
#[derive(Debug)]
pub(super) struct Recorded {
    /// The generation that the rows are to be written on top of.
    pub(super) base: u64,
    pub(super) rows: Vec<Write>,
}

/// Writes, and sums up what is written.
struct Summing<'a> {
    to: BufWriter<&'a File>,
    sum: Sha256,
}

impl Summing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.to.write_all(bytes)
    }
}

impl Journal {
    /// Opens the journal of a store, or makes an empty one.
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|source| io_error("opening", &path, source))?;
        sync_dir(dir)?;
        Ok(Self { path, file })
    }

    /// Records rows, and makes them survive a loss of power.
    pub(super) fn record(&self, base: u64, rows: &[Change<'_>]) -> Result<(), StoreError> {
        self.try_record(base, rows).map_err(|source| io_error("writing", &self.path, source))
    }

    fn try_record(&self, base: u64, rows: &[Change<'_>]) -> io::Result<()> {
        self.file.set_len(0)?;
        io::Seek::rewind(&mut &self.file)?;
        let mut to = Summing { to: BufWriter::with_capacity(64 * 1024, &self.file), sum: Sha256::new() };
        to.write(&base.to_be_bytes())?;
        for (key, value) in rows {
            to.write(&length(key)?.to_be_bytes())?;
            to.write(&value.map_or(Ok(REMOVED), length)?.to_be_bytes())?;
            to.write(key)?;
            to.write(value.unwrap_or_default())?;
        }
        to.to.write_all(&to.sum.finalize())?;
        to.to.flush()?;
        drop(to.to);
        self.file.sync_data()
    }

    /// Forgets what was recorded: it is on disk. If it cannot be forgotten it does no harm.
    pub(super) fn forget(&self) {
        if let Err(error) = self.file.set_len(0) {
            tracing::warn!(%error, journal = %self.path.display(), "a journal that is done with could not be emptied");
        }
    }

    /// Checks that there is room for so many bytes more than the journal takes.
    pub(super) fn try_room(&self, bytes: usize) -> Result<(), StoreError> {
        let path = self.path.with_extension("room");
        let tried = fs::write(&path, vec![0x55; bytes]).and_then(|()| File::open(&path)?.sync_all());
        let removed = fs::remove_file(&path);
        tried.and(removed).map_err(|source| io_error("trying for room with", &path, source))
    }

    /// What was recorded, if the journal is whole.
    pub(super) fn read(&self) -> Result<Option<Recorded>, StoreError> {
        let bytes = fs::read(&self.path).map_err(|source| io_error("reading", &self.path, source))?;
        let Some((body, sum)) = bytes.split_last_chunk::<SUM_BYTES>() else { return Ok(None) };
        if Sha256::digest(body)[..] != sum[..] {
            return Ok(None);
        }
        Ok(parse(body))
    }
}

fn length(bytes: &[u8]) -> io::Result<u32> {
    u32::try_from(bytes.len())
        .ok()
        .filter(|length| *length != REMOVED)
        .ok_or_else(|| io::ErrorKind::FileTooLarge.into())
}

fn parse(body: &[u8]) -> Option<Recorded> {
    let (base, mut rest) = body.split_first_chunk::<8>()?;
    let mut rows = Vec::new();
    while !rest.is_empty() {
        let (key_length, after) = rest.split_first_chunk::<4>()?;
        let (value_length, after) = after.split_first_chunk::<4>()?;
        let (key, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*key_length)).ok()?)?;
        let value = match u32::from_be_bytes(*value_length) {
            REMOVED => None,
            length => Some(usize::try_from(length).ok()?),
        };
        let (bytes, after) = after.split_at_checked(value.unwrap_or(0))?;
        rows.push((Box::from(key), value.map(|_| Box::from(bytes))));
        rest = after;
    }
    Some(Recorded { base: u64::from_be_bytes(*base), rows })
}

#[cfg(test)]
mod tests {
    use super::Journal;
    use std::fs;

    #[test]
    fn a_journal_reads_back_and_one_that_is_not_whole_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        assert!(journal.read().unwrap().is_none());
        journal.record(7, &[(b"a", Some(b"1")), (b"b", None), (b"c", Some(b""))]).unwrap();
        let recorded = journal.read().unwrap().unwrap();
        assert_eq!(recorded.base, 7);
        let rows: Vec<_> = recorded.rows.iter().map(|(key, value)| (&key[..], value.as_deref())).collect();
        assert_eq!(rows, [(&b"a"[..], Some(&b"1"[..])), (b"b", None), (b"c", Some(b""))]);

        let path = folder.path().join("journal");
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(journal.read().unwrap().is_none(), "{length} of {} bytes", whole.len());
        }
        journal.record(8, &[]).unwrap();
        assert_eq!(journal.read().unwrap().unwrap().base, 8, "the shorter one replaces the longer");
        journal.forget();
        assert!(journal.read().unwrap().is_none());
    }
}
