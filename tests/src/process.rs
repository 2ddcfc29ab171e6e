//! One real process of a test: started with an environment of its own, heard line by line, ended by its process id.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// So often a program is started that is still being written.
const BUSY_TRIES_MAX: u32 = 1_000;

/// How long a process may take to say what is awaited, or to end.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The same for a script of a client library, some of which take seconds to load on an idle machine.
pub const CLIENT_PATIENCE: Duration = Duration::from_secs(180);

/// A process. It is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    heard: Heard,
    readers: Vec<JoinHandle<()>>,
}

/// How a process ended, and all it wrote.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// The lines of its standard output and standard error, as they came.
    pub output: String,
}

/// Lines as they come from both outputs, shared with the tasks that read them.
#[derive(Debug, Clone)]
struct Heard {
    lines: Arc<Mutex<Vec<String>>>,
    count: watch::Sender<usize>,
}

impl Heard {
    fn new() -> Self {
        Self { lines: Arc::default(), count: watch::Sender::new(0) }
    }

    fn push(&self, line: String) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line);
        self.count.send_replace(lines.len());
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    fn find<T>(&self, wanted: &impl Fn(&str) -> Option<T>) -> Option<T> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().find_map(|line| wanted(line))
    }
}

impl Process {
    /// Starts a program with these arguments and no environment but the one given.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start<A, K, V>(
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self>
    where
        A: AsRef<OsStr>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(environment);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        // A program that was written a moment ago is busy while a child that another thread forked meanwhile still has
        // the file open.
        let mut spawned = command.spawn();
        for _ in 0..BUSY_TRIES_MAX {
            match &spawned {
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
                _ => break,
            }
            spawned = command.spawn();
        }
        let mut child = spawned.with_context(|| format!("{} does not start", program.display()))?;
        let heard = Heard::new();
        let mut readers = Vec::new();
        readers.extend(child.stdout.take().map(|output| tokio::spawn(listen(output, heard.clone()))));
        readers.extend(child.stderr.take().map(|output| tokio::spawn(listen(output, heard.clone()))));
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, child, heard, readers })
    }

    /// Waits for a line, of either output, in which `wanted` finds something; lines that came before count.
    ///
    /// # Errors
    /// When the process ends first, or [`PATIENCE`] does. The text holds all that it wrote.
    pub async fn wait_for<T>(&mut self, wanted: impl Fn(&str) -> Option<T>) -> Result<T> {
        let mut count = self.heard.count.subscribe();
        let heard = self.heard.clone();
        let found = async {
            loop {
                count.mark_unchanged();
                if let Some(found) = heard.find(&wanted) {
                    return found;
                }
                // The sender lives in `heard`, so this ends only with a new line.
                let _ = count.changed().await;
            }
        };
        tokio::select! {
            biased;
            found = timeout(PATIENCE, found) => match found {
                Ok(found) => Ok(found),
                Err(_) => bail!("{} did not say in time what was awaited:\n{}", self.name, self.output()),
            },
            status = self.child.wait() => {
                let status = status?;
                self.drain().await;
                if let Some(found) = self.heard.find(&wanted) {
                    return Ok(found);
                }
                bail!("{} ended with {status} before it said what was awaited:\n{}", self.name, self.output())
            }
        }
    }

    /// All that it wrote so far, standard output and standard error, line by line as it came.
    #[must_use]
    pub fn output(&self) -> String {
        self.heard.text()
    }

    /// The process id; none once it has ended and that was seen.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends a signal by name: `TERM`, `STOP`, `CONT`.
    ///
    /// # Errors
    /// When the process has ended.
    pub async fn signal(&self, name: &str) -> Result<()> {
        let id = self.id().with_context(|| format!("{} has ended", self.name))?;
        // The shell's own `kill`: every system has it, and the workspace forbids the unsafe call.
        let sent = Command::new("/bin/sh").arg("-c").arg(format!("kill -s {name} {id}")).status().await?;
        if !sent.success() {
            bail!("{} ({id}) could not be sent {name}", self.name);
        }
        Ok(())
    }

    /// Ends it with SIGKILL: it cannot flush or say anything. Waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(mut self) -> Result<Ended> {
        // An error means that it ended by itself before; the status says how.
        let _ = self.child.start_kill();
        self.ended().await
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end within [`PATIENCE`]. It is killed then.
    pub async fn ended(self) -> Result<Ended> {
        self.ended_within(PATIENCE).await
    }

    /// Waits for its end, for as long as this.
    ///
    /// # Errors
    /// When it does not end in that time. It is killed then.
    pub async fn ended_within(mut self, patience: Duration) -> Result<Ended> {
        let Ok(status) = timeout(patience, self.child.wait()).await else {
            bail!("{} did not end in time:\n{}", self.name, self.output());
        };
        let status = status?;
        self.drain().await;
        Ok(Ended { status, output: self.output() })
    }

    /// Reads what is left after the end. A grandchild may hold the outputs open, so not for ever.
    async fn drain(&mut self) {
        for reader in self.readers.drain(..) {
            let _ = timeout(Duration::from_secs(2), reader).await;
        }
    }
}

async fn listen(output: impl AsyncRead + Unpin, heard: Heard) {
    let mut lines = BufReader::new(output).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        heard.push(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned());
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Process;

    fn shell(script: &str) -> Process {
        Process::start(Path::new("/bin/sh"), ["-c", script], [("GREETING", "hello")]).unwrap()
    }

    fn greeted(line: &str) -> Option<String> {
        line.strip_prefix("hello ").map(str::to_owned)
    }

    #[tokio::test]
    async fn a_line_of_either_output_is_heard() {
        let mut process = shell("echo starting; echo $GREETING you >&2; exec sleep 600");
        assert_eq!(process.wait_for(greeted).await.unwrap(), "you");
        assert_eq!(process.wait_for(greeted).await.unwrap(), "you", "lines that came before count");
        let ended = process.kill().await.unwrap();
        assert!(!ended.status.success());
    }

    #[tokio::test]
    async fn a_process_that_ends_early_is_reported_with_all_it_said() {
        let mut process = shell("echo cannot bind; exit 3");
        let error = process.wait_for(greeted).await.unwrap_err().to_string();
        assert!(error.contains("cannot bind") && error.contains('3'), "{error}");
    }

    #[tokio::test]
    async fn it_gets_no_environment_but_its_own() {
        let ended = shell("echo path=$HOME=").ended().await.unwrap();
        assert_eq!(ended.output, "path==");
    }

    #[tokio::test]
    async fn a_signal_reaches_it() {
        let mut process = shell("trap 'echo hello TERM; exit 0' TERM; echo hello ready; while :; do sleep 0.01; done");
        process.wait_for(greeted).await.unwrap();
        process.signal("TERM").await.unwrap();
        let ended = process.ended().await.unwrap();
        assert!(ended.status.success() && ended.output.ends_with("hello TERM"), "{ended:?}");
    }
}
