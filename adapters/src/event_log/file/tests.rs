//! The file log against the contract suite, against disks that fail, and against what crashes leave.

mod changed;
mod contract;
mod failing;
mod folder;
mod killed;
mod power;
mod torn;

use std::path::Path;
use std::sync::Arc;

use tallygate_core::envelope::Line;
use tallygate_core::port::event_log::{EventLog as _, LogError};
use tallygate_core::stream::{Log, Offset};
use tallygate_core::testing::chain_writer::TEST_MAC_KEY;

use super::disk::Disk;
use super::{FileLog, Options};

/// A disk that does not wait for the medium: for tests that open thousands of logs and cut no power.
#[derive(Debug)]
struct UnsyncedDisk;

impl Disk for UnsyncedDisk {
    fn sync(&self, _: &std::fs::File) -> std::io::Result<()> {
        Ok(())
    }

    fn sync_folder(&self, _: &Path) -> std::io::Result<()> {
        Ok(())
    }
}

fn keyed() -> Options {
    Options { mac_key: Some(TEST_MAC_KEY), ..Options::default() }
}

fn open_unsynced(folder: &Path, log: Log) -> Result<FileLog, LogError> {
    FileLog::open_on(Arc::new(UnsyncedDisk), folder, log, &keyed())
}

/// All lines of a log.
async fn read_all(log: &FileLog) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut after = Offset::START;
    loop {
        let page = log.read(after, usize::MAX).await.unwrap();
        let Some(last) = page.last() else { return lines };
        after = last.offset;
        lines.extend(page.into_iter().flat_map(|entry| entry.lines));
    }
}

/// The bytes of a segment with some lines.
fn segment_of(lines: &[Line]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.bytes(), &b"\n"[..]].concat()).collect()
}
