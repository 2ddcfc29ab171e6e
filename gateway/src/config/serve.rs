//! The flags of a gateway that serves.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use http::HeaderName;
use tallygate_core::routing::ProbeBy;

use crate::http::cors::Origin;

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
    /// The name that the operator signs in by. UI_USERNAME works too; `admin` when nothing is said.
    #[arg(long, env = "TALLYGATE_UI_USERNAME")]
    pub ui_username: Option<String>,
    /// The password that the operator signs in with. UI_PASSWORD works too; the master key when nothing is said.
    #[arg(long, env = "TALLYGATE_UI_PASSWORD", hide_env_values = true)]
    pub ui_password: Option<String>,
    /// How long a session lasts, in seconds.
    #[arg(long, env = "TALLYGATE_SESSION_SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u64).range(300..=2_592_000))]
    pub session_seconds: u64,
    /// Believes `X-Forwarded-For` and `X-Forwarded-Proto`: only where every request comes by a proxy that sets them.
    #[arg(long, env = "TALLYGATE_TRUST_FORWARDED")]
    pub trust_forwarded: bool,
    /// The status of a request that a budget refuses: 422 as LiteLLM 1.109 (the default), 400 as 1.80, or 429.
    #[arg(long, env = "TALLYGATE_BUDGET_EXCEEDED_STATUS", value_parser = clap::value_parser!(u16).range(400..500))]
    pub budget_exceeded_status: Option<u16>,
    /// A header that names the end user of a request, beside `x-litellm-end-user-id` and `x-litellm-customer-id`. May be
    /// repeated.
    #[arg(long = "end-user-header", env = "TALLYGATE_END_USER_HEADERS", value_delimiter = ',', value_name = "NAME")]
    pub end_user_headers: Vec<HeaderName>,
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
    /// An agent, by its name or did, that anybody may converse with at /a2a/… without a key or token: on loopback alone. May be
    /// repeated.
    #[arg(long = "open-agent", env = "TALLYGATE_OPEN_AGENTS", value_delimiter = ',')]
    pub open_agents: Vec<String>,
    /// Where conversations with agents are kept: on disk, sealed, so that they go on after a restart; or in memory alone.
    #[arg(long, env = "TALLYGATE_CONVERSATIONS", value_enum, default_value_t = KeepConversations::Disk)]
    pub conversations: KeepConversations,
    /// How long an agent may be silent before its connection is closed, in seconds. It is pinged three times as often.
    #[arg(long, env = "TALLYGATE_AGENT_IDLE_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub agent_idle_seconds: u64,
    /// Names that look public but lie in a private network: llm.corp.example or .corp.example. May be repeated.
    #[arg(long = "private-name", env = "TALLYGATE_PRIVATE_NAMES", value_delimiter = ',')]
    pub private_names: Vec<String>,
    /// An existing LiteLLM proxy that is kept in step with the control log: its address, such as http://litellm:4000. Of several
    /// gateways of one log, give it to one.
    #[arg(long, env = "TALLYGATE_MIRROR_LITELLM_URL")]
    pub mirror_litellm_url: Option<String>,
    /// The master key of that proxy.
    #[arg(long, env = "TALLYGATE_MIRROR_LITELLM_KEY", hide_env_values = true)]
    pub mirror_litellm_key: Option<String>,
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

/// Where conversations with agents are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum KeepConversations {
    /// In the data folder, sealed under the gateway's secret.
    Disk,
    /// In memory: they end with the process.
    Memory,
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
