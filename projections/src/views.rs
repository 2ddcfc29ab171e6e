//! Opening the views of a gateway, and following the logs.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tallygate_core::envelope::MacKey;
use tallygate_core::port::event_log::EventLog;
use tallygate_core::stream::Log;
use tokio::sync::watch;

use crate::activity_view::{self, ActivityView};
use crate::control_view::{self, ControlView};
use crate::fold::activity::ActivityFold;
use crate::fold::control::ControlFold;
use crate::fold::{activity_rows, control_rows};
use crate::follow::activity_reader::ActivityReader;
use crate::follow::checkpoint::{Mismatch, compare};
use crate::follow::control_reader::ControlReader;
use crate::follow::pump::{Fold, Pump, Reader};
use crate::follow::{FollowError, Health};
use crate::metrics::Metrics;
use crate::snapshot::Snapshot;
use crate::store::{Layout, Settings, SharedStore, Store, StoreError, SyncThread};

/// How the views are opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of the views. It holds nothing that cannot be made again from the logs.
    pub dir: PathBuf,
    /// The control log.
    pub control: Arc<dyn EventLog>,
    /// The activity log.
    pub activity: Arc<dyn EventLog>,
    /// The key that lines are authenticated under.
    pub mac: MacKey,
    /// The most memory for pages of each store, in bytes.
    pub cache_bytes: u64,
    /// The most keys in memory, each about 0.8 KiB. Others are read from the store when they are asked for.
    pub keys_in_memory: usize,
    /// Lines of the control log that are folded at once, about at most; a command is folded whole.
    pub control_group_lines: usize,
    /// Lines of the activity log that are folded at once, about at most. They touch far fewer rows than they are, so
    /// large groups are faster.
    pub activity_group_lines: usize,
    /// How long the first line of a group of the activity log waits for more. None if nothing is said; a gateway under
    /// load writes each row once for thousands of lines then, and its readers wait so much longer.
    pub activity_linger: Duration,
    /// What is counted.
    pub metrics: Metrics,
}

impl Options {
    /// Options with the usual limits: 64 MiB of pages a store, and as many keys in memory as
    /// keep the whole of it under 700 MiB when there are a million.
    #[must_use]
    pub const fn new(
        dir: PathBuf,
        control: Arc<dyn EventLog>,
        activity: Arc<dyn EventLog>,
        mac: MacKey,
        metrics: Metrics,
    ) -> Self {
        Self {
            dir,
            control,
            activity,
            mac,
            cache_bytes: 64 * 1024 * 1024,
            keys_in_memory: 400_000,
            control_group_lines: 1_000,
            activity_group_lines: 32_768,
            activity_linger: Duration::ZERO,
            metrics,
        }
    }
}

/// The views. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Views {
    /// What is allowed.
    pub control: ControlView,
    /// What happened.
    pub activity: ActivityView,
}

/// The followers of opened views: run them.
#[derive(Debug)]
#[must_use = "views that nobody follows never change"]
pub struct Followers {
    control: Follower<ControlReader, ControlFold>,
    activity: Follower<ActivityReader, ActivityFold>,
}

#[derive(Debug)]
struct Follower<R, F> {
    pump: Pump<R, F>,
    sync: SyncThread,
}

/// Why the views cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The rows cannot be opened, and making them again would not help.
    #[error("the views of the {log} log cannot be opened")]
    Store {
        /// Of which log.
        log: Log,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The log is not the one that was followed.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// A defect of this program.
    #[error("opening the views of the {log} log has panicked")]
    Panicked {
        /// Of which log.
        log: Log,
    },
}

impl Views {
    /// Opens the views and compares them with the logs. What cannot be trusted is set aside and begins empty.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(options: Options) -> Result<(Self, Followers), OpenError> {
        let (control, follow_control) = open_control(&options).await?;
        let (activity, follow_activity) = open_activity(&options).await?;
        Ok((Self { control, activity }, Followers { control: follow_control, activity: follow_activity }))
    }
}

