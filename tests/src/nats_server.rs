//! A real nats-server for one test: on loopback, with a store of its own, ended by its process id.
//!
//! `tests/tools/install-nats` fetches the binaries. The one in the environment variable `TALLYGATE_NATS_SERVER` goes
//! before, and one on the `PATH` is used when nothing else is there.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// How long a server may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

/// Which release of nats-server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// What most tests run against.
    Current,
    /// The oldest that Tallygate accepts.
    Oldest,
    /// The newest that it must refuse.
    TooOld,
}

impl Release {
    const fn file(self) -> &'static str {
        match self {
            Self::Current => "nats-server",
            Self::Oldest => "nats-server-oldest",
            Self::TooOld => "nats-server-too-old",
        }
    }

    /// Where the binary is.
    ///
    /// # Errors
    /// When it is nowhere; the text says what to run.
    pub fn binary(self) -> Result<PathBuf> {
        if self == Self::Current
            && let Some(path) = std::env::var_os("TALLYGATE_NATS_SERVER")
        {
            return Ok(PathBuf::from(path));
        }
        let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools").join(self.file());
        if installed.is_file() {
            return Ok(installed);
        }
        let on_path = std::env::var_os("PATH")
            .iter()
            .flat_map(std::env::split_paths)
            .map(|folder| folder.join(self.file()))
            .find(|path| path.is_file());
        on_path.with_context(|| format!("{} is not installed: run tests/tools/install-nats", self.file()))
    }
}

/// A server. It ends when this is dropped, and its store with it.
#[derive(Debug)]
pub struct NatsServer {
    release: Release,
    extra: Vec<String>,
    environment: Vec<(String, String)>,
    folder: TempDir,
    port: u16,
    process: Option<Child>,
}

/// The variable that a configuration file takes the folder of the store from.
const STORE_DIR: &str = "TALLYGATE_NATS_STORE_DIR";

impl NatsServer {
    /// Starts the current release with JetStream on a free port.
    ///
    /// # Errors
    /// When the binary is not installed, or does not start.
    pub async fn start() -> Result<Self> {
        Self::start_release(Release::Current, &[]).await
    }

    /// Starts the current release without JetStream on a free port.
    ///
    /// # Errors
    /// When the binary is not installed, or does not start.
    pub async fn start_without_jetstream() -> Result<Self> {
        Self::start_with(Release::Current, &["--store_dir", "store"], &[]).await
    }

    /// Starts a release with JetStream on a free port, with more arguments.
    ///
    /// # Errors
    /// When the binary is not installed, or does not start.
    pub async fn start_release(release: Release, extra: &[&str]) -> Result<Self> {
        Self::start_with(release, &[&["--jetstream", "--store_dir", "store"], extra].concat(), &[]).await
    }

    /// Starts the current release on a free port with a configuration file and variables that it reads. The file takes
    /// its store from `TALLYGATE_NATS_STORE_DIR`.
    ///
    /// # Errors
    /// When the binary is not installed, or does not start.
    pub async fn start_configured(file: &Path, environment: &[(&str, &str)]) -> Result<Self> {
        let file = file.to_str().context("a path that is text")?;
        Self::start_with(Release::Current, &["--config", file], environment).await
    }

    async fn start_with(release: Release, extra: &[&str], environment: &[(&str, &str)]) -> Result<Self> {
        let folder = TempDir::new()?;
        let extra = extra.iter().map(|&argument| argument.to_owned()).collect();
        let environment = environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut server = Self { release, extra, environment, folder, port: 0, process: None };
        server.spawn("-1")?;
        server.port = server.announced_port().await?;
        server.wait_until_it_greets().await?;
        Ok(server)
    }

