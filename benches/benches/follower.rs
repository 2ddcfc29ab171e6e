//! How fast the views follow the logs, and how long a key takes that is not in memory yet.
//!
//! Everything is real but the logs, which are in memory: lines are authenticated, decoded, folded, written to a store
//! in a temporary folder and published.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench that cannot be set up cannot be run")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tallygate_core::activity::{Charge, Endpoint, Event, Outcome, RequestSettled, Tags};
use tallygate_core::command::Command;
use tallygate_core::id::{KeyAlias, RealmId, RequestId};
use tallygate_core::key::{BlockKey, IssueKey, KeyHash, UnblockKey};
use tallygate_core::money::NanoUsd;
use tallygate_core::port::event_log::EventLog;
use tallygate_core::routing::Route;
use tallygate_core::scope::Scope;
use tallygate_core::stream::{ChainId, Log, Position};
use tallygate_core::testing::activity_writer::{ActivityWriter, Happened};
use tallygate_core::testing::chain_writer::TEST_MAC_KEY;
use tallygate_core::testing::control_writer::ControlWriter;
use tallygate_core::testing::memory_log::MemoryLog;
use tallygate_core::testing::samples::{self, id};
use tallygate_core::time::{Period, Timestamp};
use tallygate_core::usage::Usage;
use tallygate_projections::{Metrics, Options, Views};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

/// As in the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EVENTS: u64 = 40_000;
const KEYS: u64 = 10_000;
const SETTLEMENTS: u64 = 100_000;
const REALMS: u64 = 20;
const COLD_KEYS: u64 = 100_000;
const LINES_OF_A_BATCH: usize = 500;

struct Logs {
    control: MemoryLog,
    activity: MemoryLog,
}

fn empty_logs() -> Logs {
    Logs { control: MemoryLog::new(Log::Control), activity: MemoryLog::new(Log::Activity) }
}

fn options(logs: &Logs, folder: &TempDir) -> Options {
    let (control, activity) = (Arc::new(logs.control.clone()), Arc::new(logs.activity.clone()));
    Options::new(folder.path().join("views"), control, activity, TEST_MAC_KEY, Metrics::new().unwrap())
}

fn realm_of(key: u64) -> RealmId {
    id(&format!("realm-{}", key % REALMS))
}

fn issue(number: u64) -> IssueKey {
    let alias = KeyAlias::new(format!("key-{number}")).unwrap();
    IssueKey { alias: Some(alias), realm: realm_of(number), ..samples::issue_key(u128::from(number)) }
}

/// A log of commands, each an append of its own.
fn control_log(runtime: &Runtime, commands: impl IntoIterator<Item = Command>) -> (Logs, Position) {
    let (logs, mut writer) = (empty_logs(), ControlWriter::new());
    let realms = (0..REALMS).map(|number| samples::register_realm(&format!("realm-{number}")).into());
    for command in realms.chain(commands) {
        runtime.block_on(logs.control.append(writer.command(command))).unwrap();
    }
    (logs, writer.head().position)
}

/// Follows the logs from the beginning to an end, and tells how long it took.
fn follow(runtime: &Runtime, logs: &Logs, control: Position, activity: Option<(&ChainId, Position)>) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    runtime.block_on(async {
        let (views, followers) = Views::open(options(logs, &folder)).await.unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let begin = Instant::now();
        let followers = tokio::spawn(followers.run(async {
            let _ = stopped.await;
        }));
        views.control.wait_for(control).await.unwrap();
        if let Some((chain, position)) = activity {
            views.activity.wait_for(chain, position).await.unwrap();
        }
        let took = begin.elapsed();
        drop(stop);
        followers.await.unwrap().unwrap();
        took
    })
}