/// Opens a store on a thread that may block.
async fn open_store<T: Send + 'static>(
    options: &Options,
    log: Log,
    layout: Layout,
    first: impl Fn(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<(SharedStore, T), OpenError> {
    let (dir, settings) = (options.dir.join(log.name()), Settings { layout, cache_bytes: options.cache_bytes });
    let opened = tokio::task::spawn_blocking(move || Store::open(&dir, &settings, first)).await;
    let opened = opened.map_err(|_| OpenError::Panicked { log })?.map_err(|source| OpenError::Store { log, source })?;
    if opened.set_aside.is_some() {
        options.metrics.of(log).rebuilds.inc();
    }
    Ok((Arc::new(opened.store), opened.first))
}

fn start_sync(store: &SharedStore, log: Log) -> Result<SyncThread, OpenError> {
    SyncThread::start(Arc::clone(store)).map_err(|source| OpenError::Store { log, source })
}

async fn open_control(options: &Options) -> Result<(ControlView, Follower<ControlReader, ControlFold>), OpenError> {
    let log = Log::Control;
    let (store, beginning) = open_store(options, log, control_rows::LAYOUT, control_rows::read).await?;
    let checkpoint = beginning.checkpoint;
    compare(options.control.as_ref(), checkpoint.offset, checkpoint.last_line).await?;
    let sync = start_sync(&store, log)?;
    let (health, metrics) = (Arc::new(watch::Sender::new(Health::Idle)), options.metrics.of(log));
    let snapshot = Snapshot {
        head: checkpoint.head(),
        end: checkpoint.tip.end(),
        at: beginning.at,
        control: beginning.control.clone(),
    };
    let published =
        control_view::Published::new(store, snapshot, options.keys_in_memory, Arc::clone(&health), metrics.clone());
    let published = Arc::new(published);
    let reader = ControlReader::new(checkpoint, Some(options.mac.clone()), metrics.clone());
    let fold = ControlFold::new(beginning.control, beginning.list, beginning.at, Arc::clone(&published));
    let source = Arc::clone(&options.control);
    let (offset, group_lines, linger) = (checkpoint.offset, options.control_group_lines, Duration::ZERO);
    let pump = Pump { source, offset, reader, fold, group_lines, linger, health, metrics };
    Ok((ControlView::new(published), Follower { pump, sync }))
}

async fn open_activity(options: &Options) -> Result<(ActivityView, Follower<ActivityReader, ActivityFold>), OpenError> {
    let log = Log::Activity;
    let (store, beginning) = open_store(options, log, activity_rows::LAYOUT, activity_rows::read).await?;
    let checkpoint = beginning.checkpoint;
    compare(options.activity.as_ref(), checkpoint.offset, checkpoint.last_line).await?;
    let sync = start_sync(&store, log)?;
    let (health, metrics) = (Arc::new(watch::Sender::new(Health::Idle)), options.metrics.of(log));
    let published = activity_view::Published::new(store, &beginning.tips, Arc::clone(&health), metrics.clone());
    let published = Arc::new(published);
    let reader = ActivityReader::new(beginning.tips, Some(options.mac.clone()), metrics.clone());
    let fold = ActivityFold::new(Arc::clone(&published));
    let source = Arc::clone(&options.activity);
    let (offset, group_lines, linger) = (checkpoint.offset, options.activity_group_lines, options.activity_linger);
    let pump = Pump { source, offset, reader, fold, group_lines, linger, health, metrics };
    Ok((ActivityView::new(published), Follower { pump, sync }))
}

impl Followers {
    /// Follows the logs until `shutdown` is done. A follower that fails says so at once, in its view's health and in the
    /// log of the program, and the other one goes on. What was folded is synced before this returns.
    ///
    /// # Errors
    /// A [`FollowError`] if a follower has failed.
    ///
    /// # Cancellation
    /// Dropping it stops the followers; a group that is being folded is finished in the background.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), Arc<FollowError>> {
        let shutdown = shutdown.shared();
        let (control, activity) = tokio::join!(self.control.run(shutdown.clone()), self.activity.run(shutdown));
        control.and(activity)
    }
}

impl<R: Reader, F: Fold<Group = R::Group>> Follower<R, F> {
    async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), Arc<FollowError>> {
        let result = self.pump.run(shutdown).await;
        // Waits for the disk, so not on a thread of the runtime. It can only be cancelled with the runtime itself.
        let _ = tokio::task::spawn_blocking(move || drop(self.sync)).await;
        result
    }
}
