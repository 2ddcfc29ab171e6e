use std::path::Path;
use std::sync::Arc;

use tallygate_core::activity::{CommandRefused, Event};
use tallygate_core::actor::Actor;
use tallygate_core::envelope::{Line, MacKey};
use tallygate_core::id::WriterId;
use tallygate_core::lease::allot::Policy;
use tallygate_core::port::event_log::{Batch, EventLog};
use tallygate_core::stream::{ChainId, Head, Log, Offset, Position};
use tallygate_core::testing::manual_clock::ManualClock;
use tallygate_core::testing::memory_log::MemoryLog;
use tallygate_core::testing::seeded_ids::SeededIds;

use super::{ActivityWriter, Happened, WriterTask, open};

const MAC: MacKey = MacKey::new([1; 32]);

fn writer() -> WriterId {
    WriterId::new("w").unwrap()
}

fn happened(code: &str) -> Happened {
    let event =
        CommandRefused { command: None, kind: "IssueKey".to_owned(), code: code.to_owned(), message: "no".to_owned() };
    Happened { realm: None, actor: Actor::operator(), cause: Vec::new(), event: Event::CommandRefused(event) }
}

/// A process of the gateway on a log and a folder. Each process makes ids of its own.
async fn process(log: &Arc<dyn EventLog>, folder: &Path, ids: u64) -> (ActivityWriter, WriterTask) {
    let sources = (Arc::new(ManualClock::default()) as _, Arc::new(SeededIds::new(ids)) as _);
    open(Arc::clone(log), folder, &writer(), MAC, Policy::default(), sources).await.unwrap()
}

async fn write_all((activity, task): (ActivityWriter, WriterTask)) {
    activity.close();
    task.run().await.unwrap();
}

/// The lines of the chain, checked, with the code of each.
async fn logged(log: &Arc<dyn EventLog>) -> Vec<(String, Line)> {
    let entries = log.read(Offset::START, 100_000).await.unwrap();
    let (mut head, mut found) = (Head::EMPTY, Vec::new());
    for line in entries.into_iter().flat_map(|entry| entry.lines) {
        let (envelope, next) = line.check(Log::Activity, &ChainId::writer(&writer()), &head, Some(&MAC)).unwrap();
        let data: serde_json::Value = serde_json::from_str(envelope.data.get()).unwrap();
        found.push((data["code"].as_str().unwrap().to_owned(), line.clone()));
        head = next;
    }
    found
}

async fn codes(log: &Arc<dyn EventLog>) -> Vec<String> {
    logged(log).await.into_iter().map(|(code, _)| code).collect()
}

fn memory_log() -> Arc<dyn EventLog> {
    Arc::new(MemoryLog::new(Log::Activity))
}

#[tokio::test]
async fn every_record_is_written_once_in_order_and_the_chain_holds() {
    let (log, folder) = (memory_log(), tempfile::tempdir().unwrap());
    let (activity, task) = process(&log, folder.path(), 1).await;
    let task = tokio::spawn(task.run());
    let positions: Vec<u64> = (0..1_200).map(|n| activity.record(happened(&format!("c{n}"))).get()).collect();
    assert_eq!(positions, (1..=1_200).collect::<Vec<_>>());
    activity.until_written(Position::new(1_200)).await;
    activity.close();
    task.await.unwrap().unwrap();
    assert_eq!(codes(&log).await, (0..1_200).map(|n| format!("c{n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_a_killed_process_had_not_appended_is_appended_by_the_next_one() {
    let (log, folder) = (memory_log(), tempfile::tempdir().unwrap());
    let (first, task) = process(&log, folder.path(), 1).await;
    let _ = ["a", "b"].map(|code| first.record(happened(code)));
    // It is killed before its task has had a turn.
    drop((first, task));
    let second = process(&log, folder.path(), 2).await;
    assert_eq!(second.0.record(happened("c")), Position::new(3));
    write_all(second).await;
    assert_eq!(codes(&log).await, ["a", "b", "c"]);
    write_all(process(&log, folder.path(), 3).await).await;
    assert_eq!(codes(&log).await, ["a", "b", "c"], "each once");
}

/// The lines that a process appended without hearing of it are those that the next one makes of its journal.
#[tokio::test]
async fn an_append_that_arrives_after_its_process_was_killed_is_found_to_be_the_same() {
    let (log, folder) = (memory_log(), tempfile::tempdir().unwrap());
    let (first, task) = process(&log, folder.path(), 1).await;
    let _ = ["a", "b", "c"].map(|code| first.record(happened(code)));
    let on_their_way: Vec<Line> =
        task.seal(first.outbox().take(2)).await.unwrap().into_iter().map(|(line, _)| line).collect();
    drop((first, task));
    let second = process(&log, folder.path(), 2).await;
    second.0.record(happened("d"));
    // The next process has read where the chain ends, and only then the append of the first one gets there.
    let batch = Batch { chain: ChainId::writer(&writer()), after: Position::START, lines: on_their_way.clone() };
    log.append(batch).await.unwrap();
    write_all(second).await;
    let logged = logged(&log).await;
    assert_eq!(logged.iter().map(|(code, _)| code.as_str()).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    assert_eq!(logged.into_iter().map(|(_, line)| line).take(2).collect::<Vec<_>>(), on_their_way);
}

#[tokio::test]
async fn a_chain_that_somebody_else_writes_stops_the_writer() {
    let (log, folder) = (memory_log(), tempfile::tempdir().unwrap());
    let elsewhere = tempfile::tempdir().unwrap();
    let (ours, theirs) = (process(&log, folder.path(), 1).await, process(&log, elsewhere.path(), 2).await);
    ours.0.record(happened("ours"));
    theirs.0.record(happened("theirs"));
    write_all(theirs).await;
    ours.0.close();
    assert!(ours.1.run().await.is_err());
    assert_eq!(codes(&log).await, ["theirs"]);
}

#[tokio::test]
async fn the_journal_keeps_what_the_log_lacks_over_many_segments_and_no_more() {
    let (log, folder) = (memory_log(), tempfile::tempdir().unwrap());
    let (first, task) = process(&log, folder.path(), 1).await;
    let long = "x".repeat(100_000);
    for _ in 0..200 {
        first.record(happened(&long));
    }
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    assert!(files() >= 3, "20 MB are more than two segments");
    drop((first, task));
    let second = process(&log, folder.path(), 2).await;
    assert_eq!(second.0.waiting(), 200);
    write_all(second).await;
    assert_eq!(logged(&log).await.len(), 200);
    let (third, _) = process(&log, folder.path(), 3).await;
    assert_eq!(third.waiting(), 0);
    assert!(files() <= 4, "a segment and a few spares");
}
