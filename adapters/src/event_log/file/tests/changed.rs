//! A log that was changed does not open, says where, and is left as it is.

use std::fs;
use std::path::Path;

use tallygate_core::envelope::Line;
use tallygate_core::port::event_log::LogError;
use tallygate_core::stream::Log;
use tallygate_core::testing::chain_writer::ChainWriter;

use super::{UnsyncedDisk, open_unsynced, segment_of};
use crate::event_log::file::{FileLog, Options};

const FIRST: &str = "00000000000000000001.jsonl";
const SECOND: &str = "00000000000000000004.jsonl";

/// Two segments of three lines; in activity of two chains, one of which ends early.
fn segments(log: Log) -> [Vec<u8>; 2] {
    let mut one = ChainWriter::new(log, "one");
    let mut two = if log == Log::Control { one.clone() } else { ChainWriter::new(log, "two") };
    let first: Vec<Line> = [one.batch(1).lines, one.command(2).lines].concat();
    two = if log == Log::Control { one } else { two };
    let second: Vec<Line> = [two.command(2).lines, two.batch(1).lines].concat();
    [segment_of(&first), segment_of(&second)]
}

fn damaged(folder: &Path, log: Log) -> (String, String) {
    match open_unsynced(folder, log) {
        Err(LogError::Damaged { place, what }) => (place, what),
        other => panic!("damage was expected, not {other:?}"),
    }
}

#[test]
fn every_flipped_bit_refuses_to_open_and_changes_nothing() {
    for log in [Log::Control, Log::Activity] {
        let folder = tempfile::tempdir().unwrap();
        let segments = segments(log);
        for (index, name) in [FIRST, SECOND].into_iter().enumerate() {
            fs::write(folder.path().join(FIRST), &segments[0]).unwrap();
            fs::write(folder.path().join(SECOND), &segments[1]).unwrap();
            drop(open_unsynced(folder.path(), log).unwrap());
            let path = folder.path().join(name);
            // In the second log one bit of each byte, another one from byte to byte.
            for bit in (0..segments[index].len() * 8).step_by(if log == Log::Control { 1 } else { 9 }) {
                let mut changed = segments[index].clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                fs::write(&path, &changed).unwrap();
                let error = open_unsynced(folder.path(), log).map(drop).unwrap_err();
                assert!(matches!(error, LogError::Damaged { .. }), "{log} {name} bit {bit}: {error}");
                assert_eq!(fs::read(&path).unwrap(), changed, "{log} {name} bit {bit}: the file was changed");
            }
        }
    }
}

/// Without a key only the last line of each chain can change unseen, and only if it still parses.
#[test]
fn without_a_key_every_line_but_the_last_of_a_chain_is_still_proved() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = segments(Log::Control);
    fs::write(folder.path().join(SECOND), &second).unwrap();
    for at in 0..first.len() {
        let mut changed = first.clone();
        changed[at] ^= 1;
        fs::write(folder.path().join(FIRST), changed).unwrap();
        let opened =
            FileLog::open_on(std::sync::Arc::new(UnsyncedDisk), folder.path(), Log::Control, &Options::default());
        assert!(matches!(opened, Err(LogError::Damaged { .. })), "byte {at}");
    }
}

#[test]
fn without_a_key_the_last_line_must_still_say_its_place_and_parse() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = segments(Log::Control).map(|segment| String::from_utf8(segment).unwrap());
    fs::write(folder.path().join(FIRST), &first).unwrap();
    for (from, to) in [("\"position\":6", "\"position\":7"), ("\"version\":6", "\"version\":x")] {
        let changed = second.replace(from, to);
        assert_ne!(changed, second);
        fs::write(folder.path().join(SECOND), changed).unwrap();
        let opened = FileLog::open(folder.path(), Log::Control, &Options::default());
        assert!(matches!(opened, Err(LogError::Damaged { .. })), "{from}");
    }
}

#[test]
fn damage_is_named_by_file_line_and_byte() {
    let folder = tempfile::tempdir().unwrap();
    let [first, mut second] = segments(Log::Control);
    let start = second.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    second[start + 5] ^= 1;
    fs::write(folder.path().join(FIRST), &first).unwrap();
    fs::write(folder.path().join(SECOND), &second).unwrap();
    let (place, _) = damaged(folder.path(), Log::Control);
    assert!(
        place.contains(SECOND) && place.contains("line 5 of the log") && place.ends_with(&format!("byte {start}")),
        "{place}"
    );
}

#[test]
fn a_missing_shortened_or_foreign_segment_refuses_to_open() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = segments(Log::Control);
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();

    write(SECOND, &second);
    assert!(damaged(folder.path(), Log::Control).1.contains("older ones are missing"));

    let two_lines = first.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).unwrap().0 + 1;
    write(FIRST, &first[..two_lines]);
    assert!(damaged(folder.path(), Log::Control).1.contains("lines are missing"));
    write(FIRST, &first[..two_lines + 10]);
    assert!(damaged(folder.path(), Log::Control).1.contains("a line does not end"));
    write(FIRST, &first);
    assert!(damaged(folder.path(), Log::Lease).1.contains("belongs to log control"));

    let rival = ChainWriter::new(Log::Control, "one").rival(9).batch(3).lines;
    write(FIRST, &segment_of(&rival));
    assert!(damaged(folder.path(), Log::Control).1.contains("`prev`"));
    write(FIRST, &first);
    drop(open_unsynced(folder.path(), Log::Control).unwrap());
}

#[test]
fn a_line_longer_than_any_that_was_written_refuses_to_open() {
    let folder = tempfile::tempdir().unwrap();
    let [first, _] = segments(Log::Control);
    fs::write(folder.path().join(FIRST), [first, vec![b'x'; 2_000_000]].concat()).unwrap();
    assert!(damaged(folder.path(), Log::Control).1.contains("longer than any"));
}

/// Only what was never acknowledged can be half a command, and it is the last. Two in a row were not left by a crash.
#[test]
fn half_a_command_before_another_half_refuses_to_open() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = ChainWriter::new(Log::Control, "one");
    let mut half = writer.command(3).lines;
    half.truncate(1);
    let head = half[0].check(Log::Control, &writer.chain(), &tallygate_core::stream::Head::EMPTY, None).unwrap().1;
    let mut rival = writer.at(head).rival(1).command(3).lines;
    rival.truncate(2);
    let lines = [half, rival].concat();
    fs::write(folder.path().join(FIRST), segment_of(&lines)).unwrap();
    assert!(damaged(folder.path(), Log::Control).1.contains("part 2 of 3"));
}
