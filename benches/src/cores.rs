//! Which core runs what: the process under test has one to itself, everything else shares another.

use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::machine::processor;

/// Sets the cores a process may run on.
const TASKSET: &str = "taskset";

/// The cores of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cores {
    /// The core of the process under test.
    pub(crate) under_test: usize,
    /// The core of the upstream and the load.
    pub(crate) load: usize,
}

/// Where processes run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Each on its core.
    Pinned(Cores),
    /// Wherever the kernel puts them, and why.
    Free(String),
}

impl Placement {
    /// Pins this process to the core of the load, if there are two cores and a way to do it. Must be called before there
    /// are other threads. `asked` is the core under test and the core of the load.
    ///
    /// # Errors
    /// When cores were asked for and cannot be had. Without that, [`Placement::Free`] says why.
    pub(crate) fn take(asked: Option<(usize, usize)>) -> anyhow::Result<Self> {
        match pin(asked) {
            Ok(cores) => Ok(Self::Pinned(cores)),
            Err(error) if asked.is_some() => Err(error),
            Err(error) => Ok(Self::Free(format!("{error:#}"))),
        }
    }

    /// The cores in use; empty when that may be any.
    pub(crate) fn cores(&self) -> Vec<usize> {
        match self {
            Self::Pinned(cores) => vec![cores.under_test, cores.load],
            Self::Free(_) => Vec::new(),
        }
    }

    /// It in words; `subject` is what is under test, as the beginning of a sentence.
    pub(crate) fn told(&self, subject: &str) -> String {
        match self {
            Self::Pinned(Cores { under_test, load }) => {
                format!("{subject} on core {under_test}, upstream and load on core {load} ({}).", processor())
            }
            Self::Free(why) => format!("NOT PINNED to cores: {why} ({}).", processor()),
        }
    }

    /// A command whose process, with all its threads, runs on the core under test.
    pub(crate) fn under_test(&self, program: &std::path::Path) -> Command {
        match self {
            Self::Pinned(cores) => pinned(cores.under_test, program),
            Self::Free(_) => Command::new(program),
        }
    }

    /// A command whose process runs on the core of the load.
    pub(crate) fn beside_the_load(&self, program: &std::path::Path) -> Command {
        match self {
            Self::Pinned(cores) => pinned(cores.load, program),
            Self::Free(_) => Command::new(program),
        }
    }
}

fn pin(asked: Option<(usize, usize)>) -> anyhow::Result<Cores> {
    let status = std::fs::read_to_string("/proc/self/status").context("no /proc here")?;
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let allowed = parse_list(allowed.context("the kernel does not tell which cores may be used")?)?;
    let cores = choose(&allowed, asked)?;
    let own = std::process::id().to_string();
    let output =
        Command::new(TASKSET).args(["-a", "-c", "-p", &cores.load.to_string(), &own]).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("{TASKSET} (of util-linux) cannot be run"))?;
    ensure!(output.status.success(), "{TASKSET}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(cores)
}

/// `taskset` becomes the program, so the process id is the program's.
fn pinned(core: usize, program: &std::path::Path) -> Command {
    let mut command = Command::new(TASKSET);
    command.arg("-c").arg(core.to_string()).arg(program);
    command
}

fn choose(allowed: &[usize], asked: Option<(usize, usize)>) -> anyhow::Result<Cores> {
    let cores = match (asked, allowed) {
        (Some((under_test, load)), _) => Cores { under_test, load },
        (None, [under_test, load, ..]) => Cores { under_test: *under_test, load: *load },
        (None, _) => bail!("only one core may be used"),
    };
    ensure!(cores.under_test != cores.load, "the core under test must not be the core of the load");
    for core in [cores.under_test, cores.load] {
        ensure!(allowed.contains(&core), "core {core} may not be used, only {allowed:?}");
    }
    Ok(cores)
}

/// Reads the kernel's way to write cores: `0-3,8`.
fn parse_list(text: &str) -> anyhow::Result<Vec<usize>> {
    let mut cores = Vec::new();
    for range in text.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let parse = |core: &str| core.parse::<usize>().with_context(|| format!("`{text}` is no list of cores"));
        cores.extend(parse(first)?..=parse(last)?);
    }
    Ok(cores)
}

#[cfg(test)]
mod tests {
    use super::{Cores, choose, parse_list};

    #[test]
    fn the_list_of_cores_is_read_as_the_kernel_writes_it() {
        assert_eq!(parse_list("\t0-2,8\n").unwrap(), [0, 1, 2, 8]);
        assert_eq!(parse_list("5").unwrap(), [5]);
        parse_list("none").unwrap_err();
    }

    #[test]
    fn two_different_cores_that_may_be_used_are_chosen_or_none() {
        assert_eq!(choose(&[2, 3, 4], None).unwrap(), Cores { under_test: 2, load: 3 });
        assert_eq!(choose(&[2, 3, 4], Some((4, 2))).unwrap(), Cores { under_test: 4, load: 2 });
        choose(&[2], None).unwrap_err();
        choose(&[2, 3], Some((2, 2))).unwrap_err();
        choose(&[2, 3], Some((2, 9))).unwrap_err();
    }
}
