//! Where the lines come from: the segment files of a data folder, read without a lock, or NATS.

mod files;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use tallygate_adapters::event_log::nats::NatsLogs;
use tallygate_adapters::nats::{Options as NatsOptions, Prefix, options::Setup};
use tallygate_adapters::secret::Keys;
use tallygate_core::envelope::MacKey;
use tallygate_core::port::event_log::EventLog;
use tallygate_core::secret::Secret;
use tallygate_core::stream::Log;

use crate::cli::SourceArgs;
use files::FileSource;

/// The logs, and the key that lines are authenticated under, if it is known.
#[derive(Debug)]
pub(crate) struct Source {
    /// What is allowed.
    pub(crate) control: Arc<dyn EventLog>,
    /// Who may spend.
    pub(crate) lease: Arc<dyn EventLog>,
    /// What happened.
    pub(crate) activity: Arc<dyn EventLog>,
    /// The gateways' key.
    pub(crate) mac: Option<MacKey>,
    /// The folder of the live views, for a data folder.
    pub(crate) views: Option<std::path::PathBuf>,
}

impl Source {
    /// One of the logs.
    pub(crate) fn log(&self, log: Log) -> &Arc<dyn EventLog> {
        match log {
            Log::Activity => &self.activity,
            Log::Control => &self.control,
            Log::Lease => &self.lease,
        }
    }
}

/// Opens the logs for reading.
///
/// # Errors
/// When there is no log, or it cannot be reached.
pub(crate) async fn open(args: &SourceArgs) -> anyhow::Result<Source> {
    let mac = mac(args)?;
    let Some(servers) = &args.nats else {
        let folder = args.data.join("log");
        if !folder.is_dir() {
            bail!("{} holds no log: give the gateway's data folder with --data, or --nats", args.data.display());
        }
        let log = |log: Log| -> Arc<dyn EventLog> { Arc::new(FileSource::new(folder.join(log.name()), log)) };
        let views = Some(args.data.join("views"));
        let [control, lease, activity] = [Log::Control, Log::Lease, Log::Activity].map(log);
        return Ok(Source { control, lease, activity, mac, views });
    };
    let mut options = NatsOptions::new(servers.clone());
    options.setup = Setup::VerifyOnly;
    options.name = "tallygate-replay".to_owned();
    options.credentials_file.clone_from(&args.nats_credentials);
    if let Some(prefix) = &args.nats_prefix {
        options.prefix = Prefix::new(prefix)?;
    }
    let logs = NatsLogs::connect(options).await.context("the log on NATS cannot be opened")?;
    Ok(Source { control: logs.control, lease: logs.lease, activity: logs.activity, mac, views: None })
}

/// The secret that is given, that LiteLLM's variable holds, or that the data folder keeps.
fn mac(args: &SourceArgs) -> anyhow::Result<Option<MacKey>> {
    let given = args.secret.clone().or_else(|| environment("LITELLM_SALT_KEY"));
    let secret = match given {
        Some(secret) => Some(secret),
        None if args.nats.is_none() => kept(&args.data.join("gateway.secret"))?,
        None => None,
    };
    let keys = secret.map(|secret| Keys::derive(&Secret::new(secret.trim()))).transpose()?;
    Ok(keys.map(|keys| keys.mac))
}

#[expect(clippy::disallowed_methods, reason = "the command line is where the environment is read")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn kept(path: &Path) -> anyhow::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}
