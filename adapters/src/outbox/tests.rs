use std::os::unix::fs::symlink;

use tallygate_core::id::WriterId;
use tallygate_core::journal::frame::{self, End, TERMINATOR};
use tallygate_core::journal::{Encoder, Journal};
use tallygate_core::stream::Position;

use super::{Outbox, SPARES_MAX};

fn gateway() -> WriterId {
    WriterId::new("gw").unwrap()
}

/// The activity that the segments of a folder hold.
fn activity(folder: &std::path::Path) -> Vec<Vec<u8>> {
    let (_, found) = Outbox::open(folder).unwrap();
    let journal = Journal::read(&gateway(), found.iter().map(|found| found.bytes.as_slice()));
    assert_eq!(journal.strange, 0);
    assert!(journal.runs.values().all(|run| run.end == End::Whole), "{:?}", journal.runs);
    journal.activity.into_values().collect()
}

#[test]
fn what_was_written_is_found_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let (mut outbox, found) = Outbox::open(&folder.path().join("journal")).unwrap();
    assert!(found.is_empty());
    let mut encoder = Encoder::begin(&gateway(), 1, "boot");
    outbox.begin(encoder.bytes()).unwrap();
    for number in 1..=3 {
        encoder.happened(Position::new(number), format!("record {number}").as_bytes());
        outbox.write(encoder.bytes()).unwrap();
        assert!(encoder.bytes().is_empty());
    }
    outbox.sync().unwrap();
    let expected: Vec<Vec<u8>> = (1..=3).map(|number| format!("record {number}").into_bytes()).collect();
    assert_eq!(activity(&folder.path().join("journal")), expected);
}

#[test]
fn a_released_segment_is_not_found_again_and_its_file_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut outbox, _) = Outbox::open(folder.path()).unwrap();
    let mut first = Encoder::begin(&gateway(), 1, "boot");
    let one = outbox.begin(first.bytes()).unwrap();
    (1..=50).for_each(|number| first.happened(Position::new(number), b"a long record of the first segment"));
    outbox.write(first.bytes()).unwrap();
    let mut second = Encoder::begin(&gateway(), 2, "boot");
    second.happened(Position::new(51), b"of the second");
    let two = outbox.begin(second.bytes()).unwrap();
    outbox.release(one).unwrap();
    assert_eq!(activity(folder.path()), [b"of the second"]);
    let mut third = Encoder::begin(&gateway(), 3, "boot");
    third.happened(Position::new(52), b"of the third");
    assert_eq!(outbox.begin(third.bytes()).unwrap(), one, "in place of the first");
    outbox.release(two).unwrap();
    assert_eq!(activity(folder.path()), [b"of the third"], "what the first left behind the end is none");
}

#[test]
fn a_few_files_are_kept_for_later_segments_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let (mut outbox, _) = Outbox::open(folder.path()).unwrap();
    let begin = |outbox: &mut Outbox, run| outbox.begin(Encoder::begin(&gateway(), run, "boot").bytes()).unwrap();
    let files: Vec<_> = (1..=10).map(|run| begin(&mut outbox, run)).collect();
    let (last, earlier) = files.split_last().unwrap();
    earlier.iter().for_each(|file| outbox.release(*file).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), SPARES_MAX + 1);
    drop(outbox);
    let (mut outbox, found) = Outbox::open(folder.path()).unwrap();
    assert_eq!(found.iter().map(|found| found.file).collect::<Vec<_>>(), [*last]);
    assert!(!files[SPARES_MAX..].contains(&begin(&mut outbox, 11)), "a spare is used again by the next process");
}

#[test]
fn a_disk_without_room_is_an_error_and_the_segment_before_stays_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (mut outbox, _) = Outbox::open(folder.path()).unwrap();
    let mut encoder = Encoder::begin(&gateway(), 1, "boot");
    outbox.begin(encoder.bytes()).unwrap();
    // The next segment's file is a device that never has room.
    symlink("/dev/full", folder.path().join("0001.journal")).unwrap();
    let error = outbox.begin(Encoder::begin(&gateway(), 2, "boot").bytes()).unwrap_err();
    assert!(error.to_string().contains("writing") && error.to_string().contains("0001.journal"), "{error}");
    encoder.happened(Position::new(1), b"still here");
    outbox.write(encoder.bytes()).unwrap();
    std::fs::remove_file(folder.path().join("0001.journal")).unwrap();
    assert_eq!(activity(folder.path()), [b"still here"]);
}

/// A killed process may have written a part of its last records. What stands behind them in a file that is used again is
/// of an earlier segment, and is never taken for theirs.
#[test]
fn a_write_that_was_cut_off_at_any_byte_leaves_what_was_written_before() {
    let mut earlier = Encoder::begin(&gateway(), 1, "boot");
    (1..=20).for_each(|number| earlier.happened(Position::new(number), b"of an earlier segment"));
    let earlier = earlier.take();
    let mut now = Encoder::begin(&gateway(), 2, "boot");
    now.happened(Position::new(21), b"before");
    let before = now.take();
    now.happened(Position::new(22), b"cut off");
    let cut_off = [now.take().as_slice(), &TERMINATOR].concat();
    for cut in 0..=cut_off.len() {
        let mut file = earlier.clone();
        let written = [&before, &cut_off[..cut]].concat();
        file[..before.len() + TERMINATOR.len()].copy_from_slice(&[before.as_slice(), &TERMINATOR].concat());
        file[..written.len()].copy_from_slice(&written);
        let read = frame::read(&file);
        let whole = if cut >= cut_off.len() - TERMINATOR.len() { 3 } else { 2 };
        assert_eq!(read.payloads.len(), whole, "cut at {cut}: {:?}", read.end);
    }
}
