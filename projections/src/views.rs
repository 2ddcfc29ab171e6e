//! Opening the views of a gateway, and following the logs.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tallygate_core::envelope::MacKey;
use tallygate_core::port::event_log::EventLog;
use tallygate_core::stream::Log;
use tokio::sync::watch;

use crate::control_view::{ControlView, Published};
use crate::fold::control::ControlFold;
use crate::fold::control_rows;
use crate::follow::checkpoint::{Mismatch, compare};
use crate::follow::control_reader::ControlReader;
use crate::follow::pump::Pump;
use crate::follow::{FollowError, Health};
use crate::metrics::Metrics;
use crate::snapshot::Snapshot;
use crate::store::{Settings, Store, StoreError, SyncThread};

/// Lines of the control log that are folded at once, at most.
const CONTROL_GROUP_LINES: usize = 1_000;

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
    /// The most keys in memory.
    pub keys_in_memory: usize,
    /// What is counted.
    pub metrics: Metrics,
}

impl Options {
    /// Options with the usual limits: 64 MiB of pages a store, a million keys.
    #[must_use]
    pub const fn new(
        dir: PathBuf,
        control: Arc<dyn EventLog>,
        activity: Arc<dyn EventLog>,
        mac: MacKey,
        metrics: Metrics,
    ) -> Self {
        Self { dir, control, activity, mac, cache_bytes: 64 * 1024 * 1024, keys_in_memory: 1_000_000, metrics }
    }
}

/// The views. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Views {
    /// What is allowed.
    pub control: ControlView,
    /// TEMP.
    pub activity: crate::ActivityView,
}

/// The followers of opened views: run them.
#[derive(Debug)]
#[must_use = "views that nobody follows never change"]
pub struct Followers {
    control: Pump<ControlFold>,
    // Dropped after the folds: whatever they wrote is synced.
    _sync: Vec<SyncThread>,
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
}

impl Views {
    /// Opens the views and compares them with the logs. What cannot be trusted is set aside and begins empty. Blocks for
    /// as long as the disk takes.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(options: Options) -> Result<(Self, Followers), OpenError> {
        let (control, pump, sync) = open_control(&options).await?;
        Ok((Self { control, activity: crate::ActivityView }, Followers { control: pump, _sync: vec![sync] }))
    }
}

async fn open_control(options: &Options) -> Result<(ControlView, Pump<ControlFold>, SyncThread), OpenError> {
    let log = Log::Control;
    let metrics = options.metrics.of(log);
    let failed = |source| OpenError::Store { log, source };
    let settings = Settings { layout: control_rows::LAYOUT, cache_bytes: options.cache_bytes };
    let opened = Store::open(&options.dir.join(log.name()), &settings, control_rows::read).map_err(failed)?;
    if opened.set_aside.is_some() {
        metrics.rebuilds.inc();
    }
    let (store, beginning) = (Arc::new(opened.store), opened.first);
    let checkpoint = beginning.checkpoint;
    compare(options.control.as_ref(), checkpoint.offset, checkpoint.last_line).await?;
    let sync = SyncThread::start(Arc::clone(&store)).map_err(failed)?;
    let health = Arc::new(watch::Sender::new(Health::Idle));
    let snapshot = Snapshot {
        head: checkpoint.head(),
        end: checkpoint.tip.end(),
        at: beginning.at,
        control: beginning.control.clone(),
    };
    let published =
        Arc::new(Published::new(store, snapshot, options.keys_in_memory, Arc::clone(&health), metrics.clone()));
    let reader = ControlReader::new(checkpoint, Some(options.mac.clone()), metrics.clone());
    let fold = ControlFold::new(beginning, reader, Arc::clone(&published));
    let source = Arc::clone(&options.control);
    let pump = Pump { source, fold, group_lines: CONTROL_GROUP_LINES, health, metrics };
    Ok((ControlView::new(published), pump, sync))
}

impl Followers {
    /// Follows the logs until `shutdown` is done, or a follower fails: then the other is stopped too. What was folded is
    /// synced before this returns.
    ///
    /// # Errors
    /// The first [`FollowError`].
    ///
    /// # Cancellation
    /// Dropping it stops the followers; a group that is being folded is finished in the background.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), Arc<FollowError>> {
        let shutdown = shutdown.shared();
        self.control.run(shutdown).await
    }
}
