//! Measures Tallygate, and prints what it found as a table. Nothing here is a test: a figure depends on the machine, so
//! no figure makes a run fail. A run fails when what it measured did not work.

mod bare_proxy;
mod budgets;
mod chat;
mod client;
mod closed_loop;
mod cores;
mod gateway;
mod machine;
mod messages;
mod open_loop;
mod pacer;
mod process;
mod question;
mod report;
mod samples;
mod serve;
mod tally;
mod translation;
mod upstream;

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};

use crate::report::Report;

// The gateway's allocator, so that the bare proxy differs from it in nothing but its work.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "tallygate-benches", about = "Measures Tallygate and prints tables", disable_help_subcommand = true)]
struct CommandLine {
    #[command(subcommand)]
    bench: Bench,
    /// Print JSON instead of a table.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Bench {
    /// The gateway beside its upstream and a bare proxy: requests/s, CPU time, latency, streams, memory.
    Gateway(gateway::Options),
    /// What budgets cost: the gateway with a chain of five of them beside one without any.
    Budgets(budgets::Options),
    /// What translation costs: streams that are passed on beside streams that are translated, in both directions.
    Translation(translation::Options),
    /// The simulated upstream, in a process of its own.
    #[command(hide = true)]
    Upstream,
    /// The bare proxy, in a process of its own.
    #[command(hide = true)]
    BareProxy {
        /// Where the upstream listens.
        upstream: SocketAddr,
    },
}

fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    match run(command_line) {
        Ok(code) => code,
        Err(error) => {
            // With the standard error gone there is nobody left to tell.
            let _unheard = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command_line: CommandLine) -> anyhow::Result<ExitCode> {
    let report = match command_line.bench {
        Bench::Gateway(options) => gateway::run(&options)?,
        Bench::Budgets(options) => budgets::run(&options)?,
        Bench::Translation(options) => translation::run(&options)?,
        Bench::Upstream => return block_on(upstream::run()).map(|()| ExitCode::SUCCESS),
        Bench::BareProxy { upstream } => return block_on(bare_proxy::run(upstream)).map(|()| ExitCode::SUCCESS),
    };
    print(&report, command_line.json)?;
    Ok(if report.errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs on one thread: every process of a bench has but one core.
fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(future)
}

/// Runs for so long at the most, and until somebody interrupts it: what it started ends with it.
fn block_on_for<T>(limit: Duration, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    block_on(async {
        tokio::select! {
            done = tokio::time::timeout(limit, work) => done.context("the run takes too long: given up")?,
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    })
}

fn print(report: &Report, json: bool) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut stdout, report).context("the report cannot be written")?;
        writeln!(stdout)?;
    } else {
        write!(stdout, "{report}")?;
    }
    stdout.flush().context("the report cannot be written")
}
