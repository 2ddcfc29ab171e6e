//! The logs of a gateway: in its data folder, or on NATS.

use std::sync::Arc;

use tallygate_adapters::event_log::file::{FileLog, Options as FileOptions, Verify};
use tallygate_core::envelope::MacKey;
use tallygate_core::port::event_log::{EventLog, LogError};
use tallygate_core::stream::Log;

use crate::compose::StartError;
use crate::config::Config;
use crate::data_folder::DataFolder;

/// The logs of a gateway.
#[derive(Debug)]
pub(crate) struct Logs {
    pub(crate) control: Arc<dyn EventLog>,
    pub(crate) activity: Arc<dyn EventLog>,
    files: Vec<Arc<FileLog>>,
}

impl Logs {
    /// Opens the logs. For the embedded log this reads the whole control log, off the runtime's threads.
    pub(crate) async fn open(_config: &Config, data: &DataFolder, mac: &MacKey) -> Result<Self, StartError> {
        let control = file(data, Log::Control, mac).await?;
        let activity = file(data, Log::Activity, mac).await?;
        Ok(Self {
            control: Arc::clone(&control) as Arc<dyn EventLog>,
            activity: Arc::clone(&activity) as Arc<dyn EventLog>,
            files: vec![control, activity],
        })
    }

    /// Closes the logs: everything that was acknowledged is on disk.
    pub(crate) async fn close(self) {
        for file in self.files {
            file.close().await;
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
