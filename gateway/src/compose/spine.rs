//! The spine of a gateway: its logs, the views that follow them, and the tasks that write and decide between the two.

use std::sync::Arc;
use std::time::Duration;

use tallygate_adapters::provider::catalog::Catalog;
use tallygate_adapters::provider::vendors::Vendors;
use tallygate_core::actor::Actor;
use tallygate_core::envelope::MacKey;
use tallygate_core::id::{RealmId, WriterId};
use tallygate_core::json::Json;
use tallygate_core::model_pattern::Allowed;
use tallygate_core::port::clock::{Clock, Ids};
use tallygate_core::realm::RegisterRealm;
use tallygate_core::stream::{ChainId, Log, Offset};
use tallygate_projections::{Metrics as ViewMetrics, Options as ViewOptions, SkippedLines, Views};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::{SHUT_DOWN, StartError};
use crate::activity::{self, ActivityWriter, WriterTask};
use crate::command::{Commands, Decider};
use crate::config::Config;
use crate::data_folder::DataFolder;
use crate::declarations::Declarations;
use crate::leases::{self, Leases};
use crate::logs::Logs;
use crate::metrics::Metrics;
use crate::standing::{self, Standing, StandingMetrics};

/// How long activity may wait to be folded, so that spend is written once for many requests. Not for longer: what waits
/// leaves the processor's caches, and costs more then.
const LINGER: Duration = Duration::from_millis(20);
/// The most memory for pages of each store of views, in bytes. Requests are served from memory; what is read from disk
/// lies in the page cache of the system too.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// Rows of the views are written when so many bytes of them are in memory, or after some seconds.
const WRITE_BYTES: usize = 8 * 1024 * 1024;

/// Logs, views and the tasks between them.
pub(super) struct Spine {
    pub(super) logs: Logs,
    pub(super) views: Views,
    pub(super) catalog: Arc<Catalog>,
    /// This gateway's own chain of activity.
    pub(super) chain: ChainId,
    pub(super) activity: ActivityWriter,
    pub(super) commands: Commands,
    pub(super) declarations: Arc<Declarations>,
    pub(super) standing: Arc<Standing>,
    /// What finds out how this gateway stands.
    pub(super) watching: JoinSet<()>,
    pub(super) decider: JoinHandle<()>,
    pub(super) writer: JoinHandle<()>,
    pub(super) leases: Leases,
    pub(super) leasing: JoinHandle<()>,
    pub(super) stop_leases: watch::Sender<bool>,
    pub(super) followers: JoinHandle<()>,
    pub(super) stop_followers: oneshot::Sender<()>,
    /// Held to the end: another process may have the folder only then.
    pub(super) data: DataFolder,
}

/// What the spine is put together from.
pub(super) struct Parts {
    pub(super) mac: MacKey,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn Ids>,
    pub(super) vendors: Arc<Vendors>,
    pub(super) metrics: Metrics,
    pub(super) stop: watch::Sender<bool>,
}

/// Opens the logs and the views, and starts what runs between them. It returns once the views have what the logs hold.
///
/// # Errors
/// [`StartError`].
pub(super) async fn spine(
    config: &Config,
    data: DataFolder,
    writer: &WriterId,
    parts: Parts,
) -> Result<Spine, StartError> {
    let Parts { mac, clock, ids, vendors, metrics, stop } = parts;
    let logs = Logs::open(config, &data, &mac).await?;
    check_secret(&logs, &mac).await?;
    let Following { views, skipped, followers, stop_followers } = follow(&data, &logs, &mac, &metrics).await?;
    // Not before the views are open: the store asks once for 10 MiB of zeros that it never uses, and they stay zeros of the
    // system's only where no memory was used before.
    let catalog = Arc::new(Catalog::builtin()?);
    catch_up(&views, &logs, writer).await?;
    let log = Arc::clone(&logs.activity);
    let sources = (Arc::clone(&clock), Arc::clone(&ids));
    let journal = data.path("journal");
    let (activity, task) = activity::open(log, &journal, writer, mac.clone(), config.slices, sources).await?;
    let writer_task = tokio::spawn(write(task, stop));
    let chain = ChainId::writer(writer);
    ship_what_was_left(&activity, &views, &chain).await;
    let (stop_leases, stopped) = watch::channel(false);
    let kept_to = leases::resume(data.path("views").join("lease"), logs.lease.as_ref(), activity.outbox()).await?;
    let leases = Leases {
        outbox: activity.outbox().clone(),
        log: Arc::clone(&logs.lease),
        mac: mac.clone(),
        clock: Arc::clone(&clock),
        upkeep: config.upkeep,
        control: views.control.clone(),
        skipped,
        kept_to,
    };
    let leasing = tokio::spawn(leases.clone().run(stopped));
    let standing = Standing::new(config.requests.staleness_max, StandingMetrics::new(metrics.registry())?);
    let standing = Arc::new(standing);
    let watching = standing::watch(&standing, &logs, &views, writer, &mac);
    let (commands, queue) = Commands::channel(Arc::clone(&standing), activity.clone(), Arc::clone(&ids));
    let declarations = Arc::new(Declarations::new(metrics.registry())?);
    let decider = Decider {
        views: views.clone(),
        log: Arc::clone(&logs.control),
        mac,
        vendors: Arc::new(vendors.iter().map(|vendor| vendor.id.clone()).collect()),
        prices: Arc::new(catalog.prices()),
        declarations: Arc::clone(&declarations),
        clock,
        ids,
    };
    let decider = tokio::spawn(decider.run(queue));
    Ok(Spine {
        logs,
        views,
        catalog,
        chain,
        activity,
        commands,
        declarations,
        standing,
        watching,
        decider,
        writer: writer_task,
        leases,
        leasing,
        stop_leases,
        followers,
        stop_followers,
        data,
    })
}

