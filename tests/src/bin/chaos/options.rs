//! What is to be done: parts, how often, from which seed, and what is broken meanwhile.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use tallygate_tests::binaries::binary;
use tallygate_tests::gateway::Setup;

use crate::dice;

/// A part, and what breaks it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) controls: &'static [Control],
}

/// What is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// A rule of the gateway, by the name that its build for controls knows (`gateway/src/sabotage.rs`).
    Gateway(&'static str),
    /// The part does it, since no rule of the code stands against it.
    CutOff,
    /// The journal is removed before the start.
    NoJournalLeft,
    /// Gateways that share no log.
    NoSharedLog,
}

/// The parts, in the order they run.
const PARTS: [Part; 8] = [
    Part {
        name: "kills",
        controls: &[
            Control::Gateway("answer-before-append"),
            Control::Gateway("no-journal"),
            Control::Gateway("forget-outbox"),
            Control::Gateway("settle-twice"),
        ],
    },
    Part { name: "restart", controls: &[Control::NoJournalLeft] },
    Part {
        name: "syscalls",
        controls: &[
            Control::Gateway("answer-before-append"),
            Control::Gateway("no-journal"),
            Control::Gateway("settle-twice"),
        ],
    },
    Part { name: "disk", controls: &[Control::Gateway("answer-before-append")] },
    Part {
        name: "cluster",
        controls: &[
            Control::Gateway("answer-before-append"),
            Control::Gateway("check-then-add"),
            Control::Gateway("settle-twice"),
        ],
    },
    Part {
        name: "callers",
        controls: &[
            Control::Gateway("check-then-add"),
            Control::Gateway("settle-twice"),
            Control::Gateway("forget-unseen"),
            Control::Gateway("forget-disconnected"),
        ],
    },
    Part { name: "revocation", controls: &[Control::CutOff] },
    Part { name: "rates", controls: &[Control::NoSharedLog] },
];

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) parts: Vec<Part>,
    pub(crate) is_control: bool,
    /// How often, if not as often as the part says.
    rounds: Option<usize>,
    /// How many seeds, if not as many as the part says.
    seeds: Option<usize>,
    /// On how many gateways, if not on one and on three.
    gateways: Option<usize>,
    pub(crate) seed: u64,
    /// The gateway that breaks rules.
    sabotaged: Option<PathBuf>,
    pub(crate) control: Option<Control>,
}

impl Control {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gateway(name) => name,
            Self::CutOff => "cut-off",
            Self::NoJournalLeft => "no-journal-left",
            Self::NoSharedLog => "no-shared-log",
        }
    }
}

impl Options {
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            parts: Vec::new(),
            is_control: false,
            rounds: None,
            seeds: None,
            gateways: None,
            seed: dice::fresh_seed(),
            sabotaged: None,
            control: None,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--control" => options.is_control = true,
                "--sabotaged" => options.sabotaged = Some(value()?.into()),
                "--rounds" => options.rounds = Some(value()?.parse()?),
                "--seeds" => options.seeds = Some(value()?.parse()?),
                "--gateways" => options.gateways = Some(value()?.parse()?),
                "--seed" => options.seed = value()?.parse()?,
                name => match PARTS.iter().find(|part| part.name == name) {
                    Some(part) => options.parts.push(*part),
                    None => bail!("no part or option `{name}`; parts are {}", PARTS.map(|part| part.name).join(" ")),
                },
            }
        }
        ensure!(!options.is_control || options.sabotaged.is_some(), "controls need `--sabotaged` and a program");
        if options.parts.is_empty() {
            options.parts = PARTS.into();
        }
        Ok(options)
    }

    /// The same with something broken.
    pub(crate) const fn under(mut self, control: Control) -> Self {
        self.control = Some(control);
        self
    }

    pub(crate) fn rounds(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(if self.is_control { usual.min(5) } else { usual })
    }

    pub(crate) fn seeds(&self, usual: usize) -> usize {
        self.seeds.unwrap_or(if self.is_control { 1 } else { usual })
    }

    /// How many gateways each of the sites has.
    pub(crate) fn sites(&self) -> Vec<usize> {
        self.gateways.map_or_else(|| vec![1, 3], |gateways| vec![gateways])
    }

    /// A gateway as it is, or as the control breaks it.
    pub(crate) fn gateway(&self) -> Setup {
        match (self.control, &self.sabotaged) {
            (Some(Control::Gateway(name)), Some(program)) => {
                Setup::new().program(program).env("TALLYGATE_SABOTAGE", name)
            }
            _ => Setup::new(),
        }
    }

    /// Its program.
    pub(crate) fn program(&self) -> Result<PathBuf> {
        match (self.control, &self.sabotaged) {
            (Some(Control::Gateway(_)), Some(program)) => Ok(program.clone()),
            _ => binary("tallygate"),
        }
    }
}
