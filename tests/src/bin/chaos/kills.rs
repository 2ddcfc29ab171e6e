//! A gateway on its own log, killed again and again under load.

use std::time::{Duration, Instant};

use anyhow::Result;
use tallygate_tests::gateway::Gateway;

use crate::Options;
use crate::dice::Dice;
use crate::figures::Figures;
use crate::ground::{self, lost, settlements, verifies};
use crate::load::Load;

const ROUNDS: usize = 200;
const CALLERS: usize = 4;
/// How long a round's load lasts: at least, and by how much longer at most.
const LOAD_MS: (u64, u64) = (250, 250);
/// So soon after a start it is in the lease log what the process before it left.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);

pub(crate) async fn run(options: &Options, figures: &mut Figures) -> Result<()> {
    let (folder, upstream, mut dice) = (tempfile::tempdir()?, ground::upstream().await?, Dice::new(options.seed));
    let setup = options.gateway().data(folder.path());
    let mut gateway = setup.clone().start().await?;
    ground::register(&gateway, &upstream).await?;
    let key = ground::key(&gateway, Some(1_000_000)).await?;
    let (mut answered, mut acknowledged, mut recoveries) = (Vec::new(), Vec::new(), Vec::new());
    let rounds = options.rounds(ROUNDS);
    for _ in 0..rounds {
        let load = Load::start(&gateway, &key, CALLERS)?;
        tokio::time::sleep(Duration::from_millis(LOAD_MS.0 + dice.below(LOAD_MS.1))).await;
        gateway.kill().await?;
        let heard = load.after_the_end().await;
        answered.extend(heard.answered);
        acknowledged.extend(heard.acknowledged);
        let killed = Instant::now();
        gateway = setup.clone().start().await?;
        recoveries.push(killed.elapsed());
    }
    figures.none("holds leaked, nano-dollars", ground::held(&gateway.caller(&key)?).await?);
    let unknown = unaccounted(&gateway, &key, upstream.request_count()).await?;
    figures.none("requests sent and neither charged nor in suspense", unknown);
    // Whatever a start has to make good from what was left behind is in the log before a gateway ends in order.
    gateway.shut_down().await?;

    let settled = settlements(folder.path())?;
    figures.told("kills", rounds);
    figures.told("commands acknowledged", acknowledged.len());
    figures.told("requests answered", answered.len());
    figures.none("events lost", lost(folder.path(), &acknowledged)?);
    figures.none("answered requests not settled", answered.iter().filter(|id| !settled.contains_key(*id)).count());
    figures.none("requests charged twice", settled.values().filter(|count| **count > 1).count());
    figures.none("requests charged and not sent", settled.len().saturating_sub(upstream.request_count()));
    figures.told("requests sent and not settled", upstream.request_count().saturating_sub(settled.len()));
    figures.holds("the log verifies", verifies(folder.path()).await?);
    figures.times("time to recover", &mut recoveries);
    Ok(())
}

/// How many of the requests that were sent nobody accounts for: they were not charged, and no money is in suspense for
/// them. What an earlier process left is in suspense a moment after the start.
async fn unaccounted(gateway: &Gateway, key: &str, sent: usize) -> Result<usize> {
    let begun = Instant::now();
    loop {
        let known = ground::charged(gateway, key).await? + ground::suspended(gateway).await?;
        if known >= sent || begun.elapsed() > SETTLED_WITHIN {
            return Ok(sent.saturating_sub(known));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
