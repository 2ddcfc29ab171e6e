//! What survives: kills, full disks, cut links and lost servers, against real processes. A figure a line.
//!
//! `tests/chaos` builds and runs it. With `--control` each part breaks, on purpose, what it is about: then its figures must
//! be wrong, or they would prove nothing.

#![allow(clippy::print_stdout, reason = "figures are what it is for")]

mod cluster;
mod dice;
mod disk;
mod figures;
mod ground;
mod kills;
mod load;
mod restart;
mod rates;
mod revocation;
mod syscalls;

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use figures::Figures;

/// The parts, in the order they run.
const PARTS: [&str; 7] = ["kills", "restart", "syscalls", "disk", "cluster", "revocation", "rates"];

/// What is to be done.
#[derive(Debug)]
struct Options {
    parts: Vec<String>,
    control: bool,
    /// How often, if not as often as the part says.
    rounds: Option<usize>,
    seed: u64,
}

impl Options {
    fn read(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self { parts: Vec::new(), control: false, rounds: None, seed: dice::fresh_seed() };
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} needs a number"));
            match argument.as_str() {
                "--control" => options.control = true,
                "--rounds" => options.rounds = Some(value()?.parse()?),
                "--seed" => options.seed = value()?.parse()?,
                part if PARTS.contains(&part) => options.parts.push(part.to_owned()),
                other => bail!("no part or option `{other}`; parts are {}", PARTS.join(" ")),
            }
        }
        if options.parts.is_empty() {
            options.parts = PARTS.map(str::to_owned).into();
        }
        Ok(options)
    }

    fn rounds(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(if self.control { usual.min(3) } else { usual })
    }
}

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

/// Whether all is as it must be: right figures, or wrong ones in every part of a control.
async fn run() -> Result<bool> {
    let options = Options::read(std::env::args().skip(1))?;
    println!("seed {}{}", options.seed, if options.control { ", control" } else { "" });
    let mut all = true;
    for part in &options.parts {
        let mut figures = Figures::of(part);
        match part.as_str() {
            "kills" => kills::run(&options, &mut figures).await?,
            "restart" => restart::run(&options, &mut figures).await?,
            "syscalls" => syscalls::run(&options, &mut figures).await?,
            "disk" => disk::run(&options, &mut figures).await?,
            "cluster" => Box::pin(cluster::run(&options, &mut figures)).await?,
            "revocation" => revocation::run(&options, &mut figures).await?,
            _ => Box::pin(rates::run(&options, &mut figures)).await?,
        }
        if options.control {
            println!("{part}: the control {}", if figures.are_right() { "WAS NOT FOUND OUT" } else { "was found out" });
        }
        all &= figures.are_right() != options.control;
    }
    Ok(all)
}
