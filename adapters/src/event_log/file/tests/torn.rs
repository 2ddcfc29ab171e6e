//! What a crash leaves at the end is cut off to the longest prefix of whole commands, and nothing panics.

use std::fs;
use std::path::Path;

use tallygate_core::envelope::Line;
use tallygate_core::port::event_log::EventLog as _;
use tallygate_core::stream::{Log, Offset};
use tallygate_core::testing::chain_writer::ChainWriter;

use super::{open_unsynced, read_all, segment_of};

const SEGMENT: &str = "00000000000000000001.jsonl";

/// Lines of about 12 KiB: events alone and commands of several parts, in one chain or in two.
fn lines(log: Log) -> Vec<Line> {
    let mut writers = [ChainWriter::new(log, "a"), ChainWriter::new(log, "b")];
    (0..12_usize)
        .flat_map(|round| {
            let writer = &mut writers[if log == Log::Control { 0 } else { round % 2 }];
            let batch = if round % 3 == 0 { writer.batch(2) } else { writer.command(1 + round % 4) };
            batch.lines
        })
        .collect()
}

/// How many lines stay when a file of these lines is cut at a byte: whole lines of whole commands.
fn whole_lines(lines: &[Line], cut: usize) -> usize {
    let mut end = 0;
    let present = lines.iter().take_while(|line| {
        end += line.bytes().len() + 1;
        end <= cut
    });
    let last_whole = present.map(|line| line.envelope().unwrap().part).enumerate().filter(|(_, (part, of))| part == of);
    last_whole.last().map_or(0, |(index, _)| index + 1)
}

async fn assert_opens_with(folder: &Path, log: Log, expected: &[Line], what: &str) {
    let opened = open_unsynced(folder, log).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(opened.end().await.unwrap(), Offset::new(expected.len() as u64), "{what}");
    assert_eq!(fs::read(folder.join(SEGMENT)).unwrap(), segment_of(expected), "{what}");
}

#[tokio::test]
async fn an_end_torn_at_any_byte_opens_with_the_longest_whole_prefix() {
    for log in [Log::Control, Log::Lease] {
        let folder = tempfile::tempdir().unwrap();
        let lines = lines(log);
        let whole = segment_of(&lines);
        for cut in whole.len().saturating_sub(8 * 1024)..=whole.len() {
            fs::write(folder.path().join(SEGMENT), &whole[..cut]).unwrap();
            let expected = &lines[..whole_lines(&lines, cut)];
            assert_opens_with(folder.path(), log, expected, &format!("cut at {cut}")).await;
        }
    }
}

/// The file had grown, but the data had not arrived.
#[tokio::test]
async fn an_end_of_zeros_at_any_byte_opens_with_the_longest_whole_prefix() {
    let folder = tempfile::tempdir().unwrap();
    let lines = lines(Log::Control);
    let whole = segment_of(&lines);
    for cut in (whole.len() - 2_000..whole.len()).chain(0..20) {
        for zeros in [1, 600] {
            let torn = [&whole[..cut], &vec![0; zeros]].concat();
            fs::write(folder.path().join(SEGMENT), torn).unwrap();
            let expected = &lines[..whole_lines(&lines, cut)];
            assert_opens_with(folder.path(), Log::Control, expected, &format!("{zeros} zeros at {cut}")).await;
        }
    }
}

#[tokio::test]
async fn a_great_many_zeros_are_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let lines = lines(Log::Control);
    fs::write(folder.path().join(SEGMENT), [segment_of(&lines), vec![0; 9_000_000]].concat()).unwrap();
    assert_opens_with(folder.path(), Log::Control, &lines, "9 MB of zeros").await;
}

/// A sector in the middle of the last line did not arrive, the one with its line feed did.
#[tokio::test]
async fn a_hole_in_the_last_line_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = ChainWriter::new(Log::Control, "acme");
    let mut lines = writer.batch(2).lines;
    let long = writer.line_of_bytes(3_000).lines;
    let mut torn = segment_of(&[&lines[..], &long[..]].concat());
    let start = torn.len() - 2_000;
    torn[start..start + 512].fill(0);
    fs::write(folder.path().join(SEGMENT), &torn).unwrap();
    assert_opens_with(folder.path(), Log::Control, &lines, "a hole").await;
    // The same hole with a line behind it is no end, and so no crash.
    torn.extend(segment_of(&writer.batch(1).lines));
    fs::write(folder.path().join(SEGMENT), &torn).unwrap();
    let error = open_unsynced(folder.path(), Log::Control).unwrap_err();
    assert!(error.to_string().contains("line 3 of the log"), "{error}");
    lines.clear();
}

#[tokio::test]
async fn a_log_that_was_cut_goes_on_and_takes_the_same_append_again() {
    for (log, command) in [(Log::Control, false), (Log::Control, true), (Log::Lease, true), (Log::Activity, false)] {
        let mut writer = ChainWriter::new(log, "acme");
        let stored = writer.batch(2);
        let kept = writer.head();
        let cut_off = if command { writer.command(3) } else { writer.batch(3) };
        let whole = segment_of(&[&stored.lines[..], &cut_off.lines[..]].concat());
        let start = segment_of(&stored.lines).len();
        for cut in (start..whole.len()).step_by(97) {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(SEGMENT), &whole[..cut]).unwrap();
            let opened = open_unsynced(folder.path(), log).unwrap();
            let head = opened.head(&cut_off.chain).await.unwrap();
            assert!(head == kept || !command, "nothing of a command that was cut is left: {head:?}");
            let answer = opened.append(cut_off.clone()).await;
            assert_eq!(answer.unwrap(), writer.head(), "some commands of a batch may be there, the rest is stored");
            assert_eq!(segment_of(&read_all(&opened).await), whole, "cut at {cut}");
        }
    }
}

/// What the process before left in the page cache was seen by nobody, so it must be synced before anybody sees it.
#[tokio::test]
async fn opening_syncs_before_it_shows_anything() {
    #[derive(Debug)]
    struct NoSync;
    impl crate::event_log::file::disk::Disk for NoSync {
        fn sync(&self, _: &fs::File) -> std::io::Result<()> {
            Err(std::io::ErrorKind::Other.into())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(SEGMENT), segment_of(&lines(Log::Control))).unwrap();
    let opened = crate::event_log::file::FileLog::open_on(
        std::sync::Arc::new(NoSync),
        folder.path(),
        Log::Control,
        &super::keyed(),
    );
    assert!(opened.unwrap_err().to_string().contains("unavailable"));
}