    /// The URL for clients.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The port it listens on, the same after a restart.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Publishes as any client could, over NATS' text protocol, and returns when the server has it.
    ///
    /// # Errors
    /// When the server does not take it.
    pub fn publish(&self, subject: &str, body: &[u8]) -> Result<()> {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "CONNECT {{\"verbose\":false}}\r\nPUB {subject} {}\r\n", body.len())?;
        stream.write_all(body)?;
        stream.write_all(b"\r\nPING\r\n")?;
        let mut seen = Vec::new();
        let mut buffer = [0; 4_096];
        while !seen.windows(4).any(|window| window == b"PONG") {
            let count = stream.read(&mut buffer)?;
            if count == 0 {
                bail!("the server hung up: {}", String::from_utf8_lossy(&seen));
            }
            seen.extend_from_slice(&buffer[..count]);
        }
        Ok(())
    }

    /// Sends the server a signal by name: `STOP`, `CONT`.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn signal(&self, name: &str) -> Result<()> {
        let id = self.process.as_ref().and_then(Child::id).context("the server does not run")?;
        let sent = Command::new("/bin/sh").arg("-c").arg(format!("kill -s {name} {id}")).status().await?;
        if !sent.success() {
            bail!("nats-server ({id}) could not be sent {name}");
        }
        Ok(())
    }

    /// Ends the server with SIGKILL: it cannot say goodbye or flush anything.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the server does not run")?;
        process.kill().await?;
        Ok(())
    }

    /// Starts the server again, on the same port and with the same store.
    ///
    /// # Errors
    /// When it still runs, or does not start.
    pub async fn restart(&mut self) -> Result<()> {
        if self.process.is_some() {
            bail!("the server still runs");
        }
        self.spawn(&self.port.to_string())?;
        self.wait_until_it_greets().await
    }

    /// Copies its store into that of another server. Neither may run.
    ///
    /// # Errors
    /// When one runs, or the store cannot be copied.
    pub async fn copy_store_to(&self, other: &Self) -> Result<()> {
        if self.process.is_some() || other.process.is_some() {
            bail!("a server still runs");
        }
        let to = other.folder.path().join("store");
        std::fs::remove_dir_all(&to)?;
        let copied = Command::new("cp").arg("-a").arg(self.folder.path().join("store")).arg(to).status().await?;
        if !copied.success() {
            bail!("the store could not be copied");
        }
        Ok(())
    }

    /// Throws the store away; the server must not run.
    ///
    /// # Errors
    /// When it runs, or the store cannot be removed.
    pub fn lose_store(&mut self) -> Result<()> {
        if self.process.is_some() {
            bail!("the server still runs");
        }
        std::fs::remove_dir_all(self.folder.path().join("store"))?;
        Ok(())
    }

    fn spawn(&mut self, port: &str) -> Result<()> {
        let log = std::fs::File::create(self.folder.path().join("server.log"))?;
        let process = Command::new(self.release.binary()?)
            .args(["--addr", "127.0.0.1", "--port", port])
            .arg("--ports_file_dir")
            .arg(self.folder.path())
            .args(&self.extra)
            .current_dir(self.folder.path())
            .env(STORE_DIR, self.folder.path().join("store"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        self.process = Some(process);
        Ok(())
    }

    /// The server writes where it listens to a file beside its store.
    async fn announced_port(&mut self) -> Result<u16> {
        let pid = self.process.as_ref().and_then(Child::id).context("the server does not run")?;
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            self.check_alive()?;
            for entry in std::fs::read_dir(self.folder.path())? {
                let path = entry?.path();
                if !path.to_string_lossy().ends_with(&format!("_{pid}.ports")) {
                    continue;
                }
                let announced: serde_json::Value =
                    serde_json::from_slice(&std::fs::read(&path)?).unwrap_or(serde_json::Value::Null);
                let url = announced.pointer("/nats/0").and_then(serde_json::Value::as_str);
                if let Some(port) = url.and_then(|url| url.rsplit(':').next()?.parse().ok()) {
                    return Ok(port);
                }
            }
            sleep(POLL).await;
        }
        bail!("nats-server did not say its port in time: {}", self.log())
    }

    /// It takes connections once JetStream has recovered its streams.
    async fn wait_until_it_greets(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            self.check_alive()?;
            let mut greeting = [0; 5];
            if let Ok(mut connection) = TcpStream::connect(("127.0.0.1", self.port)).await
                && connection.read_exact(&mut greeting).await.is_ok()
                && greeting == *b"INFO "
            {
                return Ok(());
            }
            sleep(POLL).await;
        }
        bail!("nats-server did not take connections in time: {}", self.log())
    }

    fn check_alive(&mut self) -> Result<()> {
        let ended = match self.process.as_mut() {
            Some(process) => process.try_wait()?,
            None => bail!("the server does not run"),
        };
        match ended {
            None => Ok(()),
            Some(status) => bail!("nats-server ended with {status}: {}", self.log()),
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }
}

/// Servers that form a cluster, with JetStream. They end when this is dropped.
#[derive(Debug)]
pub struct NatsCluster {
    servers: Vec<(String, NatsServer)>,
}

impl NatsCluster {
    /// Starts so many servers that know one another. They may still have to elect a leader.
    ///
    /// # Errors
    /// When the binary is not installed, or a server does not start.
    pub async fn start(count: usize) -> Result<Self> {
        Self::start_with(count, &[]).await
    }

    /// Starts so many servers with more arguments each.
    ///
    /// # Errors
    /// When the binary is not installed, or a server does not start.
    pub async fn start_with(count: usize, extra: &[&str]) -> Result<Self> {
        // The ports are free now; between now and the start another process could take one, and the start would fail.
        let held: Vec<_> =
            (0..count).map(|_| std::net::TcpListener::bind(("127.0.0.1", 0))).collect::<std::io::Result<_>>()?;
        let routes: Vec<String> = held
            .iter()
            .map(|listener| Ok(format!("nats://127.0.0.1:{}", listener.local_addr()?.port())))
            .collect::<Result<_>>()?;
        drop(held);
        let all_routes = routes.join(",");
        let mut servers = Vec::new();
        for (number, route) in routes.iter().enumerate() {
            let name = format!("server-{number}");
            let arguments =
                ["--server_name", &name, "--cluster_name", "test", "--cluster", route, "--routes", &all_routes];
            let arguments = [&arguments[..], extra].concat();
            servers.push((name.clone(), NatsServer::start_release(Release::Current, &arguments).await?));
        }
        Ok(Self { servers })
    }

    /// The URLs for clients, with commas between.
    #[must_use]
    pub fn urls(&self) -> String {
        self.servers.iter().map(|(_, server)| server.url()).collect::<Vec<_>>().join(",")
    }

    /// The servers, in the order they were started.
    pub fn servers(&mut self) -> impl Iterator<Item = &mut NatsServer> {
        self.servers.iter_mut().map(|(_, server)| server)
    }

    /// A server by its name.
    pub fn server(&mut self, name: &str) -> Option<&mut NatsServer> {
        self.servers.iter_mut().find(|(known, _)| known == name).map(|(_, server)| server)
    }
}
