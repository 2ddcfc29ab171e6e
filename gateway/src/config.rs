//! Configuration: flags and environment, read once, checked, and made into values. Nothing else reads the environment.

mod environment;
mod import;
mod litellm;
mod validate;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand};
use tallygate_core::endpoint::NetworkPolicy;
use tallygate_core::lease::allot::Policy;
use tallygate_core::lease::slices::Upkeep;
use tallygate_core::routing::{ProbeBy, Routing};
use tallygate_core::secret::Secret;

use crate::agents::AgentSettings;
use crate::declarations::{Loaded, NotLoaded, load};
use crate::http::cors::Origin;
use crate::http::server::ServerLimits;
use crate::settings::{ProbeSettings, RequestSettings};

pub(crate) use environment::{Variables, environment};
pub use import::{ImportCommand, ImportLitellmArgs, ImportPricesArgs};
pub use litellm::BootstrapArgs;
pub use validate::ValidateArgs;

/// Secrets that guides and templates show: everybody knows them.
const KNOWN_SECRETS: [&str; 6] = ["sk-1234", "sk-proxy-default", "crashwise123", "changeme", "password", "sk-master"];
/// The shortest master key that may be used on an address that others reach, in bytes.
const MASTER_KEY_MIN_BYTES: usize = 16;

/// Tallygate: an LLM gateway with exact budgets, and its control plane.
#[derive(Debug, Parser)]
#[command(name = "tallygate", version, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do; serves when nothing is said.
    #[command(subcommand)]
    pub command: Option<CliCommand>,
    /// How to serve.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Serves the gateway: what happens too when nothing is said.
    Serve(ServeArgs),
    /// Shows the whole main job, offline, against a simulated provider; then keeps serving.
    Demo(ServeArgs),
    /// Brings what other programs know into a running gateway.
    Import {
        /// What to bring.
        #[command(subcommand)]
        what: ImportCommand,
    },
    /// Checks a configuration file: tells all that is wrong with it, and all that has no effect.
    Validate(ValidateArgs),
    /// Prints the document of all routes: what a gateway serves under /openapi.json.
    Openapi,
    /// Prepares a folder of environment files for a running gateway: providers' keys mirrored, the agent's key issued.
    Bootstrap(BootstrapArgs),
}

