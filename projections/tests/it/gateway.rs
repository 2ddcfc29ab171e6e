//! A gateway of which only the views are real: logs in memory, stores in a folder of the test's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tallygate_core::port::event_log::{Batch, EventLog as _};
use tallygate_core::stream::{Head, Log};
use tallygate_core::testing::chain_writer::TEST_MAC_KEY;
use tallygate_core::testing::memory_log::MemoryLog;
use tallygate_projections::{FollowError, Followers, Metrics, OpenError, Options, Views};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Logs and a folder that outlive the views.
pub struct Site {
    pub control: MemoryLog,
    pub activity: MemoryLog,
    pub metrics: Metrics,
    folder: TempDir,
}

/// Views that are followed.
pub struct Running {
    pub views: Views,
    stop: oneshot::Sender<()>,
    followers: JoinHandle<Result<(), Arc<FollowError>>>,
}

impl Site {
    pub fn new() -> Self {
        Self {
            control: MemoryLog::new(Log::Control),
            activity: MemoryLog::new(Log::Activity),
            metrics: Metrics::new().unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn dir(&self) -> PathBuf {
        self.folder.path().join("views")
    }

    pub fn control_dir(&self) -> PathBuf {
        self.dir().join("control")
    }

    /// The stores that were set aside.
    pub fn set_aside(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.dir()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| name(path).contains(".bad-")).collect()
    }

    pub fn options(&self) -> Options {
        let (control, activity) = (Arc::new(self.control.clone()), Arc::new(self.activity.clone()));
        Options {
            cache_bytes: 4 * 1024 * 1024,
            ..Options::new(self.dir(), control, activity, TEST_MAC_KEY, self.metrics.clone())
        }
    }

    pub async fn open(&self) -> Result<(Views, Followers), OpenError> {
        Views::open(self.options()).await
    }

    pub async fn start(&self) -> Running {
        Running::follow(self.open().await.unwrap())
    }

    pub async fn append(&self, batch: Batch) -> Head {
        self.control.append(batch).await.unwrap()
    }

    pub async fn append_activity(&self, batch: Batch) -> Head {
        self.activity.append(batch).await.unwrap()
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

impl Running {
    pub fn follow((views, followers): (Views, Followers)) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let followers = tokio::spawn(followers.run(async move {
            let _ = stopped.await;
        }));
        Self { views, stop, followers }
    }

    /// Stops and syncs: what a gateway does at its end.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        self.followers.await.unwrap().unwrap();
    }

    /// Waits for the followers to fail.
    pub async fn failure(self) -> Arc<FollowError> {
        self.followers.await.unwrap().unwrap_err()
    }
}
