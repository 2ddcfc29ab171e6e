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
use crate::follow::checkpoint::{Mismatch, compare};
use crate::follow::{FollowError, Health};
use crate::follower::{Followed, Follower, Following};
use crate::metrics::{LogMetrics, Metrics};
use crate::store::{Settings, SharedStore, Store, StoreError, WriterThread};

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
    /// Rows of a store are written to disk when so many bytes of them are in memory, or after some seconds. While they
    /// are written twice as many may gather.
    pub write_bytes: usize,
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
            write_bytes: 16 * 1024 * 1024,
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
    pub(crate) control: Follower<control_view::Published>,
    pub(crate) activity: Follower<activity_view::Published>,
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
        let keys_max = options.keys_in_memory;
        let lines = (options.control_group_lines, Duration::ZERO);
        let publish = move |store, health, metrics| control_view::Published::new(store, keys_max, health, metrics);
        let control = open(&options, &options.control, lines, publish).await?;
        let lines = (options.activity_group_lines, options.activity_linger);
        let activity = open(&options, &options.activity, lines, activity_view::Published::new).await?;
        let views = Self {
            control: ControlView::new(Arc::clone(&control.view)),
            activity: ActivityView::new(Arc::clone(&activity.view)),
        };
        Ok((views, Followers { control, activity }))
    }
}

/// Opens the store of a log, publishes it, and compares it with the log.
async fn open<V: Followed>(
    options: &Options,
    source: &Arc<dyn EventLog>,
    lines: (usize, Duration),
    publish: impl Fn(SharedStore, Arc<watch::Sender<Health>>, LogMetrics) -> Result<V, StoreError> + Send + Sync + 'static,
) -> Result<Follower<V>, OpenError> {
    let (dir, metrics) = (options.dir.join(V::LOG.name()), options.metrics.of(V::LOG));
    let settings = Settings { layout: V::LAYOUT, cache_bytes: options.cache_bytes, write_bytes: options.write_bytes };
    let following = Following {
        source: Arc::clone(source),
        mac: options.mac.clone(),
        dir: dir.clone(),
        settings,
        group_lines: lines.0,
        linger: lines.1,
        health: Arc::new(watch::Sender::new(Health::Idle)),
        metrics: metrics.clone(),
    };
    let (health, of_view) = (Arc::clone(&following.health), metrics.clone());
    let opened = tokio::task::spawn_blocking(move || {
        // What cannot be published cannot be trusted.
        let opened = Store::open(&dir, &settings, V::check)?;
        let store = Arc::new(opened.store);
        let view = Arc::new(publish(Arc::clone(&store), health, of_view)?);
        let resumed = view.resume(None)?;
        let writer = WriterThread::start(store)?;
        Ok((view, writer, (resumed.offset, resumed.last_line), opened.set_aside.is_some()))
    });
    let opened = opened.await.map_err(|_| OpenError::Panicked { log: V::LOG })?;
    let (view, writer, (offset, last_line), was_set_aside) =
        opened.map_err(|source| OpenError::Store { log: V::LOG, source })?;
    if was_set_aside {
        metrics.rebuilds.inc();
    }
    compare(source.as_ref(), offset, last_line).await?;
    Ok(Follower { following, view, writer })
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
