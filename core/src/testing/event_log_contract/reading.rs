//! What readers see, in which order, and how often.

#![allow(clippy::expect_used, clippy::panic, missing_docs, reason = "a case says in its name what must hold")]

use std::collections::HashMap;

use super::{Fixture, lines_of, read_all, take_lines};
use crate::envelope::Line;
use crate::port::event_log::{Entry, EventLog, LogError};
use crate::stream::{ChainId, Head, Log, Offset};
use crate::testing::chain_writer::{ChainWriter, TEST_MAC_KEY};
use crate::testing::drive::{join, join_all, next};

/// Appends batches of 1, 2, …, `batches` lines, and tells which lines they were.
async fn fill(log: &dyn EventLog, writer: &mut ChainWriter, batches: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for count in 1..=batches {
        let batch = writer.batch(count);
        lines.extend(batch.lines.clone());
        log.append(batch).await.expect("stored");
    }
    lines
}

fn offset_of_last(entries: &[Entry]) -> Offset {
    entries.last().map_or(Offset::START, |entry| entry.offset)
}

pub async fn an_empty_log_has_no_end_and_no_entries(fixture: &impl Fixture) {
    for kind in [Log::Control, Log::Lease, Log::Activity] {
        let log = fixture.open(kind).await;
        assert_eq!(log.end().await.expect("an end"), Offset::START);
        assert_eq!(log.head(&ChainWriter::new(kind, "acme").chain()).await.expect("a head"), Head::EMPTY);
        assert_eq!(log.read(Offset::START, 10).await.expect("a page"), []);
    }
}

pub async fn lines_are_read_in_the_order_of_their_appends(fixture: &impl Fixture) {
    for kind in [Log::Control, Log::Lease, Log::Activity] {
        let log = fixture.open(kind).await;
        let mut writer = ChainWriter::new(kind, "acme");
        let lines = fill(&*log, &mut writer, 9).await;
        let entries = read_all(&*log).await;
        assert_eq!(lines_of(&entries), lines);
        if kind != Log::Activity {
            assert!(entries.iter().all(|entry| entry.lines.len() == 1), "an entry of {kind} is one line");
        }
        let mut head = Head::EMPTY;
        for line in &lines_of(&entries) {
            head = line.check(kind, &writer.chain(), &head, Some(&TEST_MAC_KEY)).expect("the next line").1;
        }
        assert_eq!(head, writer.head());
    }
}

pub async fn pages_put_together_are_the_whole_log(fixture: &impl Fixture) {
    for kind in [Log::Control, Log::Activity] {
        let log = fixture.open(kind).await;
        let mut writer = ChainWriter::new(kind, "acme");
        let lines = fill(&*log, &mut writer, 12).await;
        for limit in [1, 2, 5, 1_000] {
            let mut entries: Vec<Entry> = Vec::new();
            loop {
                let page = log.read(offset_of_last(&entries), limit).await.expect("a page");
                assert!(page.len() <= limit);
                if page.is_empty() {
                    break;
                }
                entries.extend(page);
            }
            assert_eq!(lines_of(&entries), lines, "in pages of {limit}");
        }
    }
}

pub async fn the_end_is_the_offset_of_the_last_entry(fixture: &impl Fixture) {
    for kind in [Log::Control, Log::Activity] {
        let log = fixture.open(kind).await;
        let mut writer = ChainWriter::new(kind, "acme");
        for _ in 0..5 {
            log.append(writer.batch(3)).await.expect("stored");
            let end = log.end().await.expect("an end");
            assert_eq!(end, offset_of_last(&read_all(&*log).await));
            assert_eq!(log.read(end, 10).await.expect("a page"), []);
        }
    }
}

