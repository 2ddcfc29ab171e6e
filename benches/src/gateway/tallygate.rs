//! The gateway as it is shipped: the release binary on a data folder of its own, told what to serve through its API.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::cores::Placement;
use crate::gateway::setup::{self, Budgets};
use crate::gateway::subject::Running;
use crate::process::Process;

const PACKAGE: &str = "tallygate-gateway";
const BINARY: &str = "tallygate";
/// How long it may take to be ready.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
const READY_STEP: Duration = Duration::from_millis(20);
/// Settings of whoever runs the bench must not change what is measured.
const ENVIRONMENT_PREFIXES: [&str; 4] = ["TALLYGATE_", "LITELLM_", "OTEL_", "RUST_LOG"];
/// What `cargo run` says of the package that it runs. Some dependencies are built anew, and all that stands on them, where that is
/// another one than before.
const PACKAGE_PREFIXES: [&str; 2] = ["CARGO_PKG_", "CARGO_MANIFEST_"];

/// Builds the binary in release mode and returns where it is.
///
/// # Errors
/// When it cannot be built.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--package", PACKAGE, "--bin", BINARY]);
    command.args(["--message-format", "json-render-diagnostics", "--manifest-path"]);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("Cargo.toml"));
    forget(&mut command, &PACKAGE_PREFIXES);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("cargo cannot be run")?;
    ensure!(output.status.success(), "{PACKAGE} cannot be built");
    executable(&String::from_utf8_lossy(&output.stdout)).with_context(|| format!("cargo built no binary {BINARY}"))
}

/// The binary's path in what cargo prints: one JSON object a line.
fn executable(messages: &str) -> Option<PathBuf> {
    messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()).find_map(|message| {
        let is_ours = message.pointer("/target/name").is_some_and(|name| name == BINARY);
        message.get("executable").filter(|_| is_ours)?.as_str().map(PathBuf::from)
    })
}

/// Starts the binary before `upstream` with everything on, and waits until it serves.
///
/// # Errors
/// When it does not start, is not ready in time, or refuses to be set up. The end of its output is in the error.
pub(crate) async fn start(
    binary: &Path,
    placement: &Placement,
    upstream: SocketAddr,
    budgets: Budgets,
) -> anyhow::Result<Running> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let address = free_address()?;
    let mut command = placement.under_test(binary);
    command.args(["--host", &address.ip().to_string(), "--port", &address.port().to_string()]);
    command.args(["--master-key", setup::MASTER_KEY]).arg("--data").arg(folder.path().join("data"));
    forget(&mut command, &ENVIRONMENT_PREFIXES);
    let mut process = Process::start_with_output_kept(BINARY, &mut command)?;
    ready(&mut process, address).await?;
    match setup::run(address, upstream, budgets).await {
        Ok(key) => Ok(Running::new(process, address, key, Some(folder))),
        Err(error) => bail!("{BINARY} cannot be set up: {error:#}{}", process.last_words()),
    }
}

/// Keeps variables of this process from another one, by how their names begin.
fn forget(command: &mut Command, prefixes: &[&str]) {
    for (name, _) in std::env::vars_os() {
        if prefixes.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
}

/// A port that was free a moment ago: the gateway takes a number, not a listener.
fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    listener.local_addr().context("no address")
}

async fn ready(process: &mut Process, address: SocketAddr) -> anyhow::Result<()> {
    let deadline = Instant::now() + READY_TIMEOUT;
    loop {
        process.check_running()?;
        match setup::is_ready(address).await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > deadline => {
                bail!("{BINARY} is not ready within {READY_TIMEOUT:?}: {error:#}{}", process.last_words())
            }
            Err(_) => tokio::time::sleep(READY_STEP).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::executable;

    #[test]
    fn the_binary_is_found_among_what_cargo_prints() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"tallygate_core"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"tallygate"},"executable":"/target/release/tallygate"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(executable(messages).unwrap().to_str().unwrap(), "/target/release/tallygate");
        assert_eq!(executable(r#"{"target":{"name":"tallygate"},"executable":null}"#), None);
    }
}