/// How to serve.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// The address to listen on.
    #[arg(long, env = "TALLYGATE_HOST", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// The port to listen on; 0 takes a free one.
    #[arg(long, env = "TALLYGATE_PORT", default_value_t = 4000)]
    pub port: u16,
    /// The folder for log, views and this gateway's id.
    #[arg(long, env = "TALLYGATE_DATA", default_value = "./data")]
    pub data: PathBuf,
    /// A file that declares models and settings: LiteLLM's proxy_config.yaml. CONFIG_FILE_PATH works too. It is read again
    /// when it changes, and on SIGHUP.
    #[arg(long, env = "TALLYGATE_CONFIG")]
    pub config: Option<PathBuf>,
    /// NATS servers to keep the log on, such as nats://127.0.0.1:4222; without it the log is in the data folder.
    #[arg(long, env = "TALLYGATE_NATS")]
    pub nats: Option<String>,
    /// A file with NATS credentials.
    #[arg(long, env = "TALLYGATE_NATS_CREDENTIALS", requires = "nats")]
    pub nats_credentials: Option<PathBuf>,
    /// What to do about a NATS server that acknowledges before its disk has the data.
    #[arg(long, env = "TALLYGATE_NATS_SYNC", value_enum, default_value_t = NatsSync::Warn)]
    pub nats_sync: NatsSync,
    /// The beginning of the names of NATS streams and subjects.
    #[arg(long, env = "TALLYGATE_NATS_PREFIX", hide = true)]
    pub nats_prefix: Option<String>,
    /// The operator's key. LITELLM_MASTER_KEY works too. On loopback one is made if there is none.
    #[arg(long, alias = "master_key", env = "TALLYGATE_MASTER_KEY", hide_env_values = true)]
    pub master_key: Option<String>,
    /// The secret under which credentials are sealed and events authenticated, the same on all gateways of one log.
    /// LITELLM_SALT_KEY works too. On loopback one is made if there is none.
    #[arg(long, env = "TALLYGATE_SECRET", hide_env_values = true)]
    pub secret: Option<String>,
    /// The status of a request that a budget refuses: 422 as LiteLLM 1.109 (the default), 400 as 1.80, or 429.
    #[arg(long, env = "TALLYGATE_BUDGET_EXCEEDED_STATUS", value_parser = clap::value_parser!(u16).range(400..500))]
    pub budget_exceeded_status: Option<u16>,
    /// How long requests are answered after the control log was last heard of, in seconds.
    #[arg(long, env = "TALLYGATE_MAX_STALENESS_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub max_staleness_seconds: u64,
    /// How long requests with budgets are answered after the lease log was last heard of, in seconds. The same on all
    /// gateways of one log.
    #[arg(long, env = "TALLYGATE_BUDGET_MAX_STALENESS_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub budget_max_staleness_seconds: u64,
    /// After how long without a line in the lease log another gateway is taken for gone and its slices go into suspense, in
    /// seconds: twice as long as it may still spend.
    #[arg(long, env = "TALLYGATE_GONE_AFTER_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=31_622_400))]
    pub gone_after_seconds: u64,
    /// How many streams whose clients have left are read to their end at once, so that the budgets that pay for them are
    /// charged what they cost; others are cut. 0 cuts all.
    #[arg(long, env = "TALLYGATE_ABANDONED_STREAMS_MAX", default_value_t = 1_000, value_parser = range(0, 1_000_000))]
    pub abandoned_streams_max: usize,
    /// How often a failed request is tried again on a model that says nothing of its own about that.
    #[arg(long, env = "TALLYGATE_RETRIES", default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=10))]
    pub retries: u8,
    /// Whether a request that failed is tried again when its client has left by then.
    #[arg(long, env = "TALLYGATE_RETRY_ABANDONED", value_enum, default_value_t = RetryAbandoned::Never)]
    pub retry_abandoned: RetryAbandoned,
    /// How often each deployment is asked whether it is well, in seconds; 0 asks only those that say so themselves.
    #[arg(long, env = "TALLYGATE_PROBE_SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub probe_seconds: u64,
    /// How long such a probe may take, in seconds.
    #[arg(long, env = "TALLYGATE_PROBE_TIMEOUT_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub probe_timeout_seconds: u64,
    /// How deployments are asked: by the list of their models, which costs nothing, or by a call, which costs some tokens.
    #[arg(long, env = "TALLYGATE_PROBE_BY", value_enum, default_value_t = ProbesBy::List)]
    pub probe_by: ProbesBy,
    /// The longest request body, in bytes; 33554432 when nothing is said.
    #[arg(long, env = "TALLYGATE_BODY_MAX_BYTES")]
    pub body_max_bytes: Option<usize>,
    /// How long a connection to an upstream may take, with its name and TLS, in seconds.
    #[arg(long, env = "TALLYGATE_UPSTREAM_CONNECT_SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub upstream_connect_seconds: u64,
    /// How long a streaming upstream may be silent, in seconds.
    #[arg(long, env = "TALLYGATE_UPSTREAM_IDLE_SECONDS", default_value_t = 300)]
    pub upstream_idle_seconds: u64,
    /// How long an upstream may take to begin its answer, in seconds.
    #[arg(long, env = "TALLYGATE_UPSTREAM_FIRST_BYTE_SECONDS", default_value_t = 600)]
    pub upstream_first_byte_seconds: u64,
    /// How long the head of a request may take to arrive, and a connection be idle, in seconds.
    #[arg(long, env = "TALLYGATE_HEAD_TIMEOUT_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub head_timeout_seconds: u64,
    /// The longest head of a request, in bytes; 8192 at least.
    #[arg(long, env = "TALLYGATE_HEAD_MAX_BYTES", default_value_t = 64 * 1024, value_parser = range(8 * 1024, 16 * 1024 * 1024))]
    pub head_max_bytes: usize,
    /// How long the body of a request may take to arrive, in seconds.
    #[arg(long, env = "TALLYGATE_BODY_TIMEOUT_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub body_timeout_seconds: u64,
    /// The most connections at once; more wait in the kernel's queue.
    #[arg(long, env = "TALLYGATE_CONNECTIONS_MAX", default_value_t = 20_000, value_parser = range(1, 1_000_000))]
    pub connections_max: usize,
    /// How long requests that run may go on after the gateway was asked to stop, in seconds.
    #[arg(long, env = "TALLYGATE_DRAIN_SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub drain_seconds: u64,
    /// How long money of requests whose end nobody knows rests in suspense before it may be closed, in seconds: as long as
    /// a gateway that is cut off may still send, and its longest request may run. What this gateway's own earlier
    /// processes left need not rest.
    #[arg(long, env = "TALLYGATE_SUSPENSE_REST_SECONDS", default_value_t = 6_030, value_parser = clap::value_parser!(u64).range(..=31_622_400))]
    pub suspense_rest_seconds: u64,
    /// The origin of pages that may call from browsers, as browsers send it: scheme, host and port; or * for every page.
    /// May be repeated. Without it none may.
    #[arg(long = "cors-origin", env = "TALLYGATE_CORS_ORIGINS", value_delimiter = ',')]
    pub cors_origins: Vec<Origin>,
    /// Where agents reach the gateway, as they are told; without it by the address that each of them came by.
    /// LITELLM_BASE_URL works too.
    #[arg(long, env = "TALLYGATE_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// How long an agent may be silent before its connection is closed, in seconds. It is pinged three times as often.
    #[arg(long, env = "TALLYGATE_AGENT_IDLE_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub agent_idle_seconds: u64,
    /// Names that look public but lie in a private network: llm.corp.example or .corp.example. May be repeated.
    #[arg(long = "private-name", env = "TALLYGATE_PRIVATE_NAMES", value_delimiter = ',')]
    pub private_names: Vec<String>,
    /// Prints log lines as JSON.
    #[arg(long, env = "TALLYGATE_LOG_JSON")]
    pub log_json: bool,
}

