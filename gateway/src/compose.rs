//! Construction: the one place that names concrete adapters, and the order in which a gateway starts and stops.

mod error;
mod rates;
mod running;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tallygate_adapters::provider::catalog::Catalog;
use tallygate_adapters::provider::client::{HttpProvider, Settings};
use tallygate_adapters::provider::vendors::Vendors;
use tallygate_adapters::secret::Environment;
use tallygate_adapters::secret::Keys;
use tallygate_adapters::secret::SealedVault;
use tallygate_core::actor::Actor;
use tallygate_core::envelope::MacKey;
use tallygate_core::id::{RealmId, WriterId};
use tallygate_core::json::Json;
use tallygate_core::model_pattern::Allowed;
use tallygate_core::port::clock::{Clock, Ids};
use tallygate_core::realm::RegisterRealm;
use tallygate_core::secret::Secret;
use tallygate_core::stream::{ChainId, Log, Offset};
use tallygate_projections::{Metrics as ViewMetrics, Options as ViewOptions, Views};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::activity::{self, ActivityWriter, WriterTask};
use crate::agents::Hub;
use crate::command::{Commands, Decider};
use crate::config::Config;
use crate::data_folder::DataFolder;
use crate::declarations::{self, Declarations};
use crate::http::front::Front;
use crate::http::{App, Parts as AppParts, server};
use crate::leases::{self, Leases};
use crate::logs::{Doors, Logs};
use crate::master_key::MasterKey;
use crate::metrics::Metrics;
use crate::pipeline::clientless::Clientless;
use crate::pipeline::{Pipeline, Told};
use crate::prober::Prober;
use crate::random;
use crate::signing_in::SigningIn;
use crate::spending::Spending;
use crate::standing::{self, Standing, StandingMetrics};
use crate::system::{SystemClock, SystemIds};
use crate::upstreams::{OwnSettings, Upstreams};

pub use error::StartError;

/// How many prompts are counted at once, at most.
const COUNTS_MAX: usize = 2;
/// How long each part may take to end.
const SHUT_DOWN: Duration = Duration::from_secs(10);

/// How long activity may wait to be folded, so that spend is written once for many requests. Not for longer: what waits
/// leaves the processor's caches, and costs more then.
const LINGER: Duration = Duration::from_millis(20);
/// The most memory for pages of each store of views, in bytes. Requests are served from memory; what is read from disk
/// lies in the page cache of the system too.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// Rows of the views are written when so many bytes of them are in memory, or after some seconds.
const WRITE_BYTES: usize = 8 * 1024 * 1024;

/// A gateway that serves.
pub(crate) struct Running {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The master key that was made at this start, to be shown once.
    pub(crate) new_master_key: Option<Secret>,
    /// The operator's key.
    pub(crate) master_key: Secret,
    app: App,
    mac: MacKey,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    /// Requests that go on without their client, and how long they may when the gateway is to stop.
    clientless: (Arc<Clientless>, Duration),
    doors: Doors,
    spine: Spine,
}

/// What a start begins with.
struct Ground {
    data: DataFolder,
    writer: WriterId,
    keys: Keys,
    master: Secret,
    new_master_key: Option<Secret>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    metrics: Metrics,
    vendors: Arc<Vendors>,
}

/// Logs, views and the tasks between them.
struct Spine {
    logs: Logs,
    views: Views,
    catalog: Arc<Catalog>,
    /// This gateway's own chain of activity.
    chain: ChainId,
    activity: ActivityWriter,
    commands: Commands,
    declarations: Arc<Declarations>,
    standing: Arc<Standing>,
    /// What finds out how this gateway stands.
    watching: JoinSet<()>,
    decider: JoinHandle<()>,
    writer: JoinHandle<()>,
    leases: Leases,
    leasing: JoinHandle<()>,
    stop_leases: watch::Sender<bool>,
    followers: JoinHandle<()>,
    stop_followers: oneshot::Sender<()>,
    /// Held to the end: another process may have the folder only then.
    data: DataFolder,
}

