//! From the acknowledgement of a revocation on one gateway until the others refuse the key.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use tallygate_tests::client::Client;
use tallygate_tests::gateway::Gateway;

use crate::cluster::Cluster;
use crate::figures::Figures;
use crate::ground;
use crate::{Control, Options};

const ROUNDS: usize = 200;
const P99_GOAL: Duration = Duration::from_millis(20);
const LONGEST_GOAL: Duration = Duration::from_secs(1);
/// How long the control cuts a gateway off.
const CUT: Duration = Duration::from_secs(2);

pub(crate) async fn run(options: &Options, figures: &mut Figures) -> Result<()> {
    let upstream = ground::upstream().await?;
    let cluster = Cluster::start(3, options, &upstream).await?;
    let [first, others @ ..] = cluster.gateways() else { anyhow::bail!("no gateways") };
    let key = ground::key(first, None).await?;
    let mut times = Vec::new();
    for _ in 0..options.rounds(ROUNDS) {
        for gateway in others {
            until(&gateway.caller(&key)?, 200).await?;
        }
        if options.control == Some(Control::CutOff) {
            cluster.cut(1);
        }
        let waiting: Vec<_> = others.iter().map(|gateway| refused(gateway, &key)).collect::<Result<_>>()?;
        set(first, "/key/block", &key).await?;
        let acknowledged = Instant::now();
        if options.control == Some(Control::CutOff) {
            tokio::time::sleep(CUT).await;
            cluster.heal(1);
        }
        for waiting in waiting {
            times.push(waiting.await??.saturating_duration_since(acknowledged));
        }
        set(first, "/key/unblock", &key).await?;
    }
    figures.times("from the acknowledgement to a refusal elsewhere", &mut times);
    let p99 = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
    figures.at_most("p99", p99, P99_GOAL);
    figures.at_most("longest", times.last().copied().unwrap_or_default(), LONGEST_GOAL);
    Ok(())
}

/// Asks again and again; tells when the first refusal came.
fn refused(gateway: &Gateway, key: &str) -> Result<tokio::task::JoinHandle<Result<Instant>>> {
    let caller = gateway.caller(key)?;
    Ok(tokio::spawn(async move {
        until(&caller, 401).await?;
        Ok(Instant::now())
    }))
}

async fn until(caller: &Client, status: u16) -> Result<()> {
    let begun = Instant::now();
    while caller.get("/v1/models").await?.status != status {
        ensure!(begun.elapsed() < Duration::from_secs(60), "status {status} never came");
    }
    Ok(())
}

async fn set(gateway: &Gateway, path: &str, key: &str) -> Result<()> {
    gateway.operator()?.post(path, &json!({ "key": key })).await?.expect(200)?;
    Ok(())
}