/// What to do about a NATS server without `sync_interval: always`, or one that does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum NatsSync {
    /// Say it at the start.
    Warn,
    /// Do not start.
    Require,
    /// Do not ask.
    Trust,
}

/// What becomes of a request that failed, and whose client has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum RetryAbandoned {
    /// It ends: no further attempt is made. What was used is settled.
    Never,
    /// It is tried again as any other.
    Always,
}

/// How deployments are asked whether they are well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ProbesBy {
    /// By the list of their models.
    List,
    /// By a call of their model.
    Call,
}

impl From<ProbesBy> for ProbeBy {
    fn from(by: ProbesBy) -> Self {
        match by {
            ProbesBy::List => Self::List,
            ProbesBy::Call => Self::Call,
        }
    }
}

/// A size within bounds, both of them allowed.
fn range(least: u64, most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(least..=most)
}

/// A checked configuration.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) address: SocketAddr,
    pub(crate) data: PathBuf,
    pub(crate) nats: Option<NatsConfig>,
    pub(crate) master_key: Option<Secret>,
    pub(crate) secret: Option<Secret>,
    pub(crate) requests: RequestSettings,
    pub(crate) slices: Policy,
    pub(crate) upkeep: Upkeep,
    pub(crate) server: ServerLimits,
    pub(crate) cors_origins: Vec<Origin>,
    pub(crate) agents: AgentSettings,
    pub(crate) network: NetworkPolicy,
    pub(crate) environment: Variables,
    /// The configuration file, as it is now.
    pub(crate) declared: Option<Loaded>,
}

/// Where the log is, when it is on NATS.
#[derive(Debug, Clone)]
pub(crate) struct NatsConfig {
    pub(crate) servers: String,
    pub(crate) credentials: Option<PathBuf>,
    pub(crate) sync: NatsSync,
    pub(crate) prefix: Option<String>,
}

/// Why a configuration is refused. Each says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The configuration file.
    #[error(transparent)]
    File(#[from] NotLoaded),
    /// Others reach this address, and there is no master key.
    #[error("{0} can be reached by others: set a master key with --master-key or TALLYGATE_MASTER_KEY")]
    MasterKeyMissing(IpAddr),
    /// The master key is one that everybody knows, or too short to be safe.
    #[error("the master key is publicly known or shorter than {MASTER_KEY_MIN_BYTES} characters: choose a random one")]
    MasterKeyWeak,
    /// An empty master key would let everybody in.
    #[error("the master key is empty: set one, or unset the variable")]
    MasterKeyEmpty,
    /// Several gateways share a log, so they must share the secret.
    #[error("gateways that share a log on NATS must share their secret: set TALLYGATE_SECRET or LITELLM_SALT_KEY")]
    SecretMissing,
    /// Agents could not be told where the gateway is.
    #[error(
        "the public URL is not an address such as https://gateway.example: set --public-url or TALLYGATE_PUBLIC_URL"
    )]
    PublicUrl,
}

