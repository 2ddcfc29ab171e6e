//! Scripts of npm's client libraries, run by the Node that `tests/run` installed for them.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::process::{CLIENT_PATIENCE, Ended, Process};

/// Runs a script of `tests/node` with these arguments and environment variables and no others, to its end.
///
/// # Errors
/// When Node or the libraries are not installed, when the script does not end in time, or when it fails; the text holds
/// its output.
pub async fn run_script(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Ended> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tools = package.join("../.tools");
    let script = package.join("node").join(name).to_string_lossy().into_owned();
    let libraries = tools.join("node/node_modules").to_string_lossy().into_owned();
    let arguments = std::iter::once(script.as_str()).chain(arguments.iter().copied());
    let environment = environment.iter().copied().chain([("NODE_PATH", libraries.as_str())]);
    let started = Process::start(&interpreter(&tools)?, arguments, environment)?;
    let ended = started.ended_within(CLIENT_PATIENCE).await?;
    if !ended.status.success() {
        bail!("node ended with {}:\n{}", ended.status, ended.output);
    }
    Ok(ended)
}

fn interpreter(tools: &Path) -> Result<PathBuf> {
    if !tools.join("node/stamp").is_file() {
        bail!("the npm libraries of the tests are not installed: run `./tests/run tools`");
    }
    Ok(tools.join("bin/node"))
}
