//! Measures the event log over JetStream against a nats-server of its own, and prints a table.
//!
//! `cargo run --release -p tallygate-adapters --example nats_log_figures`

#![allow(clippy::print_stdout, reason = "a table is what it is for")]

use std::error::Error;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use tallygate_adapters::event_log::nats::NatsLogs;
use tallygate_adapters::nats::Options;
use tallygate_core::port::event_log::EventLog;
use tallygate_core::stream::{Log, Offset};
use tallygate_core::testing::chain_writer::ChainWriter;
use tallygate_tests::nats_server::{NatsServer, Release};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("sync.conf");
    std::fs::write(&config, "jetstream { sync_interval: always }\n")?;
    let config = config.to_str().ok_or("the temporary folder is not text")?;
    for (name, arguments) in [("default", &[][..]), ("sync_interval: always", &["--config", config][..])] {
        let server = NatsServer::start_release(Release::Current, arguments).await?;
        let logs = NatsLogs::connect(Options::new(server.url())).await?;
        println!("nats-server {}, {name}", logs.connection.server_version());
        for kind in [Log::Control, Log::Lease, Log::Activity] {
            sequential(logs.of(kind).as_ref(), 1, 2_000).await?;
        }
        sequential(logs.activity.as_ref(), 500, 40).await?;
        sequential(logs.control.as_ref(), 1_000, 10).await?;
        latency(logs.control.as_ref(), 2_000).await?;
        replay(logs.control.as_ref()).await?;
    }
    Ok(())
}

async fn sequential(log: &dyn EventLog, lines: usize, rounds: usize) -> Result<()> {
    let mut writer = ChainWriter::new(log.log(), &format!("of-{lines}"));
    writer = writer.at(log.head(&writer.chain()).await?);
    let batches: Vec<_> = (0..rounds).map(|_| writer.batch(lines)).collect();
    let mut took = Vec::with_capacity(rounds);
    let started = Instant::now();
    for batch in batches {
        let begun = Instant::now();
        log.append(batch).await?;
        took.push(begun.elapsed());
    }
    let rate = (lines * rounds) as f64 / started.elapsed().as_secs_f64();
    println!("  {:9} append of {lines:4}: {rate:9.0} lines/s, {}", log.log(), percentiles(took));
    Ok(())
}

/// From just before the append until the tail yields it.
async fn latency(log: &dyn EventLog, rounds: usize) -> Result<()> {
    let mut writer = ChainWriter::new(log.log(), "latency");
    writer = writer.at(log.head(&writer.chain()).await?);
    let mut tail = log.tail(log.end().await?);
    let mut took = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let batch = writer.batch(1);
        let begun = Instant::now();
        let (answer, entry) = tokio::join!(log.append(batch), tail.next());
        answer?;
        entry.ok_or("the tail ended")??;
        // The first waits for the consumer.
        if round > 0 {
            took.push(begun.elapsed());
        }
    }
    println!("  {:9} publish to tail:  {}", log.log(), percentiles(took));
    Ok(())
}

async fn replay(log: &dyn EventLog) -> Result<()> {
    let end = log.end().await?;
    let started = Instant::now();
    let mut tail = log.tail(Offset::START);
    while tail.next().await.ok_or("the tail ended")??.offset < end {}
    let tailed = end.get() as f64 / started.elapsed().as_secs_f64();
    let started = Instant::now();
    let mut after = Offset::START;
    while after < end {
        after = log.read(after, 1_000).await?.last().ok_or("the log ended")?.offset;
    }
    let read = end.get() as f64 / started.elapsed().as_secs_f64();
    println!("  {:9} replay of {end}: tail {tailed:9.0} entries/s, read {read:9.0} entries/s", log.log());
    Ok(())
}

fn percentiles(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    let at = |share: f64| took.get(((took.len() - 1) as f64 * share) as usize).copied().unwrap_or_default();
    format!("p50 {:?}, p99 {:?}", at(0.5), at(0.99))
}
