//! The binary `tallygate`.

use std::process::ExitCode;

use clap::Parser as _;
use tallygate_gateway::config::{Cli, CliCommand};
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    use_small_pages();
    let cli = Cli::parse();
    let log_json = match &cli.command {
        Some(CliCommand::Serve(args) | CliCommand::Demo(args)) => args.log_json,
        Some(CliCommand::Import { .. } | CliCommand::Bootstrap(_) | CliCommand::Validate(_) | CliCommand::Openapi) => {
            false
        }
        None => cli.serve.log_json,
    };
    start_tracing(log_json);
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::new(error)),
    };
    match runtime.block_on(tallygate_gateway::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => failed(&anyhow::Error::new(reason)),
    }
}

/// A huge page is zeroed, and counted, as a whole at its first byte: four times the memory at rest, and a third more CPU
/// a request where memory is new. A kernel that cannot do without them is no reason not to start.
fn use_small_pages() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// On one core the scheduler for many threads costs every request and gives nothing.
fn runtime() -> std::io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut builder = if cores == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.enable_all().build()
}

/// Log lines go to standard error; `RUST_LOG` says which.
fn start_tracing(json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,tallygate=info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json { lines.json().init() } else { lines.init() }
}

/// Prints the whole chain of causes, once, at the edge.
fn failed(error: &anyhow::Error) -> ExitCode {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "tallygate: {error:#}");
    ExitCode::FAILURE
}