/// Starts a gateway: logs, views, the first realm, then the server. It answers when this returns.
///
/// # Errors
/// [`StartError`].
pub(crate) async fn start(config: Config) -> Result<Running, StartError> {
    tallygate_adapters::provider::client::install_tls();
    let ground = ground(&config)?;
    let (stop, stopped) = watch::channel(false);
    let Ground { writer, keys, master, new_master_key, clock, ids, metrics, vendors, data } = ground;
    let parts = Parts {
        mac: keys.mac.clone(),
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
        vendors: Arc::clone(&vendors),
        metrics: metrics.clone(),
        stop: stop.clone(),
    };
    let mut spine = spine(&config, data, &writer, parts).await?;
    first_realm(&spine, &writer).await?;
    let doors = spine.logs.open_doors(&spine.commands).await?;
    let signing_in = SigningIn::new(config.signing_in, &keys, &master, &writer);
    let vault = Arc::new(SealedVault::new(keys.sealing, Environment::new(config.environment.0.clone())));
    let network = config.network.clone();
    let provider = Arc::new(HttpProvider::new(&Settings { network: network.clone(), ..Settings::default() })?);
    let own = rates::Own { gateway: &writer, started_at: clock.now(), mac: &keys.mac, metrics: &metrics };
    let (limits, rates) = rates::limits(&spine.logs, own, &mut spine.watching, stopped.clone()).await?;
    let (environment, timeouts) = (config.environment.0, config.requests.timeouts);
    let of_calls = OwnSettings { network, environment, timeouts };
    let pipeline = Pipeline {
        views: spine.views.clone(),
        standing: Arc::clone(&spine.standing),
        master: MasterKey::new(&master),
        seal: keys.mac.clone(),
        limits,
        spending: Spending::new(spine.activity.outbox().clone(), spine.views.activity.clone()),
        upstreams: Upstreams::new(provider, vendors, Arc::clone(&spine.catalog), vault, of_calls),
        activity: spine.activity.clone(),
        clock,
        ids,
        metrics,
        commands: spine.commands.clone(),
        clientless: Arc::new(Clientless::new(config.requests.abandoned_streams_max)),
        told: Told::default(),
        settings: config.requests,
    };
    let clientless = (Arc::clone(&pipeline.clientless), config.server.drain_timeout);
    let (commands, leases) = (spine.commands.clone(), spine.leases.clone());
    let counting = Arc::new(Semaphore::new(COUNTS_MAX));
    let pipeline = Arc::new(pipeline);
    spine.watching.spawn(Prober::new(&pipeline, stopped.clone()).run());
    let declarations = Arc::clone(&spine.declarations);
    let agents = Hub::new(config.agents, stopped.clone(), pipeline.metrics.agents_connected.clone());
    let app = App::new(AppParts { pipeline, commands, leases, declarations, rates, counting, signing_in, agents });
    declarations::begin(&app, config.declared, &mut spine.watching, stopped.clone()).await?;
    let listener = TcpListener::bind(config.address)
        .await
        .map_err(|source| StartError::Listen { address: config.address, source })?;
    let address = listener.local_addr().unwrap_or(config.address);
    let front = Front::new(app.clone(), config.cors_origins);
    let server = tokio::spawn(server::serve(listener, move |peer| front.of(peer), config.server, stopped));
    Ok(Running {
        address,
        new_master_key,
        master_key: master,
        app,
        mac: keys.mac,
        stop,
        server,
        clientless,
        doors,
        spine,
    })
}

fn ground(config: &Config) -> Result<Ground, StartError> {
    let data = DataFolder::open(&config.data)?;
    let ids: Arc<dyn Ids> = Arc::new(SystemIds);
    let writer = data.writer(|| ids.uuid().to_string())?;
    let secret = match &config.secret {
        Some(secret) => secret.clone(),
        None => data.secret("gateway.secret", random::secret)?.0,
    };
    let (master, new_master_key) = match &config.master_key {
        Some(master) => (master.clone(), None),
        None => {
            let (master, is_new) = data.secret("master.key", random::key)?;
            (master.clone(), is_new.then_some(master))
        }
    };
    Ok(Ground {
        data,
        writer,
        keys: Keys::derive(&secret)?,
        master,
        new_master_key,
        clock: Arc::new(SystemClock),
        ids,
        metrics: Metrics::new()?,
        vendors: Arc::new(Vendors::builtin()?),
    })
}

/// What the spine is put together from.
struct Parts {
    mac: MacKey,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    vendors: Arc<Vendors>,
    metrics: Metrics,
    stop: watch::Sender<bool>,
}

async fn spine(config: &Config, data: DataFolder, writer: &WriterId, parts: Parts) -> Result<Spine, StartError> {
    let Parts { mac, clock, ids, vendors, metrics, stop } = parts;
    let logs = Logs::open(config, &data, &mac).await?;
    check_secret(&logs, &mac).await?;
    let view_metrics = ViewMetrics::new()?;
    view_metrics.register(metrics.registry())?;
    let skipped = view_metrics.skipped_of_lease();
    let (views, followers, stop_followers) = follow(&data, &logs, &mac, view_metrics).await?;
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
    let books = data.path("views").join("lease");
    let kept_to = leases::resume(books, logs.lease.as_ref(), activity.outbox()).await?;
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

/// Opens the views and follows the logs.
async fn follow(
    data: &DataFolder,
    logs: &Logs,
    mac: &MacKey,
    metrics: ViewMetrics,
) -> Result<(Views, JoinHandle<()>, oneshot::Sender<()>), StartError> {
    let (control, activity) = (Arc::clone(&logs.control), Arc::clone(&logs.activity));
    let mut options = ViewOptions::new(data.path("views"), control, activity, mac.clone(), metrics);
    options.activity_linger = LINGER;
    options.cache_bytes = CACHE_BYTES;
    options.write_bytes = WRITE_BYTES;
    let (views, followers) = Views::open(options).await?;
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        if let Err(error) = Box::pin(followers.run(stopped)).await {
            tracing::error!(%error, "the views have stopped: commands are refused, and requests see what was allowed before");
        }
    });
    Ok((views, task, stop))
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
async fn first_realm(spine: &Spine, writer: &WriterId) -> Result<(), StartError> {
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