impl ServeArgs {
    /// Checks the arguments against the rules.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub(crate) fn check(self, mut environment: BTreeMap<String, String>) -> Result<Config, ConfigError> {
        let declared = self.declared(&environment)?;
        let said = declared.as_ref().map(|loaded| loaded.file.settings.clone()).unwrap_or_default();
        environment.extend(said.environment.iter().cloned());
        let from_environment = |name: &str| environment.get(name).cloned();
        let master_key = self.master_key.clone().or_else(|| from_environment("LITELLM_MASTER_KEY")).or(said.master_key);
        check_master_key(self.host, master_key.as_deref())?;
        let secret = self.secret.clone().or_else(|| from_environment("LITELLM_SALT_KEY"));
        if self.nats.is_some() && secret.is_none() {
            return Err(ConfigError::SecretMissing);
        }
        let usual = RequestSettings::default();
        let mut requests = RequestSettings {
            body_max_bytes: self.body_max_bytes.or(said.body_max_bytes).unwrap_or(usual.body_max_bytes),
            body_timeout: Duration::from_secs(self.body_timeout_seconds),
            budget_exceeded_status: self
                .budget_exceeded_status
                .or(said.budget_exceeded_status)
                .unwrap_or(usual.budget_exceeded_status),
            staleness_max: Duration::from_secs(self.max_staleness_seconds),
            abandoned_streams_max: self.abandoned_streams_max,
            retries_abandoned: self.retry_abandoned == RetryAbandoned::Always,
            routing: Routing { retries: self.retries, ..Routing::default() },
            probes: ProbeSettings {
                interval: (self.probe_seconds > 0).then(|| Duration::from_secs(self.probe_seconds)),
                timeout: Duration::from_secs(self.probe_timeout_seconds),
                by: self.probe_by.into(),
            },
            ..usual
        };
        requests.timeouts.connect = Duration::from_secs(self.upstream_connect_seconds);
        requests.timeouts.idle = Duration::from_secs(self.upstream_idle_seconds);
        requests.timeouts.first_byte = Duration::from_secs(self.upstream_first_byte_seconds);
        if let Some(ms) = said.request_timeout_ms {
            requests.timeouts.total = Some(Duration::from_millis(ms));
        }
        Ok(Config {
            address: SocketAddr::new(self.host, self.port),
            data: self.data,
            nats: self.nats.map(|servers| NatsConfig {
                servers,
                credentials: self.nats_credentials,
                sync: self.nats_sync,
                prefix: self.nats_prefix,
            }),
            master_key: master_key.map(Secret::new),
            secret: secret.map(Secret::new),
            requests,
            slices: Policy { age_ms: self.budget_max_staleness_seconds.saturating_mul(1_000), ..Policy::default() },
            upkeep: Upkeep {
                gone_after_ms: self.gone_after_seconds.saturating_mul(1_000),
                rest_ms: self.suspense_rest_seconds.saturating_mul(1_000),
            },
            server: ServerLimits {
                head_timeout: Duration::from_secs(self.head_timeout_seconds),
                head_max_bytes: self.head_max_bytes,
                connections_max: self.connections_max,
                drain_timeout: Duration::from_secs(self.drain_seconds),
                ..ServerLimits::default()
            },
            cors_origins: self.cors_origins,
            agents: AgentSettings {
                public_url: check_public_url(self.public_url.or_else(|| from_environment("LITELLM_BASE_URL")))?,
                idle_max: Duration::from_secs(self.agent_idle_seconds),
            },
            network: NetworkPolicy { private_names: self.private_names },
            environment: Variables(environment),
            declared,
        })
    }

    /// The configuration file, if there is one.
    fn declared(&self, environment: &BTreeMap<String, String>) -> Result<Option<Loaded>, NotLoaded> {
        let named = environment.get("CONFIG_FILE_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
        let path = self.config.clone().or(named);
        path.map(|path| load(&path, &Arc::new(environment.clone()))).transpose()
    }
}

/// An address without a slash at its end, so that paths can be put behind it.
fn check_public_url(url: Option<String>) -> Result<Option<String>, ConfigError> {
    let Some(url) = url.filter(|url| !url.is_empty()) else { return Ok(None) };
    let is_url = url.starts_with("http://") || url.starts_with("https://");
    if !is_url || !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ConfigError::PublicUrl);
    }
    Ok(Some(url.trim_end_matches('/').to_owned()))
}

/// On loopback a short key is a convenience; where others reach the gateway it is a hole.
fn check_master_key(host: IpAddr, key: Option<&str>) -> Result<(), ConfigError> {
    match key {
        Some("") => Err(ConfigError::MasterKeyEmpty),
        Some(_) if host.is_loopback() => Ok(()),
        Some(key) if KNOWN_SECRETS.contains(&key) || key.len() < MASTER_KEY_MIN_BYTES => {
            Err(ConfigError::MasterKeyWeak)
        }
        Some(_) => Ok(()),
        None if host.is_loopback() => Ok(()),
        None => Err(ConfigError::MasterKeyMissing(host)),
    }
}

#[cfg(test)]
mod tests;
