//! Where a gateway runs: its data folder, and the processes that are started there or elsewhere under its name.

use super::Sabotage;
use super::process::{Around, Process};
use super::world::World;
use crate::id::WriterId;
use crate::journal::{Circumstances, Journal, Recovery};
use crate::stream::Position;

/// A gateway by its name.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) writer: WriterId,
    /// The journal of its folder: the bytes of each run.
    pub(super) runs: Vec<(u64, Vec<u8>)>,
    /// Journals of folders that the newest process does not see.
    pub(super) elsewhere: Vec<(u64, Vec<u8>)>,
    /// Which folder it is: another one after the first was lost.
    pub(super) folder: u64,
    /// The boot of the machine.
    pub(super) host: u64,
    /// The newest process last; before it those that nobody knows to be alive.
    pub(super) processes: Vec<Process>,
    pub(super) down_until: u64,
    pub(super) is_down: bool,
}

impl Site {
    pub(super) fn new(number: u64) -> Self {
        Self {
            writer: WriterId::new(format!("g{number}")).expect("an id"),
            runs: Vec::new(),
            elsewhere: Vec::new(),
            folder: 0,
            host: 1,
            processes: Vec::new(),
            down_until: 0,
            is_down: true,
        }
    }

    pub(super) fn chain(&self) -> String {
        format!("{}/{}", self.writer, self.folder)
    }
}

impl World {
    /// Starts the gateway of a site that is down and whose time has come.
    pub(super) fn restart(&mut self, index: usize) {
        let site = &self.sites[index];
        if site.is_down && site.down_until <= self.now_ms {
            self.boot(index, site.processes.is_empty());
        }
    }

    /// Starts a process on what its folder holds.
    pub(super) fn boot(&mut self, index: usize, is_alone: bool) {
        self.processes += 1;
        let number = self.processes;
        let site = &mut self.sites[index];
        let (host, chain) = (site.host.to_string(), site.chain());
        let journal = Journal::read(&site.writer, site.runs.iter().map(|(_, bytes)| bytes.as_slice()));
        let activity = match self.sabotage {
            Some(Sabotage::ShipTwice) => Position::START,
            _ => self.log.activity_end(&chain),
        };
        let recovery = Recovery::of(&journal, Circumstances { host: &host, is_alone, activity });
        site.runs.push((number, Vec::new()));
        let Site { writer, runs, processes, .. } = site;
        let (_, disk) = runs.last_mut().expect("the run that was just begun");
        let mut around = Around {
            now_ms: self.now_ms,
            writer,
            disk,
            log: &mut self.log,
            provider: &mut self.provider,
            random: &mut self.random,
            rules: &self.rules,
            sabotage: self.sabotage,
        };
        processes.push(Process::start(number, &mut around, recovery, &host, chain));
        site.is_down = false;
    }
}
