//! Configuration: flags and environment, read once, checked, and made into values. Nothing else reads the environment.

mod environment;
mod import;
mod litellm;
mod mirror;
mod serve;
mod validate;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tallygate_adapters::litellm::config_file::Settings as FileSettings;
use tallygate_core::endpoint::{InvalidUrl, NetworkPolicy};
use tallygate_core::lease::allot::Policy;
use tallygate_core::lease::slices::Upkeep;
use tallygate_core::routing::Routing;
use tallygate_core::secret::Secret;

use crate::agents::AgentSettings;
use crate::declarations::{Loaded, NotLoaded, load};
use crate::http::cors::Origin;
use crate::http::server::ServerLimits;
use crate::mirror::MirrorSettings;
use crate::settings::{ProbeSettings, RequestSettings};
use crate::signing_in::SignInSettings;

pub(crate) use environment::{Variables, environment};
pub use import::{ImportCommand, ImportLitellmArgs, ImportPricesArgs};
pub use litellm::BootstrapArgs;
pub use serve::{KeepConversations, NatsSync, ProbesBy, RetryAbandoned, ServeArgs};
pub use validate::ValidateArgs;

/// Secrets that guides and templates show: everybody knows them.
const KNOWN_SECRETS: [&str; 6] = ["sk-1234", "sk-proxy-default", "crashwise123", "changeme", "password", "sk-master"];
/// The shortest master key that may be used on an address that others reach, in bytes.
const MASTER_KEY_MIN_BYTES: usize = 16;

/// The shortest password of the operator that may be used on an address that others reach, in bytes.
const UI_PASSWORD_MIN_BYTES: usize = 12;

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
    pub(crate) signing_in: SignInSettings,
    pub(crate) network: NetworkPolicy,
    pub(crate) environment: Variables,
    /// The LiteLLM proxy that is kept in step.
    pub(crate) mirror: Option<MirrorSettings>,
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
    /// The operator's password is one that everybody knows, or too short to be safe.
    #[error(
        "the operator's password (UI_PASSWORD) is publicly known or shorter than {UI_PASSWORD_MIN_BYTES} characters: choose another one, or leave it out to sign in with the master key"
    )]
    UiPasswordWeak,
    /// Several gateways share a log, so they must share the secret.
    #[error("gateways that share a log on NATS must share their secret: set TALLYGATE_SECRET or LITELLM_SALT_KEY")]
    SecretMissing,
    /// Agents could not be told where the gateway is.
    #[error(
        "the public URL is not an address such as https://gateway.example: set --public-url or TALLYGATE_PUBLIC_URL"
    )]
    PublicUrl,
    /// Half of what a mirror needs.
    #[error("to keep a LiteLLM proxy in step both its address and its master key are needed: {0} is missing")]
    MirrorHalf(&'static str),
    /// The proxy's address is none.
    #[error("--mirror-litellm-url is not an address such as http://litellm:4000: {0}")]
    MirrorUrl(InvalidUrl),
    /// An open agent where others reach it.
    #[error(
        "the agent `{agent}` cannot be open on {host}, where others than this machine reach it: listen on 127.0.0.1, or leave --open-agent out and give its callers keys"
    )]
    OpenAgent {
        /// The agent.
        agent: String,
        /// The address.
        host: IpAddr,
    },
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
        let master_key =
            self.master_key.clone().or_else(|| from_environment("LITELLM_MASTER_KEY")).or(said.master_key.clone());
        check_master_key(self.host, master_key.as_deref())?;
        let secret = self.secret.clone().or_else(|| from_environment("LITELLM_SALT_KEY"));
        if self.nats.is_some() && secret.is_none() {
            return Err(ConfigError::SecretMissing);
        }
        let signing_in = self.signing_in(from_environment)?;
        let requests = self.requests(&said);
        let public_url = self.public_url.or_else(|| from_environment("LITELLM_BASE_URL"));
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
            },
            cors_origins: self.cors_origins,
            signing_in,
            agents: agents(self.host, public_url, self.open_agents, self.conversations, self.agent_idle_seconds)?,
            network: NetworkPolicy { private_names: self.private_names },
            mirror: mirror::settings(self.mirror_litellm_url, self.mirror_litellm_key)?,
            environment: Variables(environment),
            declared,
        })
    }

    /// How requests are served: what the flags say, else the file, else what is usual.
    fn requests(&self, said: &FileSettings) -> RequestSettings {
        let usual = RequestSettings::default();
        let mut requests = RequestSettings {
            body_max_bytes: self.body_max_bytes.or(said.body_max_bytes).unwrap_or(usual.body_max_bytes),
            body_timeout: Duration::from_secs(self.body_timeout_seconds),
            budget_exceeded_status: self
                .budget_exceeded_status
                .or(said.budget_exceeded_status)
                .unwrap_or(usual.budget_exceeded_status),
            end_user_headers: self.end_user_headers.iter().chain(&said.end_user_headers).cloned().collect(),
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
        requests
    }

    /// How people sign in.
    fn signing_in(&self, from_environment: impl Fn(&str) -> Option<String>) -> Result<SignInSettings, ConfigError> {
        let said = |said: &Option<String>, name: &str| {
            said.clone().or_else(|| from_environment(name)).filter(|said| !said.is_empty())
        };
        let password = said(&self.ui_password, "UI_PASSWORD");
        let is_weak = |text: &str| KNOWN_SECRETS.contains(&text) || text.len() < UI_PASSWORD_MIN_BYTES;
        if !self.host.is_loopback() && password.as_deref().is_some_and(is_weak) {
            return Err(ConfigError::UiPasswordWeak);
        }
        Ok(SignInSettings {
            username: said(&self.ui_username, "UI_USERNAME").unwrap_or_else(|| "admin".to_owned()),
            password: password.map(Secret::new),
            lasts_seconds: self.session_seconds,
            trusts_forwarded: self.trust_forwarded,
        })
    }

    /// The configuration file, if there is one.
    fn declared(&self, environment: &BTreeMap<String, String>) -> Result<Option<Loaded>, NotLoaded> {
        let named = environment.get("CONFIG_FILE_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
        let path = self.config.clone().or(named);
        path.map(|path| load(&path, &Arc::new(environment.clone()))).transpose()
    }
}

fn agents(
    host: IpAddr,
    public_url: Option<String>,
    open: Vec<String>,
    conversations: KeepConversations,
    idle_seconds: u64,
) -> Result<AgentSettings, ConfigError> {
    Ok(AgentSettings {
        public_url: check_public_url(public_url)?,
        open: check_open_agents(host, open)?,
        keeps_conversations: conversations == KeepConversations::Disk,
        idle_max: Duration::from_secs(idle_seconds),
    })
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

/// Whoever reaches an open agent spends from its realm's budgets and chooses its models, so nobody else may reach it.
fn check_open_agents(host: IpAddr, agents: Vec<String>) -> Result<Vec<String>, ConfigError> {
    match agents.iter().find(|agent| !agent.is_empty()) {
        Some(agent) if !host.is_loopback() => Err(ConfigError::OpenAgent { agent: agent.clone(), host }),
        _ => Ok(agents.into_iter().filter(|agent| !agent.is_empty()).collect()),
    }
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
