//! The binary `tallygate-replay`: audits a log. It only reads, and may run beside a gateway.

mod cli;
mod source;
mod lines;
mod verify;
mod as_of;
mod rebuild;
mod tail;
mod report;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command};
use crate::report::Report;

/// What the exit status says: all is well, something is wrong (named on the last line), or it was asked wrongly.
fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report::asked_wrongly(&error.into()),
    };
    match runtime.block_on(run(&cli)) {
        Ok(report) => report.print(cli.json),
        Err(error) => report::asked_wrongly(&error),
    }
}

async fn run(cli: &Cli) -> anyhow::Result<Report> {
    let source = source::open(&cli.source).await?;
    match &cli.command {
        Command::Verify => verify::run(&source).await,
        Command::Rebuild(args) => rebuild::run(&source, args).await,
        Command::AsOf(args) => as_of::run(&source, args).await,
        Command::Tail(args) => tail::run(&source, args).await,
    }
}