fn follow_control(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("follow control");
    group.sample_size(10).throughput(Throughput::Elements(EVENTS));
    let changes = (0..EVENTS).map(|number| -> Command {
        let key = samples::key_id(u128::from(number % KEYS));
        if (number / KEYS).is_multiple_of(2) { BlockKey { key }.into() } else { UnblockKey { key }.into() }
    });
    let (issued, before) = control_log(&runtime, (0..KEYS).map(|number| issue(number).into()));
    let (changed, position) = control_log(&runtime, (0..KEYS).map(|number| issue(number).into()).chain(changes));
    group.bench_function("changes of 10,000 keys", |bencher| {
        bencher.iter_custom(|times| {
            // The keys must be there before they can change: what they took is taken off.
            let whole: Duration = (0..times).map(|_| follow(&runtime, &changed, position, None)).sum();
            let keys: Duration = (0..times).map(|_| follow(&runtime, &issued, before, None)).sum();
            whole.saturating_sub(keys)
        });
    });
    let (logs, position) = control_log(&runtime, (0..EVENTS).map(|number| issue(number).into()));
    group.bench_function("new keys", |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| follow(&runtime, &logs, position, None)).sum());
    });
    group.finish();
}

fn settled(number: u64) -> Happened {
    let key = number.wrapping_mul(7_919) % KEYS;
    let (realm, at) = (realm_of(key), Timestamp::from_millis(1_795_169_730_123 + i64::try_from(number / 10).unwrap()));
    let charge = |scope| Charge { scope, period: Period::Months(1), window: Timestamp::from_millis(1_795_000_000_000) };
    let settled = RequestSettled {
        request: RequestId::new(Uuid::from_u128((0x0199_0000_0000_7000_c000 << 64) | u128::from(number))),
        provider_request: Some(format!("chatcmpl-{number:024}")),
        endpoint: Endpoint::Chat,
        key: samples::key_id(u128::from(key)),
        user: None,
        end_user: None,
        requested_model: id("current"),
        model: id(&format!("model-{}", number % 5)),
        deployment: id(&format!("deployment-{}", number % 5)),
        vendor: id(samples::VENDOR),
        upstream_model: "model-2026-11-01".to_owned(),
        outcome: Outcome::Succeeded,
        status: 200,
        streamed: true,
        usage: Usage { input_tokens: 812, output_tokens: 131, ..Usage::default() },
        estimated: false,
        price: Some(Position::new(4)),
        cost_nano_usd: Some(NanoUsd::new(1_234_567)),
        unpriced: None,
        charged: vec![
            charge(Scope::Key(samples::key_id(u128::from(key)))).into(),
            charge(Scope::Realm(realm.clone())).into(),
        ],
        started_at: at,
        first_byte_ms: Some(212),
        duration_ms: 1_900,
        route: Route::default(),
        candidates: None,
        tags: Tags::default(),
    };
    Happened { realm: Some(realm), at, event: Event::RequestSettled(Arc::new(settled)) }
}

fn follow_activity(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let (logs, mut writer) = (empty_logs(), ActivityWriter::new("gateway-1"));
    let all: Vec<Happened> = (0..SETTLEMENTS).map(settled).collect();
    for lines in all.chunks(LINES_OF_A_BATCH) {
        runtime.block_on(logs.activity.append(writer.batch(lines))).unwrap();
    }
    let chain = ChainId::writer(writer.writer());
    let end = Some((&chain, writer.head().position));
    let mut group = criterion.benchmark_group("follow activity");
    group.sample_size(10).throughput(Throughput::Elements(SETTLEMENTS));
    group.bench_function("settlements of 10,000 keys", |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| follow(&runtime, &logs, Position::START, end)).sum());
    });
    group.finish();
}

fn cold_key(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let (logs, position) = control_log(&runtime, (0..COLD_KEYS).map(|number| issue(number).into()));
    let folder = tempfile::tempdir().unwrap();
    // Next to no key stays in memory, so that each is cold.
    let options = Options { keys_in_memory: 1, ..options(&logs, &folder) };
    let (views, stop, followers) = runtime.block_on(async {
        let (views, followers) = Views::open(options).await.unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let followers = tokio::spawn(followers.run(async {
            let _ = stopped.await;
        }));
        views.control.wait_for(position).await.unwrap();
        (views, stop, followers)
    });
    let mut number = 0_u64;
    criterion.bench_function("a key that is not in memory, of 100,000", |bencher| {
        bencher.iter_batched(
            || {
                number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
                KeyHash::of_secret(&samples::secret(u128::from(number % COLD_KEYS)))
            },
            |hash| assert!(views.control.key_by_hash(&hash).unwrap().is_some()),
            BatchSize::SmallInput,
        );
    });
    drop(stop);
    runtime.block_on(followers).unwrap().unwrap();
}

criterion_group!(benches, follow_control, follow_activity, cold_key);
criterion_main!(benches);
