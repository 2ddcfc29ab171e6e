//! How long a start takes to have the books of the lease log: read from its beginning, and from what was kept.
//!
//! `cargo bench -p tallygate-benches --bench leases`. The log is in files, under the temporary folder (`TMPDIR`); it has
//! 200,000 lines of a chain with a hundred budgets, each a report and a refill of one of them: what a gateway that spends
//! without a pause writes in a day or two. Opening the files themselves is not in the figures.

#![allow(missing_docs, clippy::expect_used, clippy::panic, reason = "a benchmark; what fails ends it")]

use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use tallygate_adapters::event_log::file::{FileLog, Options};
use tallygate_core::actor::Actor;
use tallygate_core::envelope::{Line, seal_event};
use tallygate_core::event::{Event as AnyEvent, Recorded};
use tallygate_core::id::{EventId, KeyId, RealmId, WriterId};
use tallygate_core::lease::allot::Policy;
use tallygate_core::lease::event::{Grant, Joined, Opened, Roll, Rolled, Window};
use tallygate_core::lease::slices::Entry;
use tallygate_core::lease::{AccountId, Book, Epoch, Event, Root, SliceLedger};
use tallygate_core::money::NanoUsd;
use tallygate_core::port::event_log::{Batch, EventLog};
use tallygate_core::scope::Scope;
use tallygate_core::stream::{Head, Log, Offset, Position};
use tallygate_core::testing::chain_writer::TEST_MAC_KEY;
use tallygate_core::time::{Period, Timestamp};
use tallygate_projections::{ChainMark, ChainTip, Followed, Kept, LeaseBooks};
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

const LINES: u64 = 200_000;
const BUDGETS: u128 = 100;
const BATCH_LINES: u64 = 1_000;
/// How many lines came after the books were last kept.
const SINCE: u64 = 100;

fn root() -> Root {
    Root::Realm(RealmId::default_realm())
}

fn gateway() -> WriterId {
    WriterId::new("gateway-1").expect("an id")
}

fn account(number: u128) -> AccountId {
    let scope = Scope::Key(KeyId::new(Uuid::from_u128(number)));
    AccountId { scope, period: Period::Total, window: Timestamp::from_millis(0) }
}

/// The event at a place of the chain.
fn event(number: u64) -> Event {
    let (gateway, epoch) = (gateway(), Epoch::new(1));
    let (limit, control) = (NanoUsd::new(1_000_000_000_000_000), Position::new(5));
    match number {
        1 => Event::Joined(Joined { gateway, epoch }),
        2 => {
            let window = |number| Window {
                account: account(number),
                ends_at: None,
                limit_nano_usd: limit,
                control,
                posted_nano_usd: NanoUsd::ZERO,
                granted_nano_usd: NanoUsd::new(50_000_000),
            };
            Event::Opened(Opened { gateway, epoch, windows: (0..BUDGETS).map(window).collect() })
        }
        number => {
            let amount = NanoUsd::new(25_000_000);
            let granted = Some(Grant { amount_nano_usd: amount, limit_nano_usd: limit, control });
            let account = account(u128::from(number) % BUDGETS);
            let roll = Roll { account, spent_nano_usd: amount, returned_nano_usd: NanoUsd::ZERO, granted };
            Event::Rolled(Rolled { gateway, epoch, slices: vec![roll] })
        }
    }
}

fn sealed(head: &Head, number: u64) -> (Line, Head) {
    let recorded = Recorded {
        id: EventId::new(Uuid::from_u128(u128::from(number))),
        log: Log::Lease,
        position: Position::START,
        realm: root().realm().cloned(),
        stream: root().stream(),
        version: number,
        at: Timestamp::from_millis(1_795_169_731_023),
        actor: Actor::gateway("gateway-1"),
        command: None,
        part: (1, 1),
        event: AnyEvent::Lease(event(number)),
    };
    let (line, end) = seal_event(head, recorded, &[], &TEST_MAC_KEY).expect("a line");
    // As it is read from a disk: nothing is known of it.
    (Line::from_bytes(line.bytes().clone()), end)
}

