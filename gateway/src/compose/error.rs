//! Why a gateway does not start.

use std::net::SocketAddr;

use tallygate_adapters::provider::catalog::InvalidCatalog;
use tallygate_adapters::provider::client::NoClient;
use tallygate_adapters::provider::vendors::InvalidVendors;
use tallygate_adapters::secret::WeakSecret;
use tallygate_core::port::event_log::LogError;
use tallygate_core::stream::Log;
use tallygate_projections::{OpenError, StoreError};

use crate::activity;
use crate::data_folder::DataFolderError;

/// Why a gateway does not start. The chain of causes says more.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// The LiteLLM proxy that is to be kept in step.
    #[error("the LiteLLM proxy of --mirror-litellm-url cannot be kept in step")]
    Mirror(#[from] tallygate_adapters::litellm::mirror::proxy::NoProxy),
    /// The gateway's secret.
    #[error("the gateway's secret cannot be used")]
    Secret(#[from] WeakSecret),
    /// A log.
    #[error("the {0} log cannot be opened")]
    Log(Log, #[source] LogError),
    /// The log was written under another secret.
    #[error(
        "the log was written under another secret: give this gateway the secret of the others (TALLYGATE_SECRET or LITELLM_SALT_KEY)"
    )]
    OtherSecret,
    /// The NATS service.
    #[error("the command service cannot be started")]
    Service(#[from] tallygate_adapters::nats::micro_service::StartError),
    /// The stream of durable commands.
    #[error("the durable commands cannot be taken")]
    Durable(#[from] tallygate_adapters::nats::stream_setup::SetupError),
    /// The outbox, or where the log ends for it.
    #[error("what this gateway does could not be recorded")]
    Activity(#[from] activity::OpenError),
    /// The views.
    #[error("the views cannot be opened")]
    Views(#[from] OpenError),
    /// How far the views have come.
    #[error("the views cannot be read")]
    Rows(#[from] StoreError),
    /// What was said to agents could not be recalled.
    #[error("the conversations with agents could not be read: the thread that reads them has panicked")]
    Conversations,
    /// The views did not come to the end of the log.
    #[error("the views did not reach the end of the log: {0}")]
    CatchUp(String),
    /// The first realm could not be registered.
    #[error("the realm `default` could not be registered: {0}")]
    FirstRealm(String),
    /// The configuration file declares what cannot be.
    #[error("the configuration file {file} cannot be in force:\n  {problems}")]
    Declarations {
        /// Which file.
        file: String,
        /// All that is wrong, a line each.
        problems: String,
    },
    /// The table of vendors. A defect of the build.
    #[error("the table of vendors cannot be used")]
    Vendors(#[from] InvalidVendors),
    /// The catalog of models. A defect of the build.
    #[error("the catalog of models cannot be used")]
    Catalog(#[from] InvalidCatalog),
    /// The client for upstreams.
    #[error(transparent)]
    Client(#[from] NoClient),
    /// A metric. A defect.
    #[error("the metrics cannot be registered")]
    Metrics(#[from] prometheus::Error),
    /// The address.
    #[error("{address} cannot be listened on")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
