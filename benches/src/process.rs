//! A child process: started, watched through /proc, and gone when its owner is.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use crate::serve::ANNOUNCEMENT;

/// What the kernel counts CPU time in, here: USER_HZ is 100 on every architecture but two that are gone.
pub(crate) const TICK: Duration = Duration::from_millis(10);
/// How much of the end of a child's output is shown when it fails.
const OUTPUT_SHOWN_BYTES: u64 = 2_000;

/// A running child. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: String,
    /// What it wrote, if that is kept.
    output: Option<File>,
}

impl Process {
    /// Starts a command.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(name: &str, command: &mut Command) -> anyhow::Result<Self> {
        let child = command.spawn().with_context(|| format!("{name} cannot be started"))?;
        Ok(Self { child, name: name.to_owned(), output: None })
    }

    /// Starts a command whose output is kept to explain its failures. It gets no input.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start_with_output_kept(name: &str, command: &mut Command) -> anyhow::Result<Self> {
        let output = tempfile::tempfile().context("no temporary file")?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?);
        let mut process = Self::start(name, command)?;
        process.output = Some(output);
        Ok(process)
    }

    /// Starts one of our own servers, and waits until it says where it listens.
    ///
    /// # Errors
    /// When it cannot be started, or ends before it listens.
    pub(crate) fn start_server(name: &str, command: &mut Command) -> anyhow::Result<(Self, SocketAddr)> {
        let mut process = Self::start(name, command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let stdout = process.child.stdout.take().context("no pipe")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).with_context(|| format!("{name} says nothing"))?;
        let address = line.trim().strip_prefix(ANNOUNCEMENT).with_context(|| format!("{name} does not listen"))?;
        let address = address.parse().with_context(|| format!("`{address}` is no address"))?;
        Ok((process, address))
    }

    /// That it still runs.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn check_running(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait().with_context(|| format!("{} cannot be watched", self.name))? {
            None => Ok(()),
            Some(status) => bail!("{} has ended: {status}{}", self.name, self.last_words()),
        }
    }

    /// The end of its output, to be put after a message; empty when none is kept.
    pub(crate) fn last_words(&self) -> String {
        let Some(mut output) = self.output.as_ref() else { return String::new() };
        let mut read = || -> std::io::Result<String> {
            let length = output.seek(SeekFrom::End(0))?;
            output.seek(SeekFrom::Start(length.saturating_sub(OUTPUT_SHOWN_BYTES)))?;
            let mut end = Vec::new();
            output.read_to_end(&mut end)?;
            Ok(String::from_utf8_lossy(&end).into_owned())
        };
        match read() {
            Ok(text) if text.trim().is_empty() => "\nit wrote nothing".to_owned(),
            Ok(text) => format!("\nthe end of what it wrote:\n{}", text.trim_end()),
            Err(error) => format!("\nwhat it wrote cannot be read: {error}"),
        }
    }

    /// The CPU time it used so far, user and system, of all its threads, in steps of 10 ms.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn cpu_time(&self) -> anyhow::Result<Duration> {
        cpu_time(self.child.id()).with_context(|| self.name.clone())
    }

    /// Its resident memory in bytes.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.with_context(|| format!("{} is gone", self.name))?;
        // A child that ended, and was not waited for yet, has no memory.
        let kib = parse_resident_kib(&status).with_context(|| format!("{} has ended", self.name))?;
        Ok(kib * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the child is gone already.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// The CPU time that a process used so far, user and system, of all its threads.
///
/// # Errors
/// When it is gone.
pub(crate) fn cpu_time(id: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).context("the process is gone")?;
    // One that ended stays there until it is waited for.
    ensure!(!stat.contains(") Z "), "the process has ended");
    Ok(TICK * parse_ticks(&stat).context("the kernel does not tell its CPU time")?)
}

/// utime and stime of /proc/pid/stat. The name before them may hold anything, even parentheses.
fn parse_ticks(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split(' ').skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

fn parse_resident_kib(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    value.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use super::{Process, parse_resident_kib, parse_ticks};

    #[test]
    fn cpu_time_is_user_and_system_time_whatever_the_name() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 41 17 0 0 20 0 1 0 5 6 7";
        assert_eq!(parse_ticks(stat), Some(58));
        assert_eq!(parse_ticks("7 (a) S 1"), None);
    }

    #[test]
    fn resident_memory_is_read_in_kib() {
        assert_eq!(parse_resident_kib("Name:\ta\nVmRSS:\t    1234 kB\nThreads: 1\n"), Some(1234));
        assert_eq!(parse_resident_kib("Name:\ta\n"), None);
    }

    #[test]
    fn a_busy_child_is_seen_to_use_cpu_time_and_memory() {
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do :; done"]).stdout(Stdio::null());
        let mut process = Process::start("a busy shell", &mut command).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while process.cpu_time().unwrap() < Duration::from_millis(50) {
            assert!(Instant::now() < deadline, "no CPU time was counted");
            std::thread::yield_now();
        }
        assert!(process.resident_bytes().unwrap() > 0);
        process.check_running().unwrap();
    }

    #[test]
    fn a_child_that_ended_is_quoted() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo the folder is locked >&2; exit 3"]);
        let mut process = Process::start_with_output_kept("a shell", &mut command).unwrap();
        process.child.wait().unwrap();
        let error = process.check_running().unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("the folder is locked"), "{error}");
    }

    #[test]
    fn a_child_that_ended_is_noticed() {
        let mut process = Process::start("false", &mut Command::new("false")).unwrap();
        process.child.wait().unwrap();
        process.check_running().unwrap_err();
        process.cpu_time().unwrap_err();
    }
}
