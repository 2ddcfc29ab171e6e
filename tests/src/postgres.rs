//! A real PostgreSQL for one test: on loopback, with data of its own, ended by its process id.
//!
//! `tests/tools/install-postgres` fetches it. PostgreSQL refuses to run as root: there it runs as nobody.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// How long a server may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// Who it is where the tests are root.
const NOBODY: u32 = 65_534;

/// A server. It is killed when this is dropped, and its data with it.
#[derive(Debug)]
pub struct Postgres {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Postgres {
    /// Starts a server with an empty database named `postgres`, whose user of that name needs the password `secret`.
    ///
    /// # Errors
    /// When it is not installed, or does not start in time.
    pub async fn start() -> Result<Self> {
        let folder = TempDir::new()?;
        let is_root = std::fs::metadata(folder.path())?.uid() == 0;
        if is_root {
            std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY))?;
        }
        let (data, password) = (folder.path().join("data"), folder.path().join("password"));
        std::fs::write(&password, "secret\n")?;
        std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o644))?;
        let password = format!("--pwfile={}", password.display());
        let initdb = command("initdb", is_root)?
            .args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync"])
            .arg(&password)
            .arg("--pgdata")
            .arg(&data)
            .output()
            .await?;
        if !initdb.status.success() {
            bail!("initdb: {}", String::from_utf8_lossy(&initdb.stderr));
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let process = command("postgres", is_root)?
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"])
            .args(["-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let mut server = Self { folder, port, process };
        server.until_ready().await?;
        Ok(server)
    }

    /// Its address, as LiteLLM's `DATABASE_URL` would name it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgresql://postgres:secret@127.0.0.1:{}/postgres", self.port)
    }

    /// Runs statements.
    ///
    /// # Errors
    /// When one of them fails; the text holds what the server said.
    pub async fn run(&self, sql: &str) -> Result<()> {
        let file = self.folder.path().join("statements.sql");
        std::fs::write(&file, sql)?;
        let ended = self.psql(&["-v", "ON_ERROR_STOP=1", "-q", "-f", &file.to_string_lossy()]).await?;
        if !ended.status.success() {
            bail!("psql: {}", String::from_utf8_lossy(&ended.stderr));
        }
        Ok(())
    }

    async fn psql(&self, arguments: &[&str]) -> Result<std::process::Output> {
        let psql = tools().join("bin/psql");
        Ok(Command::new(psql).arg(self.url()).args(arguments).stdin(Stdio::null()).output().await?)
    }

    async fn until_ready(&mut self) -> Result<()> {
        let until = Instant::now() + START_TIMEOUT;
        while Instant::now() < until {
            if let Some(status) = self.process.try_wait()? {
                bail!("postgres ended with {status}");
            }
            if self.psql(&["-c", "SELECT 1"]).await?.status.success() {
                return Ok(());
            }
            sleep(POLL).await;
        }
        bail!("postgres did not start within {START_TIMEOUT:?}")
    }
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/postgres")
}

/// A program of PostgreSQL's, as somebody who is not root.
fn command(name: &str, is_root: bool) -> Result<Command> {
    let program = tools().join("bin").join(name);
    let program = program.canonicalize().context("PostgreSQL is not installed: run tests/tools/install-postgres")?;
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir("/");
    if is_root {
        command.uid(NOBODY).gid(NOBODY);
    }
    Ok(command)
}
