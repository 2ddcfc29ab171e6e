//! The gateway with one of its rules broken on purpose: `TALLYGATE_SABOTAGE` says which. Only for the controls of
//! `tests/chaos`, which must find it out. It is an example, so that it never takes the place of the true binary.

use std::process::ExitCode;

use clap::Parser as _;
use tallygate_gateway::config::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match Box::pin(tallygate_gateway::run(Cli::parse())).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the gateway has ended");
            ExitCode::FAILURE
        }
    }
}
