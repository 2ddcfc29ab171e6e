//! The logs of a gateway: in its data folder, or on NATS; and, with NATS, the doors that commands come in by.

mod nats_sync;

use std::sync::Arc;

use tallygate_adapters::event_log::file::{FileLog, Options as FileOptions, Verify};
use tallygate_adapters::event_log::nats::NatsLogs;
use tallygate_adapters::nats::broadcast::{Broadcast, Topic};
use tallygate_adapters::nats::durable_commands::{DurableCommands, Options as DurableOptions};
use tallygate_adapters::nats::micro_service::{MicroService, Options as ServiceOptions};
use tallygate_adapters::nats::{Connection, Options as NatsOptions, Prefix};
use tallygate_core::command::Command;
use tallygate_core::envelope::MacKey;
use tallygate_core::port::event_log::{EventLog, LogError};
use tallygate_core::stream::Log;

use crate::command::{Commands, Door};
use crate::compose::StartError;
use crate::config::{Config, NatsConfig};
use crate::data_folder::DataFolder;

/// The most commands that the NATS service has in hand at once.
const SERVICE_CONCURRENCY: usize = 64;

/// The logs of a gateway.
#[derive(Debug)]
pub(crate) struct Logs {
    pub(crate) control: Arc<dyn EventLog>,
    pub(crate) lease: Arc<dyn EventLog>,
    pub(crate) activity: Arc<dyn EventLog>,
    kept: Kept,
}

/// Where the logs are.
#[derive(Debug)]
enum Kept {
    Files(Vec<Arc<FileLog>>),
    Nats(Box<Connection>),
}

/// The doors over NATS. None with the embedded log.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    service: Option<MicroService>,
    durable: Option<DurableCommands>,
}

impl Logs {
    /// Opens the logs. For the embedded log this reads the whole control log, off the runtime's threads.
    pub(crate) async fn open(config: &Config, data: &DataFolder, mac: &MacKey) -> Result<Self, StartError> {
        match &config.nats {
            Some(nats) => Self::on_nats(nats, mac).await,
            None => Self::in_files(data, mac).await,
        }
    }

    async fn in_files(data: &DataFolder, mac: &MacKey) -> Result<Self, StartError> {
        let control = file(data, Log::Control, mac).await?;
        let lease = file(data, Log::Lease, mac).await?;
        let activity = file(data, Log::Activity, mac).await?;
        Ok(Self {
            control: Arc::clone(&control) as Arc<dyn EventLog>,
            lease: Arc::clone(&lease) as Arc<dyn EventLog>,
            activity: Arc::clone(&activity) as Arc<dyn EventLog>,
            kept: Kept::Files(vec![control, lease, activity]),
        })
    }

    async fn on_nats(nats: &NatsConfig, mac: &MacKey) -> Result<Self, StartError> {
        let mut options = NatsOptions::new(nats.servers.clone());
        options.mac_key = Some(mac.clone());
        options.credentials_file.clone_from(&nats.credentials);
        if let Some(prefix) = &nats.prefix {
            options.prefix = Prefix::new(prefix)
                .map_err(|error| StartError::Log(Log::Control, LogError::Misconfigured(error.to_string())))?;
        }
        let logs = NatsLogs::connect(options).await.map_err(|error| StartError::Log(Log::Control, error))?;
        nats_sync::check(&logs.connection, nats.sync).await?;
        let kept = Kept::Nats(Box::new(logs.connection));
        Ok(Self { control: logs.control, lease: logs.lease, activity: logs.activity, kept })
    }

    /// Where gateways of this log tell one another of a topic; none for a log that one gateway has to itself.
    pub(crate) fn broadcast(&self, topic: Topic) -> Option<Broadcast> {
        match &self.kept {
            Kept::Files(_) => None,
            Kept::Nats(connection) => Some(Broadcast::new(connection.as_ref().clone(), topic)),
        }
    }

    /// Opens the doors that commands come in by, beside HTTP.
    pub(crate) async fn open_doors(&self, commands: &Commands) -> Result<Doors, StartError> {
        let Kept::Nats(connection) = &self.kept else { return Ok(Doors::default()) };
        let handler = Arc::new(Door(commands.clone()));
        let options = ServiceOptions {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commands: Command::NAMES.iter().map(|name| (*name).to_owned()).collect(),
            concurrency: SERVICE_CONCURRENCY,
        };
        let service = MicroService::start(connection, handler.clone(), options).await?;
        let durable = DurableCommands::start(connection, handler, DurableOptions::default()).await?;
        Ok(Doors { service: Some(service), durable: Some(durable) })
    }

    /// Closes the logs: everything that was acknowledged is on disk.
    pub(crate) async fn close(self) {
        if let Kept::Files(files) = self.kept {
            for file in files {
                file.close().await;
            }
        }
    }
}

impl Doors {
    /// Takes no more commands, and ends those in hand.
    pub(crate) async fn close(self) {
        if let Some(service) = self.service {
            service.stop().await;
        }
        if let Some(durable) = self.durable {
            durable.stop().await;
        }
    }
}

async fn file(data: &DataFolder, log: Log, mac: &MacKey) -> Result<Arc<FileLog>, StartError> {
    let folder = data.path("log").join(log.name());
    let options = FileOptions { verify: Verify::LastSegment, mac_key: Some(mac.clone()), ..FileOptions::default() };
    let opened = tokio::task::spawn_blocking(move || FileLog::open(folder, log, &options)).await;
    let opened = opened.unwrap_or_else(|error| Err(LogError::Unavailable(Box::new(error))));
    opened.map(Arc::new).map_err(|error| StartError::Log(log, error))
}
