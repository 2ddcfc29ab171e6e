//! Scripts of the guides and of client libraries, run by the Python that `tests/run` installed them for.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::process::{CLIENT_PATIENCE, Ended, Process};

/// Runs a script of `tests/python`, with these arguments and environment variables and no others, to its end.
///
/// # Errors
/// When the environment is not installed, when the script does not end in time, or when it fails; the text holds its
/// output.
pub async fn run_script(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Ended> {
    let script = package().join("python").join(name);
    let script = script.to_string_lossy().into_owned();
    run(std::iter::once(script.as_str()).chain(arguments.iter().copied()), environment).await
}

/// The same with the libraries of another environment of `.tools`, such as `venv-a2a-0.2`.
///
/// # Errors
/// As [`run_script`].
pub async fn run_script_in(venv: &str, name: &str, arguments: &[&str]) -> Result<Ended> {
    let script = package().join("python").join(name);
    let script = script.to_string_lossy().into_owned();
    let arguments = std::iter::once(script.as_str()).chain(arguments.iter().copied());
    run_by(&interpreter_of(venv)?, arguments, &[]).await
}

/// Runs a few lines of Python to their end, as a guide's `python - <<'PY'` does.
///
/// # Errors
/// As [`run_script`].
pub async fn run_code(code: &str, environment: &[(&str, &str)]) -> Result<Ended> {
    run(["-c", code], environment).await
}

/// Runs a block of shell to its end, as a reader of a guide would paste it. Its `python` is the one of the tests.
///
/// # Errors
/// As [`run_script`].
pub async fn run_shell(block: &str, environment: &[(&str, &str)]) -> Result<Ended> {
    let python = interpreter()?;
    let folder = python.parent().unwrap_or(Path::new(".")).to_string_lossy().into_owned();
    let path = format!("{folder}:/usr/local/bin:/usr/bin:/bin");
    let environment = environment.iter().copied().chain([("PATH", path.as_str())]);
    let ended = Process::start(Path::new("/bin/bash"), ["-c", block], environment)?.ended().await?;
    if !ended.status.success() {
        bail!("the block ended with {}:\n{}", ended.status, ended.output);
    }
    Ok(ended)
}

async fn run<'a>(arguments: impl IntoIterator<Item = &'a str>, environment: &[(&str, &str)]) -> Result<Ended> {
    run_by(&interpreter()?, arguments, environment).await
}

async fn run_by<'a>(
    python: &Path,
    arguments: impl IntoIterator<Item = &'a str>,
    environment: &[(&str, &str)],
) -> Result<Ended> {
    // Unbuffered, and without the folders of whoever runs the tests.
    let arguments = ["-u", "-s"].into_iter().chain(arguments);
    let started = Process::start(python, arguments, environment.iter().copied())?;
    let ended = started.ended_within(CLIENT_PATIENCE).await?;
    if !ended.status.success() {
        bail!("python ended with {}:\n{}", ended.status, ended.output);
    }
    Ok(ended)
}

fn interpreter() -> Result<PathBuf> {
    interpreter_of("venv")
}

fn interpreter_of(venv: &str) -> Result<PathBuf> {
    let venv = package().join("../.tools").join(venv);
    let python = venv.join("bin/python");
    if !venv.join("stamp").is_file() {
        bail!("the Python libraries of the tests are not installed: run `./tests/run tools`");
    }
    Ok(python)
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
