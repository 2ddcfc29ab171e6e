//! `tallygate bootstrap`: what has to be in the environment files of an installation before its services start, put there by
//! way of a running gateway. Run again, it changes only what is not so yet.
//!
//! It waits for the gateway, mirrors the providers' keys into a file of their own, and issues the agent's key over the
//! placeholder that the template has. Files change as a whole or not at all, and only where they must.

mod agent_key;
mod env_file;
mod replace;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tallygate_adapters::provider::client::install_tls;
use tallygate_core::port::provider::failure::Kind;
use tallygate_core::secret::Secret;
use tokio::time::Instant;

use crate::config::{BootstrapArgs, environment};
use crate::operator_client::{Client, ClientError};
use agent_key::{AgentKey, Outcome};
use env_file::EnvFile;
use replace::replace;

pub use env_file::EnvFileError;

/// What the template has in the place of the agent's key.
const PLACEHOLDER: &str = "sk-proxy-default";
/// Where the gateway is when nobody says it.
const GATEWAY: &str = "http://127.0.0.1:4000";
/// The name of the file of providers' keys, beside the file that they are taken from.
const PROVIDER_FILE: &str = ".env.litellm";
/// How long to wait before the gateway is asked again.
const PAUSE: Duration = Duration::from_millis(250);

/// Why the bootstrap ended early. What it did before stands: it can be run again.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// A file cannot be read.
    #[error("{} cannot be read: copy the template to it, or name another file with --env-file", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    /// A file cannot be written.
    #[error("{} cannot be written", .0.display())]
    Write(PathBuf, #[source] std::io::Error),
    /// A file is no file of variables.
    #[error("{}", .0.display())]
    File(PathBuf, #[source] EnvFileError),
    /// No master key was given.
    #[error("issuing a key takes the master key: set LITELLM_MASTER_KEY in {}, or --master-key", .0.display())]
    MasterKeyMissing(PathBuf),
    /// Nobody said what the agent's key is for. A key for every model is not what is meant by that.
    #[error(
        "set LITELLM_DEFAULT_MODELS (names with commas between, or all-proxy-models) or LITELLM_MODEL in {}: the agent's key is limited to them", .0.display()
    )]
    ModelsMissing(PathBuf),
    /// The gateway does not answer.
    #[error("no gateway answered at {url} within {seconds} s")]
    Away {
        /// Where it was looked for.
        url: String,
        /// How long.
        seconds: u64,
        /// What the last try met.
        #[source]
        source: ClientError,
    },
    /// The place of the agent's key holds one that the gateway does not know and did not issue, such as a provider's.
    #[error(
        "the variable of the agent's key holds a key that this gateway did not issue: put {PLACEHOLDER} there to have one issued"
    )]
    ForeignKey,
    /// The gateway did not do what was asked.
    #[error(transparent)]
    Gateway(#[from] ClientError),
}

/// Does it, and tells what it did.
pub(crate) async fn run(args: BootstrapArgs) -> Result<(), BootstrapError> {
    install_tls();
    let file = read(&args.env_file)?.ok_or_else(|| {
        BootstrapError::Read(args.env_file.clone(), std::io::Error::from(std::io::ErrorKind::NotFound))
    })?;
    let settings = Settings { file: &file, path: &args.env_file, environment: environment() };
    let url = settings.gateway(&args)?;
    let client = Client::new(&url, settings.master_key(&args)?)?;
    let models = settings.models()?;
    wait(&client, &url, args.wait_seconds).await?;
    say(&format!("the gateway at {url} answers"));
    mirror(&file, &args)?;
    let secret = settings.of_file(&args.key_variable)?.filter(|key| *key != PLACEHOLDER);
    let key = AgentKey { alias: &args.key_alias, models: &models };
    let outcome = key.ensure(&client, secret).await?;
    keep(&args, outcome, &models)
}

/// What the file and the environment say.
struct Settings<'a> {
    file: &'a EnvFile,
    path: &'a Path,
    environment: BTreeMap<String, String>,
}

impl Settings<'_> {
    /// A variable of the file; an empty one is none.
    fn of_file(&self, name: &str) -> Result<Option<&str>, BootstrapError> {
        let value = self.file.value(name).map_err(|error| BootstrapError::File(self.path.to_owned(), error))?;
        Ok(value.filter(|value| !value.is_empty()))
    }

    /// A variable of the file, or else of the environment.
    fn of_either(&self, name: &str) -> Result<Option<&str>, BootstrapError> {
        let of_environment = || self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty());
        Ok(self.of_file(name)?.or_else(of_environment))
    }

    fn gateway(&self, args: &BootstrapArgs) -> Result<String, BootstrapError> {
        match &args.gateway {
            Some(url) => Ok(url.clone()),
            None => Ok(self.of_either("FF_LLM_PROXY_BASE_URL")?.unwrap_or(GATEWAY).to_owned()),
        }
    }

    fn master_key(&self, args: &BootstrapArgs) -> Result<Secret, BootstrapError> {
        let key = match &args.master_key {
            Some(key) => Some(key.as_str()),
            None => self.of_either("LITELLM_MASTER_KEY")?,
        };
        key.map(Secret::new).ok_or_else(|| BootstrapError::MasterKeyMissing(self.path.to_owned()))
    }

    /// The models that the agent's key is for.
    fn models(&self) -> Result<Vec<String>, BootstrapError> {
        let listed = self.of_either("LITELLM_DEFAULT_MODELS")?;
        let said = match listed {
            Some(listed) => listed,
            None => self.of_either("LITELLM_MODEL")?.unwrap_or_default(),
        };
        let models: Vec<String> =
            said.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if models.is_empty() {
            return Err(BootstrapError::ModelsMissing(self.path.to_owned()));
        }
        Ok(models)
    }
}

