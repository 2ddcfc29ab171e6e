//! The folder: one process at a time, segments, and the hints that save reading old ones.

use std::fs;
use std::path::Path;

use tallygate_core::port::event_log::{AppendError, EventLog as _, LogError};
use tallygate_core::stream::{Log, Offset};
use tallygate_core::testing::chain_writer::ChainWriter;
use tallygate_core::testing::drive::next;

use super::{keyed, read_all};
use crate::event_log::file::{FileLog, Options, Outage, Verify};

fn names(folder: &Path, suffix: &str) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(suffix)).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_second_open_of_a_log_is_refused_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/on/the/way");
    let log = FileLog::open(&path, Log::Control, &keyed()).unwrap();
    let refused = FileLog::open(&path, Log::Control, &keyed()).unwrap_err();
    assert!(matches!(&refused, LogError::Misconfigured(what) if what.contains("another process")), "{refused}");
    log.close().await;
    let again = FileLog::open(&path, Log::Control, &keyed()).unwrap();
    drop(log);
    assert!(FileLog::open(&path, Log::Control, &keyed()).is_err(), "a log that was closed holds no lock");
    drop(again);
    drop(FileLog::open(&path, Log::Control, &keyed()).unwrap());
}

#[tokio::test]
async fn a_closed_log_answers_what_it_took_and_refuses_what_comes() {
    let folder = tempfile::tempdir().unwrap();
    let log = FileLog::open(folder.path(), Log::Control, &keyed()).unwrap();
    let mut writer = ChainWriter::new(Log::Control, "acme");
    let first = log.append(writer.batch(1));
    let (answer, ()) = tokio::join!(first, log.close());
    assert_eq!(answer.unwrap(), writer.head());
    match log.append(writer.batch(1)).await {
        Err(AppendError::Unavailable(source)) => assert!(matches!(source.downcast_ref(), Some(Outage::Closed))),
        other => panic!("a closed log was expected, not {other:?}"),
    }
    let mut tail = log.tail(Offset::START);
    assert!(next(&mut tail).await.unwrap().is_ok());
    assert!(next(&mut tail).await.unwrap().is_err());
}

#[tokio::test]
async fn a_segment_begins_where_the_one_before_ends() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: 1_000, ..keyed() };
    let log = FileLog::open(folder.path(), Log::Control, &options).unwrap();
    let mut writer = ChainWriter::new(Log::Control, "acme");
    for _ in 0..3 {
        log.append(writer.batch(3)).await.unwrap();
    }
    let expected = [1, 4, 7].map(|first| format!("{first:020}.jsonl"));
    assert_eq!(names(folder.path(), ".jsonl"), expected);
    let on_disk: Vec<u8> = expected.iter().flat_map(|name| fs::read(folder.path().join(name)).unwrap()).collect();
    assert_eq!(on_disk, super::segment_of(&read_all(&log).await));
}

/// An activity log of many segments, in the first of which one chain ends.
async fn activity(folder: &Path) -> (ChainWriter, ChainWriter) {
    let options = Options { segment_bytes: 1_000, ..keyed() };
    let log = FileLog::open(folder, Log::Activity, &options).unwrap();
    let (mut quiet, mut busy) = (ChainWriter::new(Log::Activity, "quiet"), ChainWriter::new(Log::Activity, "busy"));
    log.append(quiet.batch(3)).await.unwrap();
    for _ in 0..5 {
        log.append(busy.batch(3)).await.unwrap();
    }
    log.close().await;
    (quiet, busy)
}

#[tokio::test]
async fn a_chain_that_ended_in_a_segment_that_is_not_read_goes_on() {
    for hint in ["kept", "lost", "changed"] {
        let folder = tempfile::tempdir().unwrap();
        let (mut quiet, mut busy) = activity(folder.path()).await;
        let last = folder.path().join(names(folder.path(), ".heads").last().unwrap());
        match hint {
            "kept" => {}
            "lost" => fs::remove_file(last).unwrap(),
            _ => fs::write(&last, fs::read_to_string(&last).unwrap().replace("quiet", "other")).unwrap(),
        }
        let options = Options { verify: Verify::LastSegment, ..keyed() };
        let log = FileLog::open(folder.path(), Log::Activity, &options).unwrap();
        for writer in [&mut quiet, &mut busy] {
            assert_eq!(log.head(&writer.chain()).await.unwrap(), writer.head());
            assert_eq!(log.append(writer.batch(2)).await.unwrap(), writer.head());
        }
        assert_eq!(read_all(&log).await.len(), 22, "{hint}");
    }
}

/// Only the last segment is read when it is opened, so a change in an older one is found by a whole read alone.
#[tokio::test]
async fn an_older_segment_is_read_only_if_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    activity(folder.path()).await;
    let path = folder.path().join("00000000000000000004.jsonl");
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let last = Options { verify: Verify::LastSegment, ..keyed() };
    drop(FileLog::open(folder.path(), Log::Activity, &last).unwrap());
    assert!(matches!(FileLog::open(folder.path(), Log::Activity, &keyed()), Err(LogError::Damaged { .. })));

    // A line that is missing there is found by the reader at the latest.
    let one_line = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    fs::write(&path, &bytes[..one_line]).unwrap();
    let log = FileLog::open(folder.path(), Log::Activity, &last).unwrap();
    let mut tail = log.tail(Offset::START);
    for _ in 0..4 {
        next(&mut tail).await.unwrap().unwrap();
    }
    assert!(matches!(next(&mut tail).await, Some(Err(LogError::Damaged { .. }))));
}

#[tokio::test]
async fn a_batch_that_forks_the_chain_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let log = FileLog::open(folder.path(), Log::Control, &keyed()).unwrap();
    let mut writer = ChainWriter::new(Log::Control, "acme");
    let mut fork = writer.rival(1);
    log.append(writer.batch(2)).await.unwrap();
    fork.batch(2);
    assert!(matches!(log.append(fork.batch(1)).await, Err(AppendError::Invalid(_))));
    assert_eq!(log.append(writer.batch(1)).await.unwrap(), writer.head());
}