pub async fn chains_of_one_log_are_interleaved_and_gapless(fixture: &impl Fixture) {
    for kind in [Log::Lease, Log::Activity] {
        let log = fixture.open(kind).await;
        let mut writers: Vec<_> = ["a", "b.*.>", "c c"].iter().map(|name| ChainWriter::new(kind, name)).collect();
        let mut appended = Vec::new();
        for round in 0..30 {
            let batch = writers[round % 3].batch(1 + round % 4);
            appended.extend(batch.lines.clone());
            log.append(batch).await.expect("stored");
        }
        let lines = lines_of(&read_all(&*log).await);
        assert_eq!(lines, appended, "appends that wait for one another are read in their order");
        let mut heads: HashMap<ChainId, Head> = HashMap::new();
        for line in &lines {
            let chain = ChainId::of(kind, &line.envelope().expect("a line").stream);
            let head = heads.entry(chain.clone()).or_insert(Head::EMPTY);
            *head = line.check(kind, &chain, head, Some(&TEST_MAC_KEY)).expect("the next of its chain").1;
        }
        for writer in &writers {
            assert_eq!(heads.get(&writer.chain()), Some(&writer.head()));
            assert_eq!(log.head(&writer.chain()).await.expect("a head"), writer.head());
        }
    }
}

pub async fn a_tail_yields_history_and_then_what_comes(fixture: &impl Fixture) {
    for kind in [Log::Control, Log::Lease, Log::Activity] {
        let log = fixture.open(kind).await;
        let mut writer = ChainWriter::new(kind, "acme");
        let mut lines = fill(&*log, &mut writer, 6).await;
        let mut tail = log.tail(Offset::START);
        let mut seen = take_lines(&mut tail, lines.len()).await;
        for _ in 0..5 {
            let batch = writer.command(3);
            lines.extend(batch.lines.clone());
            let (entries, answer) = join(take_lines(&mut tail, 3), log.append(batch)).await;
            answer.expect("stored");
            seen.extend(entries);
        }
        assert_eq!(lines_of(&seen), lines);
        assert_eq!(seen, read_all(&*log).await, "a tail and pages show the same entries at the same offsets");
    }
}

pub async fn a_tail_starts_after_its_offset(fixture: &impl Fixture) {
    for kind in [Log::Control, Log::Activity] {
        let log = fixture.open(kind).await;
        let mut writer = ChainWriter::new(kind, "acme");
        fill(&*log, &mut writer, 5).await;
        let all = read_all(&*log).await;
        for skip in 0..=all.len() {
            let after = offset_of_last(&all[..skip]);
            let mut tail = log.tail(after);
            let rest = lines_of(&all[skip..]);
            assert_eq!(lines_of(&take_lines(&mut tail, rest.len()).await), rest);
        }
        let mut tail = log.tail(log.end().await.expect("an end"));
        let batch = writer.batch(2);
        let (entries, answer) = join(take_lines(&mut tail, 2), log.append(batch.clone())).await;
        answer.expect("stored");
        assert_eq!(lines_of(&entries), batch.lines);
    }
}

/// Tails that started at different times, while three chains are written to.
pub async fn several_tails_yield_the_same(fixture: &impl Fixture) {
    let log = fixture.open(Log::Activity).await;
    let mut early = ChainWriter::new(Log::Activity, "early");
    let history = fill(&*log, &mut early, 4).await.len();
    let expected = history + 3 * 55;
    let reading = join_all((0..4).map(|_| {
        let mut tail = log.tail(Offset::START);
        async move { take_lines(&mut tail, expected).await }
    }));
    let writing = join_all((0..3).map(|number| {
        let log = &log;
        async move { fill(&**log, &mut ChainWriter::new(Log::Activity, &format!("w-{number}")), 10).await }
    }));
    let (seen, _) = join(reading, writing).await;
    let all = read_all(&*log).await;
    assert_eq!(lines_of(&all).len(), expected);
    for entries in seen {
        assert_eq!(entries, all);
    }
}

/// It has seen what the log lost: going on would skip what takes the lost lines' places.
pub async fn a_reader_ahead_of_the_log_is_refused(fixture: &impl Fixture) {
    for kind in [Log::Control, Log::Activity] {
        let log = fixture.open(kind).await;
        log.append(ChainWriter::new(kind, "acme").batch(2)).await.expect("stored");
        let ahead = log.end().await.expect("an end").plus(1);
        assert!(matches!(log.read(ahead, 1).await, Err(LogError::Damaged { .. })));
        let mut tail = log.tail(ahead);
        assert!(matches!(next(&mut tail).await, Some(Err(LogError::Damaged { .. }))));
        assert!(next(&mut tail).await.is_none(), "a tail ends after an error");
    }
}
