//! The bench `budgets`: two gateways of one binary, whose requests are paid from a chain of five budgets and from none. They
//! take turns, so that whatever else the machine does falls on both alike; all else is the same: limits, realms, journal.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::value_parser;

use crate::cores::Placement;
use crate::gateway::phase::{self, Plan, Saturation};
use crate::gateway::setup::Budgets;
use crate::gateway::subject::{self, Running};
use crate::gateway::{parse_cores, progress, tallygate};
use crate::machine::Work;
use crate::report::{Cell, Report, Row, spoilt};
use crate::samples::Samples;

/// How a run is made.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Seconds of each measurement, after a warm-up of one.
    #[arg(long, default_value_t = 4, value_parser = value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Rounds; medians are printed.
    #[arg(long, default_value_t = 7, value_parser = value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Connections of the load.
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..=400))]
    connections: u32,
    /// The core under test and the core of the upstream and the load; by default the first two that may be used.
    #[arg(long, value_name = "TEST,LOAD", value_parser = parse_cores)]
    cores: Option<(usize, usize)>,
    /// The gateway's binary; by default it is built from this workspace.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// What the rounds of one gateway gave.
#[derive(Debug, Default)]
struct Figures {
    per_second: Samples,
    cpu_us: Samples,
    busy_percent: Samples,
}

impl Figures {
    fn push(&mut self, round: Saturation) {
        self.per_second.push(round.per_second);
        self.cpu_us.push(round.cpu_us);
        self.busy_percent.push(round.busy_percent);
    }
}

/// What came out.
#[derive(Debug, Default)]
struct Found {
    with: Figures,
    without: Figures,
    /// Of each round, since two rounds beside one another met the same machine: lost requests/s in percent, and CPU of a
    /// request in microseconds.
    lost_percent: Samples,
    added_us: Samples,
    errors: Vec<String>,
    others_percent: f64,
}

/// Makes a run. It ends the processes that it starts, also when it is interrupted.
///
/// # Errors
/// When something cannot be started or set up, or ends in between. Requests that fail are in the report.
pub(crate) fn run(options: &Options) -> anyhow::Result<Report> {
    // Built before this process is pinned: the compiler may use all cores.
    let binary = options.binary.clone().map_or_else(tallygate::build, Ok)?;
    let placement = Placement::take(options.cores)?;
    let own = std::env::current_exe().context("the path of this program is not known")?;
    let work = async {
        let upstream = subject::upstream(&own, &placement).await?;
        let start = |budgets| tallygate::start(&binary, &placement, upstream.address, budgets);
        let (mut with, mut without) = (start(Budgets::FiveLevels).await?, start(Budgets::None).await?);
        for running in [&with, &without] {
            running.check().await?;
        }
        let processes = || [&upstream.process, &with.process, &without.process].into_iter();
        let before = Work::so_far(&placement.cores(), processes())?;
        let mut found = measure((&mut with, &mut without), options).await?;
        let processes = [&upstream.process, &with.process, &without.process].into_iter();
        found.others_percent = Work::so_far(&placement.cores(), processes)?.others_percent_since(&before);
        found.errors = failures(&with, &without);
        Ok(found)
    };
    Ok(crate::block_on_for(time_limit(options), work)?.report(options, &placement))
}

/// Far more than a run needs, so that nothing waits for ever.
fn time_limit(options: &Options) -> Duration {
    Duration::from_secs(300) + Duration::from_secs(options.seconds + 1) * options.rounds * 6
}

async fn measure((with, without): (&mut Running, &mut Running), options: &Options) -> anyhow::Result<Found> {
    let plan = Plan {
        warm_up: Duration::from_secs(1),
        measured: Duration::from_secs(options.seconds),
        connections: options.connections as usize,
    };
    let mut found = Found::default();
    for round in 1..=options.rounds {
        progress(&format!("round {round} of {}", options.rounds));
        // Who goes first changes, so that a machine that becomes slower or faster favours nobody.
        let (paid, free) = if round % 2 == 0 {
            let free = phase::requests(without, plan).await?;
            (phase::requests(with, plan).await?, free)
        } else {
            (phase::requests(with, plan).await?, phase::requests(without, plan).await?)
        };
        found.lost_percent.push(100.0 * (1.0 - paid.per_second / free.per_second));
        found.added_us.push(paid.cpu_us - free.cpu_us);
        found.with.push(paid);
        found.without.push(free);
    }
    Ok(found)
}

fn failures(with: &Running, without: &Running) -> Vec<String> {
    let of = |name: &'static str, running: &Running| {
        let tell = move |(kind, failed): (String, crate::tally::Failed)| {
            format!("{name}: {} requests {kind}; the first: {}", failed.count, failed.first)
        };
        running.tally.failed().into_iter().map(tell).collect::<Vec<_>>()
    };
    [of("five budgets", with), of("no budget", without)].concat()
}

impl Found {
    fn report(self, options: &Options, placement: &Placement) -> Report {
        let Self { with, without, lost_percent, added_us, errors, others_percent } = self;
        let row =
            |figure: &str, decimals, cells: [Cell; 3]| Row { figure: figure.to_owned(), decimals, cells: cells.into() };
        let measured = |samples: &Samples| Cell::Measured(samples.clone());
        let rows = vec![
            row("requests/s", 0, [measured(&with.per_second), measured(&without.per_second), measured(&lost_percent)]),
            row("CPU of a request, µs", 2, [measured(&with.cpu_us), measured(&without.cpu_us), measured(&added_us)]),
            row("core busy, %", 0, [measured(&with.busy_percent), measured(&without.busy_percent), Cell::Empty]),
        ];
        let load = format!(
            "{} connections; medians of {} rounds, {} s a measurement. Others used {others_percent:.0} % of these cores.",
            options.connections, options.rounds, options.seconds
        );
        let mut notes = vec![
            "The last column compares the two measurements of each round: requests/s that are lost, in percent, and CPU that \
             is added, in microseconds. ± is half the distance between the smallest and the largest round."
                .to_owned(),
        ];
        notes.extend(spoilt(others_percent, "CPU times hold nearly; rates do not."));
        Report {
            title: "What a chain of five budgets costs: key, three realms, gateway".to_owned(),
            setting: vec![placement.told("Gateways"), load],
            columns: vec!["five budgets".to_owned(), "no budget".to_owned(), "difference".to_owned()],
            rows,
            notes,
            errors,
        }
    }
}
