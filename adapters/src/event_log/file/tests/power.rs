//! Power cuts, simulated: the disk keeps what was synced, and of the rest as little or as much as it likes.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tallygate_core::envelope::Line;
use tallygate_core::port::event_log::{EventLog as _, LogError};
use tallygate_core::stream::Log;
use tallygate_core::testing::chain_writer::ChainWriter;

use super::{keyed, open_unsynced, read_all};
use crate::event_log::file::disk::Disk;
use crate::event_log::file::{FileLog, Options};

/// A disk whose power goes off at the n-th operation. It remembers what would survive.
#[derive(Debug)]
struct CutDisk(Mutex<State>);

#[derive(Debug)]
struct State {
    operations_left: usize,
    /// Whether a sync makes anything durable: off for the control that shows that this test can fail.
    syncs_work: bool,
    /// Bytes that survive, of each file that was opened.
    durable: HashMap<PathBuf, u64>,
    /// Files whose names survive.
    named: Vec<PathBuf>,
    /// The segment that is written.
    current: PathBuf,
}

/// What becomes of bytes that were written and not synced.
#[derive(Debug, Clone, Copy)]
enum Unsynced {
    Lost,
    HalfKept,
    HalfKeptThenZeros,
    Kept,
}

impl CutDisk {
    fn new(operations: usize, syncs_work: bool) -> Self {
        Self(Mutex::new(State {
            operations_left: operations,
            syncs_work,
            durable: HashMap::new(),
            named: Vec::new(),
            current: PathBuf::new(),
        }))
    }

    /// Counts an operation; fails it if the power is off.
    fn step<T>(&self, operation: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.lock().unwrap();
        state.operations_left = state.operations_left.checked_sub(1).ok_or(io::ErrorKind::BrokenPipe)?;
        operation(&mut state)
    }

    /// Leaves in the folder what the disk would hold when the power is back.
    fn apply(&self, folder: &Path, unsynced: Unsynced) {
        let state = self.0.lock().unwrap();
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "jsonl") {
                continue;
            }
            if !state.named.contains(&path) && !matches!(unsynced, Unsynced::Kept) {
                fs::remove_file(path).unwrap();
                continue;
            }
            let length = fs::metadata(&path).unwrap().len();
            let durable = state.durable.get(&path).copied().unwrap_or(0);
            let half = durable + length.saturating_sub(durable) / 2;
            let (kept, grown) = match unsynced {
                Unsynced::Lost => (durable, durable),
                Unsynced::HalfKept => (half, half),
                Unsynced::HalfKeptThenZeros => (half, length),
                Unsynced::Kept => (length, length),
            };
            let file = File::options().write(true).open(path).unwrap();
            file.set_len(kept).unwrap();
            file.set_len(grown).unwrap();
        }
    }
}

impl Disk for CutDisk {
    fn open_segment(&self, path: &Path) -> io::Result<File> {
        self.step(|state| {
            path.clone_into(&mut state.current);
            File::options().append(true).create(true).open(path)
        })
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<usize> {
        self.step(|_| file.write(&bytes[..bytes.len().min(900)]))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.step(|state| {
            if state.syncs_work {
                state.durable.insert(state.current.clone(), file.metadata()?.len());
            }
            Ok(())
        })
    }

    fn truncate(&self, file: &File, bytes: u64) -> io::Result<()> {
        self.step(|_| file.set_len(bytes))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.step(|state| {
            for file in fs::read_dir(path)? {
                state.named.push(file?.path());
            }
            Ok(())
        })
    }
}

/// Appends until the power goes off. Gives what was acknowledged, and how many lines were asked for.
async fn work(disk: Arc<CutDisk>, folder: &Path, log: Log) -> (Vec<Line>, usize) {
    let options = Options { segment_bytes: 3_000, ..keyed() };
    let mut acknowledged = Vec::new();
    let Ok(opened) = FileLog::open_on(disk, folder, log, &options) else { return (acknowledged, 0) };
    let mut writers = [ChainWriter::new(log, "a"), ChainWriter::new(log, "b")];
    let mut asked = 0;
    for round in 0..12 {
        let writer = &mut writers[if log == Log::Control { 0 } else { round % 2 }];
        let batch = if round % 3 == 0 { writer.batch(1 + round % 4) } else { writer.command(1 + round % 4) };
        let lines = batch.lines.clone();
        asked += lines.len();
        match opened.append(batch).await {
            Ok(_) => acknowledged.extend(lines),
            Err(_) => break,
        }
    }
    (acknowledged, asked)
}

/// What is wrong after a power cut at an operation, and how many lines were acknowledged before it.
async fn cut(operations: usize, syncs_work: bool, unsynced: Unsynced, log: Log) -> (Option<String>, usize) {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(CutDisk::new(operations, syncs_work));
    let (acknowledged, asked) = work(disk.clone(), folder.path(), log).await;
    disk.apply(folder.path(), unsynced);
    let found: Result<Vec<Line>, LogError> = match open_unsynced(folder.path(), log) {
        Ok(opened) => Ok(read_all(&opened).await),
        Err(error) => Err(error),
    };
    let wrong = match found {
        Err(error) => Some(error.to_string()),
        Ok(found) if !found.starts_with(&acknowledged) => Some(format!("{} lines are there", found.len())),
        Ok(found) if found.len() > asked => Some("more lines are there than were asked for".to_owned()),
        Ok(_) => None,
    };
    (wrong, acknowledged.len())
}

const KINDS: [Unsynced; 4] = [Unsynced::Lost, Unsynced::HalfKept, Unsynced::HalfKeptThenZeros, Unsynced::Kept];

#[tokio::test]
async fn a_power_cut_at_any_operation_loses_nothing_that_was_acknowledged() {
    for log in [Log::Control, Log::Activity] {
        for unsynced in KINDS {
            let mut most = 0;
            for operations in 0..80 {
                let (wrong, acknowledged) = cut(operations, true, unsynced, log).await;
                assert_eq!(wrong, None, "{log}, cut at {operations}, {acknowledged} acknowledged, {unsynced:?}");
                most = most.max(acknowledged);
            }
            assert_eq!(most, 30, "the last cuts come after all the work");
        }
    }
}

/// The control: without syncs the same test finds losses.
#[tokio::test]
async fn a_disk_that_does_not_sync_is_found_out() {
    let mut losses = 0;
    for operations in 0..80 {
        losses += usize::from(cut(operations, false, Unsynced::Lost, Log::Control).await.0.is_some());
    }
    assert!(losses > 40, "{losses} losses");
}
