//! What survives: kills, full disks, cut links, lost servers and callers that leave, against real processes. A figure a line.
//!
//! `tests/chaos` builds and runs it. With `--control` the gateway of each part breaks one of its own rules on purpose, one
//! after another: then figures must be wrong, or they would prove nothing.

#![allow(clippy::print_stdout, reason = "figures are what it is for")]

mod callers;
mod cluster;
mod dice;
mod disk;
mod figures;
mod ground;
mod kills;
mod load;
mod restart;
mod rates;
mod options;
mod revocation;
mod syscalls;

use std::process::ExitCode;

use anyhow::Result;

use figures::Figures;
use options::{Control, Options};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("chaos: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether all is as it must be: right figures, or wrong ones in every control.
async fn run() -> Result<bool> {
    let options = Options::read(std::env::args().skip(1))?;
    println!("seed {}{}", options.seed, if options.is_control { ", controls" } else { "" });
    let mut all = true;
    for part in &options.parts {
        if !options.is_control {
            all &= judge(part.name, &options).await?.are_right();
            continue;
        }
        for control in part.controls {
            let figures = judge(part.name, &options.clone().under(*control)).await?;
            let verdict = if figures.are_right() { "WAS NOT FOUND OUT" } else { "was found out" };
            println!("{}: the control `{}` {verdict}", part.name, control.name());
            all &= !figures.are_right();
        }
    }
    Ok(all)
}

async fn judge(part: &str, options: &Options) -> Result<Figures> {
    let mut figures = Figures::of(part);
    match part {
        "kills" => kills::run(options, &mut figures).await?,
        "restart" => restart::run(options, &mut figures).await?,
        "syscalls" => syscalls::run(options, &mut figures).await?,
        "disk" => disk::run(options, &mut figures).await?,
        "cluster" => Box::pin(cluster::run(options, &mut figures)).await?,
        "callers" => Box::pin(callers::run(options, &mut figures)).await?,
        "revocation" => revocation::run(options, &mut figures).await?,
        _ => Box::pin(rates::run(options, &mut figures)).await?,
    }
    Ok(figures)
}