/// A gateway with another secret would take every event for forged, and begin the log anew on top of it.
async fn check_secret(logs: &Logs, mac: &MacKey) -> Result<(), StartError> {
    let first = logs.control.read(Offset::START, 1).await.map_err(|error| StartError::Log(Log::Control, error))?;
    let is_ours = first.iter().flat_map(|entry| &entry.lines).next().is_none_or(|line| line.is_authentic(mac));
    if is_ours { Ok(()) } else { Err(StartError::OtherSecret) }
}

/// The views, and what follows the logs for them.
struct Following {
    views: Views,
    /// Lines of the lease log that no gateway wrote where they stand.
    skipped: SkippedLines,
    followers: JoinHandle<()>,
    stop_followers: oneshot::Sender<()>,
}

/// Opens the views and follows the logs.
async fn follow(data: &DataFolder, logs: &Logs, mac: &MacKey, metrics: &Metrics) -> Result<Following, StartError> {
    let of_views = ViewMetrics::new()?;
    of_views.register(metrics.registry())?;
    let skipped = of_views.skipped_of_lease();
    let (control, activity) = (Arc::clone(&logs.control), Arc::clone(&logs.activity));
    let mut options = ViewOptions::new(data.path("views"), control, activity, mac.clone(), of_views);
    options.activity_linger = LINGER;
    options.cache_bytes = CACHE_BYTES;
    options.write_bytes = WRITE_BYTES;
    let (views, followers) = Views::open(options).await?;
    let (stop_followers, stopped) = oneshot::channel::<()>();
    let followers_run = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        if let Err(error) = Box::pin(followers.run(stopped)).await {
            tracing::error!(%error, "the views have stopped: commands are refused, and requests see what was allowed before");
        }
    });
    Ok(Following { views, skipped, followers: followers_run, stop_followers })
}

/// Waits until the views have what the logs hold. Nothing is served from older state.
async fn catch_up(views: &Views, logs: &Logs, writer: &WriterId) -> Result<(), StartError> {
    let head = logs.control.head(&ChainId::control()).await.map_err(|error| StartError::Log(Log::Control, error))?;
    views.control.wait_for(head.position).await.map_err(|ended| StartError::CatchUp(ended.to_string()))?;
    let own = ChainId::writer(writer);
    let (end, read_to) = views.activity.written_end(&own)?;
    logs.activity.note_end(&own, end, read_to);
    let head = logs.activity.head(&own).await.map_err(|error| StartError::Log(Log::Activity, error))?;
    views.activity.wait_for(&own, head.position).await.map_err(|ended| StartError::CatchUp(ended.to_string()))
}

/// Waits a moment until what an earlier process left in its journal is in the log and in the views.
async fn ship_what_was_left(activity: &ActivityWriter, views: &Views, chain: &ChainId) {
    let promised = activity.promised();
    let shipped = async {
        activity.until_written(promised).await;
        let _ = views.activity.wait_for(chain, promised).await;
    };
    let _ = tokio::time::timeout(SHUT_DOWN, shipped).await;
}

/// Registers the realm `default`, which may call every model, in a log that has none.
pub(super) async fn first_realm(spine: &Spine, writer: &WriterId) -> Result<(), StartError> {
    let realm = RealmId::default_realm();
    if spine.views.control.snapshot().control.realms.contains(&realm) {
        return Ok(());
    }
    let register = RegisterRealm {
        realm,
        name: Some("Default".to_owned()),
        parent: None,
        models: Some(Allowed::All),
        limits: tallygate_core::limits::Limits::default(),
        metadata: Json::empty(),
    };
    match spine.commands.issue(Actor::gateway(writer.as_str()), register).await {
        Ok(_) => Ok(()),
        // Another gateway of the same log was faster.
        Err(refused) if refused.code == "realm_already_registered" => Ok(()),
        Err(refused) => Err(StartError::FirstRealm(refused.message)),
    }
}

/// Writes activity until the writer is closed. A gateway that cannot record what happens must not go on.
async fn write(task: WriterTask, stop: watch::Sender<bool>) {
    if let Err(error) = task.run().await {
        tracing::error!(%error, "activity cannot be recorded any more: the gateway stops");
        stop.send_replace(true);
    }
}
