//! The contract suite, with segments of the usual size and with segments so small that nearly each append begins one.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tallygate_core::port::BoxFuture;
use tallygate_core::port::event_log::EventLog;
use tallygate_core::stream::Log;
use tallygate_core::testing::chain_writer::TEST_MAC_KEY;
use tallygate_core::testing::event_log_contract::{Fixture, Stop};
use tempfile::TempDir;

use crate::event_log::file::{FileLog, Options, Verify};

struct Files {
    options: Options,
    open: Mutex<HashMap<Log, (Arc<FileLog>, TempDir)>>,
    /// Folders of logs that crashed: a tail may still read them.
    left: Mutex<Vec<TempDir>>,
}

impl Files {
    fn new(segment_bytes: u64, verify: Verify) -> Self {
        let options = Options { segment_bytes, verify, mac_key: Some(TEST_MAC_KEY) };
        Self { options, open: Mutex::default(), left: Mutex::default() }
    }

    fn open_in(&self, folder: TempDir, log: Log) -> Arc<dyn EventLog> {
        let opened = Arc::new(FileLog::open(folder.path(), log, &self.options).unwrap());
        self.open.lock().unwrap().insert(log, (opened.clone(), folder));
        opened
    }
}

/// What a crash would leave: the files as they are now, without the help of whoever has them open.
fn image(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}

impl Fixture for Files {
    fn open(&self, log: Log) -> BoxFuture<'_, Arc<dyn EventLog>> {
        Box::pin(async move { self.open_in(tempfile::tempdir().unwrap(), log) })
    }

    fn reopen(&self, log: Arc<dyn EventLog>, stop: Stop) -> BoxFuture<'_, Arc<dyn EventLog>> {
        Box::pin(async move {
            let kind = log.log();
            let (running, folder) = self.open.lock().unwrap().remove(&kind).unwrap();
            let folder = match stop {
                Stop::Closed => {
                    running.close().await;
                    folder
                }
                Stop::Crashed => {
                    let image = image(folder.path());
                    self.left.lock().unwrap().push(folder);
                    image
                }
            };
            drop((log, running));
            self.open_in(folder, kind)
        })
    }

    fn tail_survives_reopen(&self) -> bool {
        false
    }
}

fn run(case: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(120), case).await.unwrap() });
}

mod one_segment {
    tallygate_core::event_log_contract!(
        super::run,
        super::Files::new(super::super::super::SEGMENT_BYTES, super::Verify::Whole)
    );
}

mod small_segments {
    tallygate_core::event_log_contract!(super::run, super::Files::new(4_000, super::Verify::Whole));
}

mod small_segments_of_which_the_last_is_read {
    tallygate_core::event_log_contract!(super::run, super::Files::new(4_000, super::Verify::LastSegment));
}
