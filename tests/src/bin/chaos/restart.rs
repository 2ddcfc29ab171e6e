//! A gateway that is killed while ten thousand requests run, and started again: how long until it serves, and until what
//! they held is in suspense.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tallygate_tests::gateway::{Gateway, Setup};
use tallygate_tests::upstream::{Gate, Reply, Upstream, Usage};
use tokio::task::JoinSet;

use crate::Options;
use crate::figures::Figures;
use crate::ground::{self, COST_NANO_USD, MODEL, ask};

const REQUESTS: usize = 10_000;
/// So many clients wait at once. A buffered call goes on when its client leaves, so that each costs the gateway one open
/// file and not two.
const CLIENTS: usize = 500;
const GOAL: Duration = Duration::from_secs(1);
/// How long anything may take before it is given up.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn run(options: &Options, figures: &mut Figures) -> Result<()> {
    let (folder, upstream) = (tempfile::tempdir()?, Upstream::start().await?);
    upstream.forget_requests();
    let never = Gate::closed();
    let usage = Usage { prompt_tokens: 10, cached_tokens: 0, completion_tokens: 10, reasoning_tokens: 0 };
    upstream.on_model(MODEL, Reply::answer().usage(usage).behind(&never));
    let setup = Setup::new().data(folder.path());
    let gateway = setup.clone().start().await?;
    ground::register(&gateway, &upstream).await?;
    let key = ground::key(&gateway, Some(10 * u64::try_from(REQUESTS)?)).await?;
    fill(&gateway, &upstream, &key).await?;
    let open = metric(&gateway, "tallygate_holds_open").await?;
    gateway.kill().await?;
    if options.is_control {
        // What ran is in the journal alone.
        std::fs::remove_dir_all(folder.path().join("journal"))?;
    }

    let begun = Instant::now();
    let gateway = setup.start().await?;
    let ready = begun.elapsed();
    let held = u64::try_from(REQUESTS)? * COST_NANO_USD;
    let (mut suspense, mut known) = (0, Duration::ZERO);
    while suspense < held && begun.elapsed() < PATIENCE {
        suspense = metric(&gateway, "tallygate_suspense_nano_usd").await?;
        known = begun.elapsed();
    }
    figures.told("requests that ran when the gateway was killed", open);
    figures.at_most("from the start of the process until it serves", ready, GOAL);
    figures.at_most("from the start of the process until all is in suspense", known, GOAL);
    figures.holds("in suspense is what they held", suspense == held);
    Ok(())
}

/// Has so many requests run that get no answer.
async fn fill(gateway: &Gateway, upstream: &Upstream, key: &str) -> Result<()> {
    let begun = Instant::now();
    while upstream.request_count() < REQUESTS {
        let (before, mut waiting) = (upstream.request_count(), JoinSet::new());
        let wanted = CLIENTS.min(REQUESTS - before);
        for _ in 0..wanted {
            let caller = gateway.caller(key)?;
            // A slice may be too small for a moment.
            waiting.spawn(async move { while let Ok(Err(503)) = ask(&caller).await {} });
        }
        while upstream.request_count() < before + wanted {
            ensure!(begun.elapsed() < 5 * PATIENCE, "only {} requests run", upstream.request_count());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        waiting.shutdown().await;
    }
    Ok(())
}

/// A figure that a gateway tells of itself.
async fn metric(gateway: &Gateway, name: &str) -> Result<u64> {
    let text = gateway.operator()?.get("/metrics").await?.expect(200)?.text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.with_context(|| format!("no metric {name}"))?.parse().with_context(|| format!("{name} is no number"))
}
