//! Construction: the one place that names concrete adapters, and the order in which a gateway starts and stops.

mod conversations;
mod error;
mod own;
mod presence;
mod rates;
mod running;
mod spine;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tallygate_adapters::provider::catalog::Catalog;
use tallygate_adapters::provider::client::{HttpProvider, Settings};
use tallygate_adapters::provider::vendors::Vendors;
use tallygate_adapters::secret::Environment;
use tallygate_adapters::secret::Keys;
use tallygate_adapters::secret::SealedVault;
use tallygate_core::endpoint::NetworkPolicy;
use tallygate_core::envelope::MacKey;
use tallygate_core::id::WriterId;
use tallygate_core::port::clock::{Clock, Ids};
use tallygate_core::secret::Secret;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::a2a::keeping::Keeper;
use crate::config::Config;
use crate::data_folder::DataFolder;
use crate::declarations;
use crate::http::front::Front;
use crate::http::{App, Parts as AppParts, server};
use crate::logs::Doors;
use crate::master_key::MasterKey;
use crate::metrics::Metrics;
use crate::mirror;
use crate::pipeline::clientless::Clientless;
use crate::pipeline::{Pipeline, Told};
use crate::prober::Prober;
use crate::random;
use crate::signing_in::SigningIn;
use crate::spending::Spending;
use crate::system::{SystemClock, SystemIds};
use crate::upstreams::{OwnSettings, Upstreams};
use spine::{Parts, Spine, first_realm, spine};

pub use error::StartError;
use own::Own;

/// How many prompts are counted at once, at most.
const COUNTS_MAX: usize = 2;
/// How long each part may take to end.
const SHUT_DOWN: Duration = Duration::from_secs(10);

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
    /// None where conversations are in memory alone.
    keeper: Option<Keeper>,
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
    let signing_in = SigningIn::new(config.signing_in.clone(), &keys, &master, &writer);
    let vault = Arc::new(SealedVault::new(keys.sealing, Environment::new(config.environment.0.clone())));
    let own = Own { gateway: &writer, started_at: clock.now(), mac: &keys.mac, metrics: &metrics };
    let agents = presence::hub(config.agents.clone(), &spine.logs, &own, &mut spine.watching, stopped.clone())?;
    let (limits, rates) = rates::limits(&spine.logs, own, &mut spine.watching, stopped.clone()).await?;
    let mirror = mirror::status(config.mirror.as_ref(), metrics.registry())?;
    let pipeline = Pipeline {
        views: spine.views.clone(),
        standing: Arc::clone(&spine.standing),
        master: MasterKey::new(&master),
        seal: keys.mac.clone(),
        limits,
        spending: Spending::new(spine.activity.outbox().clone(), spine.views.activity.clone()),
        upstreams: upstreams(&config, vendors, Arc::clone(&spine.catalog), Arc::clone(&vault))?,
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
    let pipeline = Arc::new(pipeline);
    spine.watching.spawn(Prober::new(&pipeline, stopped.clone()).run());
    let (counting, declarations) = (Arc::new(Semaphore::new(COUNTS_MAX)), Arc::clone(&spine.declarations));
    let keeper = conversations::keep(&spine, &agents, (vault, &pipeline.clock)).await?;
    let app =
        App::new(AppParts { pipeline, commands, leases, declarations, rates, counting, signing_in, agents, mirror });
    let mirrored = mirrored(&spine, &keys.mac, &config.network);
    mirror::begin(&app, config.mirror, mirrored, &mut spine.watching, stopped.clone())?;
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
        keeper,
        doors,
        spine,
    })
}

/// What calls go to, and how.
fn upstreams(
    config: &Config,
    vendors: Arc<Vendors>,
    catalog: Arc<Catalog>,
    vault: Arc<SealedVault>,
) -> Result<Upstreams, StartError> {
    let network = config.network.clone();
    let provider = HttpProvider::new(&Settings { network: network.clone(), ..Settings::default() })?;
    let (environment, timeouts) = (config.environment.0.clone(), config.requests.timeouts);
    Ok(Upstreams::new(Arc::new(provider), vendors, catalog, vault, OwnSettings { network, environment, timeouts }))
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

/// What the mirror reads and keeps.
fn mirrored(spine: &Spine, mac: &MacKey, network: &NetworkPolicy) -> mirror::Ground {
    let (log, checkpoint) = (Arc::clone(&spine.logs.control), spine.data.path("mirror.json"));
    mirror::Ground { log, mac: mac.clone(), checkpoint, network: network.clone() }
}
