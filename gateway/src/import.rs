//! `tallygate import`: brings what other programs know into a running gateway. It reads a file, says what it would change,
//! and changes it only when asked: by commands, over HTTP, as anybody else would.

mod prices;
mod litellm;

use std::io::Write as _;
use std::path::PathBuf;

use tallygate_adapters::litellm::database::DatabaseError;
use tallygate_adapters::litellm::price_map::NoPriceMap;
use tallygate_adapters::provider::client::install_tls;
use tallygate_adapters::provider::vendors::InvalidVendors;

use crate::config::{ImportCommand, environment};
use crate::operator_client::ClientError;

/// Why an import ended early. Nothing is changed then, unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("{0} cannot be read")]
    File(PathBuf, #[source] std::io::Error),
    /// The file is no price map.
    #[error("{0} is no price map")]
    PriceMap(PathBuf, #[source] NoPriceMap),
    /// No master key was given.
    #[error("managing takes the master key: set --master-key, TALLYGATE_MASTER_KEY or LITELLM_MASTER_KEY")]
    MasterKeyMissing,
    /// The gateway did not do what was asked.
    #[error(transparent)]
    Gateway(#[from] ClientError),
    /// The table of vendors. A defect of the build.
    #[error("the table of vendors cannot be used")]
    Vendors(#[from] InvalidVendors),
    /// The file is wrong about models that are in use.
    #[error("{0} prices of models in use are wrong in the file: mend them there; nothing is applied")]
    Wrong(usize),
    /// Neither a file nor a database was named.
    #[error("name what to import: --config FILE, --database-url URL, or both")]
    NothingNamed,
    /// The configuration file is wrong.
    #[error("{} has errors: mend them there; nothing is carried over", .0.display())]
    FileWrong(PathBuf),
    /// The database.
    #[error("LiteLLM's database cannot be read")]
    Database(#[from] DatabaseError),
    /// The gateway refused something.
    #[error("{0} things were refused; the others are carried over")]
    NotAll(usize),
    /// Some prices were not taken.
    #[error("{refused} of {all} prices were refused; the others are in force")]
    Refused {
        /// How many.
        refused: usize,
        /// Of how many.
        all: usize,
    },
}

/// Imports what the command line says.
pub(crate) async fn run(command: ImportCommand) -> Result<(), ImportError> {
    install_tls();
    match command {
        ImportCommand::Prices(args) => prices::import(args, &environment()).await,
        ImportCommand::Litellm(args) => Box::pin(litellm::import(args, &environment())).await,
    }
}

/// A line for the reader.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