/// Waits until the gateway says that it lives.
async fn wait(client: &Client, url: &str, seconds: u64) -> Result<(), BootstrapError> {
    let until = Instant::now() + Duration::from_secs(seconds);
    loop {
        let asked = client.get::<String>("/health/liveliness");
        let source = match tokio::time::timeout_at(until.max(Instant::now() + PAUSE), asked).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => tallygate_core::port::provider::Failure::new(Kind::FirstByteTimeout).into(),
        };
        // An address that may not be called never answers.
        let is_final = matches!(&source, ClientError::Http(failure) if failure.kind == Kind::HostNotAllowed);
        if is_final || Instant::now() + PAUSE >= until {
            return Err(BootstrapError::Away { url: url.to_owned(), seconds, source });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Writes the providers' keys into the file of their own. What else it holds stays.
fn mirror(file: &EnvFile, args: &BootstrapArgs) -> Result<(), BootstrapError> {
    let path = args.provider_env_file.clone().unwrap_or_else(|| args.env_file.with_file_name(PROVIDER_FILE));
    let there = read(&path)?;
    let wrong = |error| BootstrapError::File(args.env_file.clone(), error);
    let wrong_there = |error| BootstrapError::File(path.clone(), error);
    let mut mirrored = match &there {
        Some(file) => file.clone(),
        None => EnvFile::parse(String::new()).map_err(wrong_there)?,
    };
    let names: Vec<&str> = file.names().filter(|name| is_provider_key(name)).collect();
    let mut changed = 0;
    for name in names {
        let raw = file.raw(name).map_err(wrong)?.unwrap_or_default();
        if file.value(name).map_err(wrong)?.unwrap_or_default().is_empty()
            || mirrored.raw(name).map_err(wrong_there)? == Some(raw)
        {
            continue;
        }
        mirrored = mirrored.with(name, raw).map_err(wrong_there)?;
        changed += 1;
    }
    if there.as_ref() != Some(&mirrored) {
        replace(&path, mirrored.text()).map_err(|error| BootstrapError::Write(path.clone(), error))?;
    }
    say(&format!("{changed} providers' keys written to {}", path.display()));
    Ok(())
}

/// `LITELLM_…_API_KEY`.
fn is_provider_key(name: &str) -> bool {
    name.strip_prefix("LITELLM_")
        .and_then(|rest| rest.strip_suffix("_API_KEY"))
        .is_some_and(|vendor| !vendor.is_empty())
}

/// Writes a new secret down, and tells what became of the key. The file is read again: it may have changed meanwhile.
fn keep(args: &BootstrapArgs, outcome: Outcome, models: &[String]) -> Result<(), BootstrapError> {
    let (alias, models) = (&args.key_alias, models.join(", "));
    let (secret, what) = match outcome {
        Outcome::Kept => (None, format!("the key `{alias}` is as it should be")),
        Outcome::Refreshed => (None, format!("the key `{alias}` may call {models} now")),
        Outcome::Restored => (None, format!("the gateway knows the key `{alias}` of the file again, for {models}")),
        Outcome::Issued(secret) => (Some(secret), format!("the key `{alias}` was issued for {models}")),
        Outcome::Reissued(secret) => {
            (Some(secret), format!("the key `{alias}` has another secret, since the file had none"))
        }
    };
    if let Some(secret) = secret {
        let path = &args.env_file;
        let wrong = |error| BootstrapError::File(path.clone(), error);
        let file = read(path)?.map_or_else(|| EnvFile::parse(String::new()), Ok).map_err(wrong)?;
        let file = file.with(&args.key_variable, &secret).map_err(wrong)?;
        replace(path, file.text()).map_err(|error| BootstrapError::Write(path.clone(), error))?;
    }
    say(&what);
    Ok(())
}

/// Reads a file of variables; none if there is no file.
fn read(path: &Path) -> Result<Option<EnvFile>, BootstrapError> {
    match std::fs::read_to_string(path) {
        Ok(text) => EnvFile::parse(text).map(Some).map_err(|error| BootstrapError::File(path.to_owned(), error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BootstrapError::Read(path.to_owned(), error)),
    }
}

/// A line for the reader.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::is_provider_key;

    #[test]
    fn the_master_key_and_the_salt_are_no_providers_keys() {
        assert!(is_provider_key("LITELLM_OPENAI_API_KEY") && is_provider_key("LITELLM_X_Y_API_KEY"));
        for other in
            ["LITELLM_MASTER_KEY", "LITELLM_SALT_KEY", "OPENAI_API_KEY", "LITELLM_API_KEY", "LITELLM__API_KEYS"]
        {
            assert!(!is_provider_key(other), "{other}");
        }
    }
}
