//! The bench `gateway`: the simulated upstream, a bare proxy and Tallygate, side by side in one run. Rounds take turns, so
//! that whatever else the machine does falls on all of them alike.

mod figures;
pub(crate) mod phase;
pub(crate) mod setup;
pub(crate) mod subject;
pub(crate) mod tallygate;

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::value_parser;

use crate::cores::Placement;
use crate::gateway::figures::Figures;
use crate::gateway::phase::Plan;
use crate::gateway::subject::{Stage, Subject};
use crate::machine::Work;
use crate::report::Report;

/// How a run is made.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// What to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "upstream,bare-proxy,tallygate")]
    only: Vec<Subject>,
    /// Seconds of each measurement, after a warm-up of one.
    #[arg(long, default_value_t = 4, value_parser = value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Rounds; medians are printed.
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// Connections of the load.
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..=400))]
    connections: u32,
    /// Requests between the first and the second look at the memory.
    #[arg(long, default_value_t = 100_000, value_parser = value_parser!(u64).range(1..=10_000_000))]
    memory_requests: u64,
    /// The core under test and the core of the upstream and the load; by default the first two that may be used.
    #[arg(long, value_name = "TEST,LOAD", value_parser = parse_cores)]
    cores: Option<(usize, usize)>,
    /// The gateway's binary; by default it is built from this workspace.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

pub(crate) fn parse_cores(text: &str) -> Result<(usize, usize), String> {
    let (under_test, load) = text.split_once(',').ok_or("write two cores, such as 0,1")?;
    let parse = |core: &str| core.trim().parse::<usize>().map_err(|error| format!("`{core}`: {error}"));
    Ok((parse(under_test)?, parse(load)?))
}

/// Makes a run. It ends the processes that it starts, also when it is interrupted.
///
/// # Errors
/// When something cannot be started or set up, or ends in between. Requests that fail are in the report.
pub(crate) fn run(options: &Options) -> anyhow::Result<Report> {
    // Built before this process is pinned: the compiler may use all cores.
    let binary = match &options.binary {
        _ if !options.only.contains(&Subject::Tallygate) => None,
        Some(path) => Some(path.clone()),
        None => Some(tallygate::build()?),
    };
    let placement = Placement::take(options.cores)?;
    let plan = Plan {
        warm_up: Duration::from_secs(1),
        measured: Duration::from_secs(options.seconds),
        connections: options.connections as usize,
    };
    let work = async {
        let mut stage = Stage::set(&options.only, &placement, binary.as_deref()).await?;
        let before = Work::so_far(&placement.cores(), stage.processes())?;
        let mut figures = measure(&mut stage, plan, options).await?;
        let after = Work::so_far(&placement.cores(), stage.processes())?;
        figures.conclude(stage.failures(), after.others_percent_since(&before));
        Ok(figures)
    };
    let figures = crate::block_on_for(time_limit(options), work)?;
    Ok(figures.report(options, &placement))
}

/// Far more than a run needs, so that nothing waits for ever.
fn time_limit(options: &Options) -> Duration {
    const MEASUREMENTS_A_ROUND: u32 = 13;
    let rounds = Duration::from_secs(options.seconds + 1) * MEASUREMENTS_A_ROUND * options.rounds;
    Duration::from_secs(300 + options.memory_requests / 200) + rounds * 3
}

async fn measure(stage: &mut Stage, plan: Plan, options: &Options) -> anyhow::Result<Figures> {
    let mut figures = Figures::of(stage.subjects());
    for subject in stage.subjects() {
        progress(&format!("memory of {subject}, {} requests", options.memory_requests));
        let memory = phase::memory(stage.running(subject)?, plan, options.memory_requests).await?;
        figures.of_mut(subject).remember(memory);
    }
    for round in 1..=options.rounds {
        for subject in stage.subjects() {
            progress(&format!("round {round} of {}: {subject} at saturation", options.rounds));
            figures.of_mut(subject).saturated(phase::requests(stage.running(subject)?, plan).await?);
        }
    }
    for round in 1..=options.rounds {
        for subject in stage.proxies() {
            let Some(rate) = figures.of_mut(subject).half_load() else { continue };
            progress(&format!("round {round} of {}: {subject} at half load, {rate:.0} requests/s", options.rounds));
            let direct = phase::latency(stage.upstream(), plan, rate).await?;
            let through = phase::latency(stage.running(subject)?, plan, rate).await?;
            figures.of_mut(subject).delayed(through, direct);
        }
    }
    for round in 1..=options.rounds {
        for subject in stage.subjects() {
            progress(&format!("round {round} of {}: streams of {subject}", options.rounds));
            figures.of_mut(subject).streamed(phase::streams(stage.running(subject)?, plan).await?);
        }
    }
    Ok(figures)
}

/// Tells whoever waits what is going on.
pub(crate) fn progress(text: &str) {
    let _unheard = writeln!(std::io::stderr(), "{text} …");
}
