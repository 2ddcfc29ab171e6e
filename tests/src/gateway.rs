//! A real `tallygate` process on loopback, with a data folder of its own.
//!
//! The contract with the binary: `--port 0` takes a free port, and once requests are answered one line on standard
//! output says `listening on http://127.0.0.1:PORT`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::binaries::binary;
use crate::client::Client;
use crate::process::{Ended, Process};

/// The master key of every gateway that a test starts.
pub const MASTER_KEY: &str = "sk-master-of-the-tests-4b8f0c6d21";

const READY: &str = "listening on ";

/// How a gateway is to be started.
#[derive(Debug, Default, Clone)]
pub struct Setup {
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    data: Option<PathBuf>,
    program: Option<PathBuf>,
    host: Option<String>,
}

/// A running gateway. It is killed when this is dropped, and its data folder goes unless the test gave it.
#[derive(Debug)]
pub struct Gateway {
    process: Process,
    setup: Setup,
    url: String,
    data: DataFolder,
}

#[derive(Debug)]
enum DataFolder {
    Own(TempDir),
    Given(PathBuf),
}

impl DataFolder {
    fn path(&self) -> &Path {
        match self {
            Self::Own(folder) => folder.path(),
            Self::Given(path) => path,
        }
    }
}

impl Setup {
    /// On a free port, with [`MASTER_KEY`], the embedded log and a fresh data folder.
    #[must_use]
    pub fn new() -> Self {
        // Each reply of a simulated upstream is for one request, unless a test is about what is tried again.
        let setup = Self::default().env("TALLYGATE_MASTER_KEY", MASTER_KEY).env("TALLYGATE_RETRIES", "0");
        setup.env("RUST_BACKTRACE", "1")
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// One more environment variable, or another value of one. The test's own environment is not passed on.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Without an environment variable that [`Setup::new`] sets.
    #[must_use]
    pub fn without_env(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// A data folder that the test keeps: it is not removed in the end.
    #[must_use]
    pub fn data(mut self, folder: &Path) -> Self {
        self.data = Some(folder.to_path_buf());
        self
    }

    /// On another address than loopback.
    #[must_use]
    pub fn host(mut self, address: &str) -> Self {
        self.host = Some(address.to_owned());
        self
    }

    /// Another program than the `tallygate` that cargo built.
    #[must_use]
    pub fn program(mut self, path: &Path) -> Self {
        self.program = Some(path.to_path_buf());
        self
    }

    /// Starts the gateway and waits until it says that it listens.
    ///
    /// # Errors
    /// When the binary is not built, or the gateway ends or stays silent. The text holds all that it wrote.
    pub async fn start(self) -> Result<Gateway> {
        let data = self.data_folder()?;
        Gateway::start_on(self, data).await
    }

    /// Starts a gateway that is expected to end by itself, such as one that refuses its data folder, and waits for it.
    ///
    /// # Errors
    /// When the binary is not built, or it does not end in time.
    pub async fn run(self) -> Result<Ended> {
        let data = self.data_folder()?;
        self.spawn(data.path())?.ended().await
    }

    fn data_folder(&self) -> Result<DataFolder> {
        match &self.data {
            Some(path) => Ok(DataFolder::Given(path.clone())),
            None => Ok(DataFolder::Own(TempDir::new().context("no temporary folder")?)),
        }
    }

    fn spawn(&self, data: &Path) -> Result<Process> {
        let program = self.program.clone().map_or_else(|| binary("tallygate"), Ok)?;
        let data = data.to_string_lossy().into_owned();
        let host = self.host.as_deref().unwrap_or("127.0.0.1");
        let always = ["serve", "--host", host, "--port", "0", "--data"].map(str::to_owned);
        let arguments = always.into_iter().chain([data]).chain(self.arguments.iter().cloned());
        Process::start(&program, arguments, &self.environment)
    }
}

impl Gateway {
    /// Starts a gateway as [`Setup::new`] says.
    ///
    /// # Errors
    /// As [`Setup::start`].
    pub async fn start() -> Result<Self> {
        Setup::new().start().await
    }

    async fn start_on(setup: Setup, data: DataFolder) -> Result<Self> {
        let mut process = setup.spawn(data.path())?;
        let url = process.wait_for(listening_on).await?;
        Ok(Self { process, setup, url, data })
    }

    /// Its address, such as `http://127.0.0.1:41233`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// All that it wrote so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// Its process, for signals and figures.
    #[must_use]
    pub const fn process(&self) -> &Process {
        &self.process
    }

    /// A client with the master key.
    ///
    /// # Errors
    /// When no client can be built.
    pub fn operator(&self) -> Result<Client> {
        Client::new(&self.url, Some(MASTER_KEY))
    }

    /// A client with a virtual key.
    ///
    /// # Errors
    /// When no client can be built.
    pub fn caller(&self, key: &str) -> Result<Client> {
        Client::new(&self.url, Some(key))
    }

    /// Kills it with SIGKILL and waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(self) -> Result<Ended> {
        self.process.kill().await
    }

    /// Kills it with SIGKILL and starts it again on the same data. The port is another one.
    ///
    /// # Errors
    /// As [`Setup::start`].
    pub async fn kill_and_restart(self) -> Result<Self> {
        self.process.kill().await?;
        Self::start_on(self.setup, self.data).await
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn shut_down(self) -> Result<Ended> {
        self.process.signal("TERM").await?;
        self.process.ended().await
    }
}

/// The address in the line by which a gateway says that it is ready.
fn listening_on(line: &str) -> Option<String> {
    let url = line.strip_prefix(READY)?.trim_end();
    let port = url.strip_prefix("http://127.0.0.1:")?;
    port.parse::<u16>().ok().filter(|port| *port > 0)?;
    Some(url.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::{MASTER_KEY, Setup, listening_on};

    fn script(folder: &TempDir, body: &str) -> PathBuf {
        let path = folder.path().join("program");
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn only_the_ready_line_is_the_ready_line() {
        assert_eq!(listening_on("listening on http://127.0.0.1:4000").as_deref(), Some("http://127.0.0.1:4000"));
        let others =
            ["listening on http://127.0.0.1:0", "now listening on http://127.0.0.1:1", "listening on port 4000"];
        others.iter().for_each(|line| assert_eq!(listening_on(line), None, "{line}"));
    }

    #[tokio::test]
    async fn a_gateway_is_ready_when_it_says_so_and_keeps_its_data_over_a_kill() {
        let folder = TempDir::new().unwrap();
        let body = "echo start >>\"$7/starts\"; echo key=$TALLYGATE_MASTER_KEY\n\
                    echo \"listening on http://127.0.0.1:400$(wc -l <\"$7/starts\" | tr -d ' ')\"; exec sleep 600";
        let gateway = Setup::new().program(&script(&folder, body)).arg("--nats=none").start().await.unwrap();
        assert_eq!(gateway.url(), "http://127.0.0.1:4001");
        assert!(gateway.output().contains(MASTER_KEY));
        let data = gateway.data().to_path_buf();
        let gateway = gateway.kill_and_restart().await.unwrap();
        assert_eq!(gateway.url(), "http://127.0.0.1:4002");
        assert_eq!(gateway.data(), data);
        drop(gateway);
        assert!(!data.exists());
    }

    #[tokio::test]
    async fn a_gateway_that_refuses_to_start_says_why() {
        let folder = TempDir::new().unwrap();
        let program = script(&folder, "echo 'segment 3 is damaged' >&2; exit 1");
        let setup = Setup::new().program(&program).data(folder.path());
        let error = setup.clone().start().await.unwrap_err().to_string();
        assert!(error.contains("segment 3 is damaged"), "{error}");
        let ended = setup.run().await.unwrap();
        assert_eq!(ended.status.code(), Some(1));
        assert!(folder.path().exists());
    }
}
