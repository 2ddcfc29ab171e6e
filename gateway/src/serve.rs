//! What the program does: serve, until it is asked to stop.

use std::io::Write as _;

use crate::bootstrap::{self, BootstrapError};
use crate::compose::{self, Running, StartError};
use crate::config::{Cli, CliCommand, ConfigError, ServeArgs, environment};
use crate::declarations::{self, InvalidFile};
use crate::demo::{self, DemoError};
use crate::http::openapi;
use crate::import::{self, ImportError};

/// Why the program ended with an error.
#[derive(Debug, thiserror::Error)]
pub enum ExitReason {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The start.
    #[error("the gateway did not start")]
    Start(#[from] StartError),
    /// The demo.
    #[error("the demo ended early")]
    Demo(#[from] DemoError),
    /// The import.
    #[error("the import ended early")]
    Import(#[from] ImportError),
    /// The configuration file.
    #[error(transparent)]
    Invalid(#[from] InvalidFile),
    /// The document of all routes. A defect of the build.
    #[error("the document of all routes cannot be made")]
    Openapi(#[from] serde_json::Error),
    /// The bootstrap.
    #[error("the bootstrap ended early")]
    Bootstrap(#[from] BootstrapError),
}

/// Does what the command line says.
///
/// # Errors
/// [`ExitReason`].
pub async fn run(cli: Cli) -> Result<(), ExitReason> {
    match cli.command {
        None => Box::pin(serve(cli.serve)).await,
        Some(CliCommand::Serve(args)) => Box::pin(serve(args)).await,
        Some(CliCommand::Demo(args)) => Ok(Box::pin(demo::run(args)).await?),
        Some(CliCommand::Import { what }) => Ok(import::run(what).await?),
        Some(CliCommand::Openapi) => Ok(print_openapi()?),
        Some(CliCommand::Validate(args)) => Ok(declarations::validate(args)?),
        Some(CliCommand::Bootstrap(args)) => Ok(bootstrap::run(args).await?),
    }
}

fn print_openapi() -> Result<(), serde_json::Error> {
    let document = serde_json::to_string_pretty(&openapi::document()?)?;
    let _ = writeln!(std::io::stdout(), "{document}");
    Ok(())
}

async fn serve(args: ServeArgs) -> Result<(), ExitReason> {
    let running = compose::start(args.check(environment())?).await?;
    announce(&running);
    running.until_stopped(asked_to_stop()).await;
    Ok(())
}

/// Tells on standard output where the gateway listens: scripts wait for this line. A master key that was made just now
/// is shown once.
pub(crate) fn announce(running: &Running) {
    let mut out = std::io::stdout().lock();
    if let Some(master) = &running.new_master_key {
        let _ = writeln!(out, "master key (shown once, kept in the data folder): {}", master.expose());
    }
    let _ = writeln!(out, "listening on http://{}", running.address);
    let _ = out.flush();
}

/// Ends when the process is interrupted or terminated.
pub(crate) async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
