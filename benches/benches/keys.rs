//! A million keys: how long the views of them take to follow, to open and to make again, and how much memory they are
//! with every key asked for once.
//!
//! `TALLYGATE_KEYS` says another number. The log is in memory and counts into the memory that is told, so that is told
//! before and after; each step runs once, since each takes seconds.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench that cannot be set up cannot be run"
)]

use std::sync::Arc;
use std::time::Instant;

use tallygate_core::id::KeyAlias;
use tallygate_core::key::{IssueKey, KeyHash};
use tallygate_core::port::event_log::EventLog as _;
use tallygate_core::stream::{Log, Position};
use tallygate_core::testing::chain_writer::TEST_MAC_KEY;
use tallygate_core::testing::control_writer::ControlWriter;
use tallygate_core::testing::memory_log::MemoryLog;
use tallygate_core::testing::samples::{self, id};
use tallygate_projections::{Metrics, Options, Views, rebuild_control};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// As in the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const REALMS: u64 = 20;

fn log_of(runtime: &Runtime, keys: u64) -> (MemoryLog, Position) {
    let (log, mut writer) = (MemoryLog::new(Log::Control), ControlWriter::new());
    let realm = |number: u64| format!("realm-{}", number % REALMS);
    for number in 0..REALMS {
        runtime.block_on(log.append(writer.command(samples::register_realm(&realm(number))))).unwrap();
    }
    for number in 0..keys {
        let alias = KeyAlias::new(format!("key-{number}")).unwrap();
        let issue =
            IssueKey { alias: Some(alias), realm: id(&realm(number)), ..samples::issue_key(u128::from(number)) };
        runtime.block_on(log.append(writer.command(issue))).unwrap();
    }
    (log, writer.head().position)
}

/// Memory of this process, in MiB.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1024
}

fn told<T>(what: &str, keys: u64, step: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let done = step();
    let seconds = begin.elapsed().as_secs_f64();
    let rate = f64::from(u32::try_from(keys).unwrap_or(u32::MAX)) / seconds;
    println!("{what}: {seconds:.2} s, {rate:.0} keys/s; {} MiB resident", resident_mib());
    done
}

/// Opens the views and follows to the end; then asks for every key, if that is wanted.
fn follow(runtime: &Runtime, log: &MemoryLog, end: Position, folder: &TempDir, ask: Option<u64>) {
    let activity = Arc::new(MemoryLog::new(Log::Activity));
    let dir = folder.path().join("views");
    let options = Options::new(dir, Arc::new(log.clone()), activity, TEST_MAC_KEY, Metrics::new().unwrap());
    runtime.block_on(async {
        let (views, followers) = Views::open(options).await.unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let followers = tokio::spawn(followers.run(async {
            let _ = stopped.await;
        }));
        views.control.wait_for(end).await.unwrap();
        for number in 0..ask.unwrap_or_default() {
            let hash = KeyHash::of_secret(&samples::secret(u128::from(number)));
            assert!(views.control.key_by_hash(&hash).unwrap().is_some());
        }
        drop(stop);
        followers.await.unwrap().unwrap();
    });
}

fn main() {
    let keys = std::env::var("TALLYGATE_KEYS").ok().and_then(|keys| keys.parse().ok()).unwrap_or(1_000_000);
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (log, end) = told("make the log", keys, || log_of(&runtime, keys));
    told("follow and write", keys, || follow(&runtime, &log, end, &folder, None));
    told("open and close", keys, || follow(&runtime, &log, end, &folder, None));
    told("open, and ask for every key", keys, || follow(&runtime, &log, end, &folder, Some(keys)));
    let again = tempfile::tempdir().unwrap();
    let rebuild = || runtime.block_on(rebuild_control(&log, Some(&TEST_MAC_KEY), again.path())).unwrap();
    let (_, digest) = told("make again, with the digest", keys, rebuild);
    println!("{} rows", digest.rows);
}
