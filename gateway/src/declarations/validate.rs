//! `tallygate validate`: all that is wrong with a configuration file, and all that has no effect, without a gateway.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use tallygate_adapters::litellm::config_file::ConfigFile;
use tallygate_adapters::provider::catalog::{Catalog, InvalidCatalog};
use tallygate_adapters::provider::client::{HttpProvider, NoClient, Settings, install_tls};
use tallygate_adapters::provider::vendors::{InvalidVendors, Vendors};
use tallygate_adapters::secret::{Environment, Keys, SealedVault, WeakSecret};
use tallygate_core::actor::Actor;
use tallygate_core::endpoint::NetworkPolicy;
use tallygate_core::routing::Routing;
use tallygate_core::secret::Secret;
use tallygate_core::time::Timestamp;

use super::{apply, routing};
use crate::config::{ValidateArgs, environment};
use crate::http::litellm::keys::declared_budget;
use crate::http::litellm::models::declared;
use crate::random;
use crate::settings::RequestSettings;
use crate::upstreams::{OwnSettings, Upstreams};

/// Why a file is not valid, or could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum InvalidFile {
    /// No file was named.
    #[error("name a file: tallygate validate FILE, or --config FILE")]
    NotNamed,
    /// It cannot be read.
    #[error("{} cannot be read", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    /// It has problems, which were told.
    #[error("{} has {count} problems", .path.display())]
    Problems {
        /// Which file.
        path: PathBuf,
        /// How many.
        count: usize,
    },
    /// The table of vendors. A defect of the build.
    #[error(transparent)]
    Vendors(#[from] InvalidVendors),
    /// The catalog of models. A defect of the build.
    #[error(transparent)]
    Catalog(#[from] InvalidCatalog),
    /// The client for upstreams.
    #[error(transparent)]
    Client(#[from] NoClient),
    /// The secret of the check itself. A defect.
    #[error(transparent)]
    Secret(#[from] WeakSecret),
}

/// Tells every problem of a file on a line of its own. What is a warning when a gateway starts is a problem here.
///
/// # Errors
/// [`InvalidFile`].
pub(crate) fn run(args: ValidateArgs) -> Result<(), InvalidFile> {
    install_tls();
    let path = args.file.or(args.config).ok_or(InvalidFile::NotNamed)?;
    let text = std::fs::read_to_string(&path).map_err(|error| InvalidFile::Read(path.clone(), error))?;
    let mut variables = environment();
    let file = ConfigFile::read(&text, &|name| variables.get(name).cloned());
    variables.extend(file.settings.environment.clone());
    let vault = SealedVault::new(Keys::derive(&Secret::new(random::secret()))?.sealing, Environment::default());
    let upstreams = Upstreams::new(
        Arc::new(HttpProvider::new(&Settings::default())?),
        Arc::new(Vendors::builtin()?),
        Arc::new(Catalog::builtin()?),
        Arc::new(vault),
        OwnSettings {
            network: NetworkPolicy { private_names: args.private_names },
            environment: variables,
            timeouts: RequestSettings::default().timeouts,
        },
    );
    let mut problems: Vec<String> = file.findings.iter().map(ToString::to_string).collect();
    match declared::read(&upstreams, &file.models) {
        Ok(models) => problems.extend(models.iter().filter_map(|one| {
            let said = &file.settings.routing;
            let why = routing::of(said, &Routing::default(), &one.name).err()?;
            Some(format!("line {}: error: routing of `{}`: {why}", said.line, one.name))
        })),
        Err(wrong) => problems.extend(apply::told(wrong)),
    }
    if let Some((line, fields)) = &file.settings.budget
        && let Err(error) =
            declared_budget::command(Some(fields), None, &Actor::configuration(""), Timestamp::from_millis(0))
    {
        problems.push(format!("line {line}: error: `litellm_settings.max_budget` {}", error.message));
    }
    problems.dedup();
    for problem in &problems {
        say(&format!("{}: {problem}", path.display()));
    }
    if problems.is_empty() {
        say(&format!("{}: {} deployments, no problems", path.display(), file.models.len()));
        return Ok(());
    }
    Err(InvalidFile::Problems { path, count: problems.len() })
}

/// A line for the reader.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
