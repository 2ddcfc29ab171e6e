//! A gateway killed at its n-th write or sync of a log, for each n.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::timeout;

use crate::Options;
use crate::figures::Figures;
use crate::ground::{self, lost, settlements, verifies};
use crate::load::Load;

/// The calls, and up to which of each it is killed.
const CALLS: [(&str, usize); 2] = [("write", 60), ("fdatasync", 60)];
/// How long a round lasts if the call does not come so often.
const PATIENCE: Duration = Duration::from_secs(4);

pub(crate) async fn run(options: &Options, figures: &mut Figures) -> Result<()> {
    let Some(strace) = on_path("strace") else {
        figures.told("NOT RUN", "strace is not installed");
        return Ok(());
    };
    let (folder, upstream) = (tempfile::tempdir()?, ground::upstream().await?);
    let data = folder.path().join("data");
    let setup = options.gateway().data(&data);
    let gateway = setup.clone().start().await?;
    ground::register(&gateway, &upstream).await?;
    // With a budget, so that each request is in the journal before it is in a log.
    let key = ground::key(&gateway, Some(1_000_000)).await?;
    gateway.shut_down().await?;
    let (mut answered, mut acknowledged, mut killed) = (Vec::new(), Vec::new(), 0);
    for (call, most) in CALLS {
        // Fewer rounds are spread over the same range: what is recorded twice must have come to a log before the kill.
        let rounds = options.rounds(most);
        for n in (1..=rounds).map(|round| round * most.max(rounds) / rounds) {
            let traced = setup.clone().program(&tracer(folder.path(), &strace, (&data, &options.program()?), call, n)?);
            // Killed before it is ready, it has answered nobody.
            if let Ok(gateway) = traced.start().await {
                let load = Load::start(&gateway, &key, 2)?;
                let heard = timeout(PATIENCE, load.after_the_end()).await;
                killed += usize::from(heard.is_ok());
                let heard = heard.unwrap_or_default();
                gateway.kill().await?;
                answered.extend(heard.answered);
                acknowledged.extend(heard.acknowledged);
            } else {
                killed += 1;
            }
            setup.clone().start().await?.shut_down().await?;
        }
    }
    let settled = settlements(&data)?;
    figures.told("kills at a write or sync", killed);
    figures.told("commands acknowledged", acknowledged.len());
    figures.none("events lost", lost(&data, &acknowledged)?);
    figures.none("answered requests not settled", answered.iter().filter(|id| !settled.contains_key(*id)).count());
    figures.none("requests charged twice", settled.values().filter(|count| **count > 1).count());
    figures.holds("the log verifies", verifies(&data).await?);
    Ok(())
}

/// A program that is the gateway, and is killed at its n-th call on a segment of a log.
fn tracer(folder: &Path, strace: &Path, (data, gateway): (&Path, &Path), call: &str, n: usize) -> Result<PathBuf> {
    let path = folder.join("traced");
    let segment = |log: &str| data.join("log").join(log).join("00000000000000000001.jsonl").display().to_string();
    let script = format!(
        "#!/bin/sh\nexec {} -D -f -qq -o /dev/null -P {} -P {} -e trace={call} -e inject={call}:signal=SIGKILL:when={n} {} \"$@\"\n",
        strace.display(),
        segment("control"),
        segment("activity"),
        gateway.display(),
    );
    std::fs::write(&path, script)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).context("the script cannot be run")?;
    Ok(path)
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}
