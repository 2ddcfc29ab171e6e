//! A gateway of which only the views are real: logs in memory, stores in a folder of the test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tallygate_core::control::Needs;
use tallygate_core::port::event_log::{Batch, EventLog};
use tallygate_core::stream::{ChainId, Head, Log};
use tallygate_core::testing::chain_writer::TEST_MAC_KEY;
use tallygate_core::testing::memory_log::MemoryLog;
use tallygate_projections::{
    DecisionState, FollowError, Followers, Health, Metrics, OpenError, Options, StateDigest, Views,
};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Logs, and a folder that outlives the views.
pub struct Site {
    pub control: Arc<dyn EventLog>,
    pub activity: Arc<dyn EventLog>,
    pub metrics: Metrics,
    /// Lines that are folded at once, at most.
    pub group_lines: usize,
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
        Self::with(MemoryLog::new(Log::Control), MemoryLog::new(Log::Activity))
    }

    pub fn with(control: impl EventLog + 'static, activity: impl EventLog + 'static) -> Self {
        Self {
            control: Arc::new(control),
            activity: Arc::new(activity),
            metrics: Metrics::new().unwrap(),
            group_lines: 1_000,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Folds so many lines at once, at most.
    pub fn in_groups_of(self, group_lines: usize) -> Self {
        Self { group_lines, ..self }
    }

    /// Another gateway of the same logs, with a folder of its own.
    pub fn beside(&self) -> Self {
        let (control, activity) = (Arc::clone(&self.control), Arc::clone(&self.activity));
        let metrics = Metrics::new().unwrap();
        Self { control, activity, metrics, group_lines: self.group_lines, folder: tempfile::tempdir().unwrap() }
    }

    /// Another gateway of the same logs, with what is on the disk of this one just now: what a killed process leaves.
    pub fn as_killed_now(&self) -> Self {
        let killed = self.beside();
        copy(&self.dir(), &killed.dir());
        killed
    }

    pub fn dir(&self) -> PathBuf {
        self.folder.path().join("views")
    }

    pub fn store_dir(&self, log: Log) -> PathBuf {
        self.dir().join(log.name())
    }

    /// The stores that were set aside.
    pub fn set_aside(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dir()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.to_string_lossy().contains(".bad-")).collect()
    }

    pub async fn open(&self) -> Result<(Views, Followers), OpenError> {
        let (control, activity) = (Arc::clone(&self.control), Arc::clone(&self.activity));
        let options = Options::new(self.dir(), control, activity, TEST_MAC_KEY, self.metrics.clone());
        Views::open(Options {
            cache_bytes: 4 * 1024 * 1024,
            control_group_lines: self.group_lines,
            activity_group_lines: self.group_lines,
            ..options
        })
        .await
    }

    pub async fn start(&self) -> Running {
        Running::follow(self.open().await.unwrap())
    }

    pub async fn append(&self, batch: Batch) {
        let log = if batch.chain == ChainId::control() { &self.control } else { &self.activity };
        log.append(batch).await.unwrap();
    }

    /// Starts, follows both logs to their ends, and stops. Gives the digests of both stores.
    pub async fn follow_to_the_end(&self) -> Result<(StateDigest, StateDigest), String> {
        let running = self.start().await;
        let caught_up = running.catch_up(self).await;
        let digests = caught_up.and_then(|()| {
            let control = running.views.control.digest().map_err(|error| error.to_string())?;
            let activity = running.views.activity.digest().map_err(|error| error.to_string())?;
            Ok((control.1, activity.1))
        });
        running.stop().await;
        digests
    }
}

impl Running {
    pub fn follow((views, followers): (Views, Followers)) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let followers = tokio::spawn(followers.run(async move {
            let _ = stopped.await;
        }));
        Self { views, stop, followers }
    }

    /// Waits until the views are at the ends of the logs.
    pub async fn catch_up(&self, site: &Site) -> Result<(), String> {
        let control = ChainId::control();
        let head = site.control.head(&control).await.unwrap();
        self.views.control.wait_for(head.position).await.map_err(|ended| format!("{ended:?}"))?;
        for chain in chains(site.activity.as_ref()).await {
            let head = site.activity.head(&chain).await.unwrap();
            self.views.activity.wait_for(&chain, head.position).await.map_err(|ended| format!("{ended:?}"))?;
        }
        Ok(())
    }

    /// Stops and syncs: what a gateway does at its end.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.followers.await.unwrap();
    }

    /// The state for a decision, when the log ends as wanted.
    pub async fn decision_at(&self, wanted: impl Fn(&Head) -> bool) -> DecisionState {
        loop {
            let state = self.views.control.decision_state(&Needs::default()).unwrap();
            if wanted(&state.head) {
                return state;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the control follower has stopped, and tells why.
    pub async fn failure_at_once(self) -> Arc<FollowError> {
        self.views.control.health().wait_for(Health::has_ended).await.unwrap();
        self.failure().await
    }

    /// Stops, and tells why a follower had stopped before.
    pub async fn failure(self) -> Arc<FollowError> {
        let _ = self.stop.send(());
        self.followers.await.unwrap().unwrap_err()
    }
}

async fn chains(log: &dyn EventLog) -> Vec<ChainId> {
    let entries = log.read(tallygate_core::stream::Offset::START, usize::MAX).await.unwrap();
    let lines = entries.iter().flat_map(|entry| &entry.lines);
    let mut chains: Vec<ChainId> =
        lines.map(|line| ChainId::of(Log::Activity, &line.envelope().unwrap().stream)).collect();
    chains.sort();
    chains.dedup();
    chains
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            // Sled may remove a file of its own meanwhile.
            let _ = fs::copy(&from, &to);
        }
    }
}