fn write_log(runtime: &Runtime, folder: &Path) -> FileLog {
    let options = Options { mac_key: Some(TEST_MAC_KEY), ..Options::default() };
    let log = FileLog::open(folder, Log::Lease, &options).expect("a log");
    let (mut head, mut number) = (Head::EMPTY, 0);
    while number < LINES {
        let after = head.position;
        let lines = (0..BATCH_LINES).map(|_| {
            number += 1;
            let (line, end) = sealed(&head, number);
            head = end;
            line
        });
        let lines = lines.collect();
        runtime.block_on(log.append(Batch { chain: root().chain(), after, lines })).expect("stored");
    }
    log
}

/// Reads a log on from what was kept, as a gateway does.
async fn read(log: &FileLog, kept: Kept, books: &LeaseBooks, until: u64) -> Book {
    let mut ledger = SliceLedger::new(gateway(), Policy::default());
    let (mut tip, mut offset) = (ChainTip::START, kept.offset);
    for chain in kept.chains {
        tip = chain.mark.tip;
        ledger.restore(&chain.root, chain.book, 1);
    }
    while offset.get() < until {
        let limit = usize::try_from(until - offset.get()).unwrap_or(1_000).min(1_000);
        for entry in log.read(offset, limit).await.expect("entries") {
            let line = entry.lines.first().expect("a line");
            let followed = tip.follow(Log::Lease, &root().chain(), line, Some(&TEST_MAC_KEY)).expect("in its place");
            let recorded = match followed.expect("true") {
                Followed::Known(recorded) => recorded.clone(),
                Followed::Read(envelope) => Recorded::decode(&envelope).expect("an event"),
            };
            let AnyEvent::Lease(event) = &recorded.event else { panic!("another event") };
            let touched = ledger.book(&root()).map_or_else(Vec::new, |book| book.touched(event));
            let place = Entry { id: recorded.id, position: recorded.position, at: recorded.at, event };
            ledger.apply(&root(), place, 1).expect("no gap");
            let mark = ChainMark { tip, read: tip.head().position, is_readable: true };
            books.keep(&root(), &mark, ledger.book(&root()).expect("a book"), &touched);
            books.read_to(entry.offset, line.hash());
            offset = entry.offset;
        }
    }
    ledger.book(&root()).cloned().expect("a book")
}

fn starting(criterion: &mut Criterion) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let log = write_log(&runtime, &folder.path().join("log"));
    let kept_folder = folder.path().join("kept");
    let mut books_of = Vec::new();
    let mut group = criterion.benchmark_group("start with 200,000 lines of the lease log");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    group.bench_function("from the beginning", |bencher| {
        bencher.iter(|| {
            let anew = tempfile::tempdir().expect("a folder");
            runtime.block_on(async {
                let (books, kept) = LeaseBooks::open(anew.path().join("lease"), &log).await.expect("books");
                assert_eq!(kept.offset, Offset::START);
                books_of.push(read(&log, kept, &books, LINES).await);
            });
        });
    });
    runtime.block_on(async {
        let (books, kept) = LeaseBooks::open(kept_folder.clone(), &log).await.expect("books");
        read(&log, kept, &books, LINES - SINCE).await;
    });
    group.bench_function("from what was kept, 100 lines before the end", |bencher| {
        bencher.iter_batched(
            || copy(&kept_folder),
            |copied| {
                runtime.block_on(async {
                    let (books, kept) = LeaseBooks::open(copied.path().to_owned(), &log).await.expect("books");
                    assert_eq!(kept.offset, Offset::new(LINES - SINCE));
                    let book = read(&log, kept, &books, LINES).await;
                    assert!(books_of.iter().all(|other| *other == book));
                    (books, copied)
                })
            },
            criterion::BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Another folder with the same files.
fn copy(folder: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a folder");
    for file in std::fs::read_dir(folder).expect("files").filter_map(Result::ok) {
        if file.path().is_file() {
            std::fs::copy(file.path(), to.path().join(file.file_name())).expect("a copy");
        }
    }
    to
}

criterion_group!(benches, starting);
criterion_main!(benches);
