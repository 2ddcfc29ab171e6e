//! `tallygate demo`: the whole main job in one command, offline, against a simulated provider; then it keeps serving.
//!
//! Everything goes through the front door: HTTP, with real keys, into a real log. A second run finds what the first one
//! left and works too.

mod client;
mod provider;
mod story;

use std::io::Write as _;

use tallygate_adapters::provider::client::{HttpProvider, NoClient, Settings};
use tallygate_core::endpoint::InvalidUrl;
use tallygate_core::port::event_log::LogError;
use tallygate_core::port::provider::failure::Failure;

use crate::compose::{self, StartError};
use crate::config::{ConfigError, ServeArgs, environment};
use crate::serve::{announce, asked_to_stop};

/// Why the demo ended early.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The gateway did not start.
    #[error("the gateway did not start")]
    Start(#[from] StartError),
    /// The simulated provider did not start.
    #[error("the simulated provider did not start")]
    Provider(#[from] std::io::Error),
    /// The demo's own client could not be made.
    #[error(transparent)]
    Client(#[from] NoClient),
    /// The gateway's address is not one.
    #[error("the gateway's address is not one")]
    Address(#[from] InvalidUrl),
    /// No answer.
    #[error("the gateway did not answer")]
    Http(#[source] Failure),
    /// An answer that is no JSON.
    #[error("an answer was no JSON")]
    Json(#[from] serde_json::Error),
    /// The log could not be read.
    #[error("the log could not be read")]
    Log(#[from] LogError),
    /// Something else than the story needs.
    #[error("unexpected: {0}")]
    Unexpected(String),
}

impl From<Failure> for DemoError {
    fn from(failure: Failure) -> Self {
        Self::Http(failure)
    }
}

/// Shows the main job, then serves until the process is asked to stop. The demo has a data folder of its own, within the
/// one that is configured.
pub(crate) async fn run(mut args: ServeArgs) -> Result<(), DemoError> {
    args.data = args.data.join("demo");
    let running = compose::start(args.check(environment())?).await?;
    announce(&running);
    let provider = provider::start().await?;
    let client = HttpProvider::new(&Settings::default())?;
    story::tell(&running, &client, provider).await?;
    running.until_stopped(asked_to_stop()).await;
    Ok(())
}

/// A line for the reader.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
