//! How fast the file log takes events, and how fast it opens.
//!
//! `cargo bench -p tallygate-benches --bench event_log`. Every append is synced to the disk under the temporary folder
//! (`TMPDIR`) before it counts, so the figures are that disk's as much as the log's. Opening reads a million lines of
//! half a kilobyte from the page cache; it needs 600 MB there.

#![allow(missing_docs, clippy::expect_used, reason = "a benchmark; what fails ends it")]

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tallygate_adapters::event_log::file::{FileLog, Options, Verify};
use tallygate_core::port::event_log::{Batch, EventLog as _};
use tallygate_core::stream::Log;
use tallygate_core::testing::chain_writer::{ChainWriter, TEST_MAC_KEY};
use tallygate_core::testing::drive::join_all;
use tokio::runtime::{Builder, Runtime};

const LINES: usize = 1_000_000;
const BATCH_LINES: usize = 1_000;

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).build().expect("a runtime")
}

fn keyed(verify: Verify) -> Options {
    Options { verify, mac_key: Some(TEST_MAC_KEY), ..Options::default() }
}

/// Appends every batch of every writer; the batches of one writer one after another, the writers side by side.
async fn append(log: &FileLog, work: Vec<Vec<Batch>>) {
    join_all(work.into_iter().map(|batches| async move {
        for batch in batches {
            log.append(batch).await.expect("stored");
        }
    }))
    .await;
}

/// Lines are sealed beforehand: a gateway does that on other threads.
fn timed_append(runtime: &Runtime, writers: usize, lines: usize, iterations: u64) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let log = FileLog::open(folder.path(), Log::Activity, &keyed(Verify::Whole)).expect("a log");
    let mut chains: Vec<_> = (0..writers).map(|name| ChainWriter::new(Log::Activity, &format!("w-{name}"))).collect();
    let mut spent = Duration::ZERO;
    // In rounds, so that no more than some thousand batches are held at once.
    let mut left = iterations;
    while left > 0 {
        let round = left.min(20);
        let work = chains.iter_mut().map(|chain| (0..round).map(|_| chain.batch(lines)).collect()).collect();
        let start = Instant::now();
        runtime.block_on(append(&log, work));
        spent += start.elapsed();
        left -= round;
    }
    runtime.block_on(log.close());
    spent
}

fn appending(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("append, events a second");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    for (writers, lines) in [(1, 1), (1, 100), (1, 1_000), (32, 1), (256, 1), (32, 32)] {
        group.throughput(Throughput::Elements((writers * lines) as u64));
        let id = BenchmarkId::from_parameter(format!("{writers} at once, {lines} a batch"));
        group.bench_function(id, |bencher| {
            bencher.iter_custom(|iterations| timed_append(&runtime, writers, lines, iterations));
        });
    }
    group.finish();
}

fn opening(criterion: &mut Criterion) {
    let runtime = runtime();
    let folder = tempfile::tempdir().expect("a folder");
    let log = FileLog::open(folder.path(), Log::Activity, &keyed(Verify::Whole)).expect("a log");
    let mut chains: Vec<_> = (0..3).map(|name| ChainWriter::new(Log::Activity, &format!("w-{name}"))).collect();
    for round in 0..LINES / BATCH_LINES {
        let batch = chains[round % 3].batch(BATCH_LINES);
        runtime.block_on(log.append(batch)).expect("stored");
    }
    drop(log);
    let mut group = criterion.benchmark_group("open, lines a second");
    group.sample_size(10).measurement_time(Duration::from_secs(10)).throughput(Throughput::Elements(LINES as u64));
    for (name, verify) in
        [("a million lines, all read", Verify::Whole), ("a million lines, last segment", Verify::LastSegment)]
    {
        group.bench_function(name, |bencher| {
            bencher.iter(|| FileLog::open(folder.path(), Log::Activity, &keyed(verify)).expect("a log"));
        });
    }
    group.finish();
}

criterion_group!(benches, appending, opening);
criterion_main!(benches);
