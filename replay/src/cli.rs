//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tallygate_core::stream::Log;
use tallygate_core::time::Timestamp;

/// Audits the log of a Tallygate gateway. Exits 0 when all is well, 1 when it found something wrong (named on the last
/// line), 2 when it was asked wrongly.
#[derive(Debug, Parser)]
#[command(name = "tallygate-replay", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Where the log is.
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Prints JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Where the log is.
#[derive(Debug, Clone, Args)]
pub(crate) struct SourceArgs {
    /// The data folder of a gateway with the embedded log.
    #[arg(long, global = true, env = "TALLYGATE_DATA", default_value = "./data")]
    pub(crate) data: PathBuf,
    /// NATS servers, if the log is there.
    #[arg(long, global = true, env = "TALLYGATE_NATS")]
    pub(crate) nats: Option<String>,
    /// A file with NATS credentials.
    #[arg(long, global = true, env = "TALLYGATE_NATS_CREDENTIALS")]
    pub(crate) nats_credentials: Option<PathBuf>,
    /// The beginning of the names of NATS streams and subjects.
    #[arg(long, global = true, env = "TALLYGATE_NATS_PREFIX", hide = true)]
    pub(crate) nats_prefix: Option<String>,
    /// The gateways' secret, to check the MAC of each line. Without it, and without the data folder's own, the chain of
    /// hashes is checked alone.
    #[arg(long, global = true, env = "TALLYGATE_SECRET", hide_env_values = true)]
    pub(crate) secret: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Checks every line: its place, its chain, its MAC, its schema, its stream's numbers.
    Verify,
    /// Makes the views from zero in a fresh folder, and compares their digest with the live ones.
    Rebuild(RebuildArgs),
    /// Tells what a key, realm or model was at a position or time, and the events that made it so.
    AsOf(AsOfArgs),
    /// Prints lines as they are appended.
    Tail(TailArgs),
}

/// How to rebuild.
#[derive(Debug, Args)]
pub(crate) struct RebuildArgs {
    /// Where to make the views; a temporary folder if nothing is said. It must not exist, or be empty.
    #[arg(long)]
    pub(crate) into: Option<PathBuf>,
    /// The digest to compare with, as `/api/state` or an earlier rebuild gave it.
    #[arg(long)]
    pub(crate) expect: Option<String>,
}

/// What to tell, and as of when.
#[derive(Debug, Args)]
pub(crate) struct AsOfArgs {
    /// A key, by id, hash or alias.
    #[arg(long, required_unless_present_any = ["realm", "model"])]
    pub(crate) key: Option<String>,
    /// A realm, by id.
    #[arg(long, conflicts_with = "key")]
    pub(crate) realm: Option<String>,
    /// A model, by its public name.
    #[arg(long, conflicts_with_all = ["key", "realm"])]
    pub(crate) model: Option<String>,
    /// The last position that counts; the end of the log if neither this nor a time is given.
    #[arg(long)]
    pub(crate) position: Option<u64>,
    /// The last moment that counts, in RFC 3339.
    #[arg(long, conflicts_with = "position")]
    pub(crate) time: Option<Timestamp>,
}

/// What to print.
#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// Which log.
    #[arg(long, value_enum, default_value_t = Which::Control)]
    pub(crate) log: Which,
    /// Begin after this offset; at the end if nothing is said.
    #[arg(long)]
    pub(crate) after: Option<u64>,
    /// Stop after so many lines.
    #[arg(long)]
    pub(crate) lines: Option<u64>,
}

/// A log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Which {
    /// What is allowed.
    Control,
    /// Who may spend.
    Lease,
    /// What happened.
    Activity,
}

impl From<Which> for Log {
    fn from(which: Which) -> Self {
        match which {
            Which::Control => Self::Control,
            Which::Lease => Self::Lease,
            Which::Activity => Self::Activity,
        }
    }
}
