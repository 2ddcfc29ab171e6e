//! What is there after a stop, in good order or not.

#![allow(clippy::expect_used, clippy::panic, missing_docs, reason = "a case says in its name what must hold")]

use super::{Fixture, Stop, lines_of, read_all, take_lines};
use crate::envelope::Line;
use crate::port::event_log::{AppendError, Entry};
use crate::stream::{Head, Log, Offset, Position};
use crate::testing::chain_writer::ChainWriter;
use crate::testing::drive::next;

const LOGS: [Log; 3] = [Log::Control, Log::Lease, Log::Activity];
const STOPS: [Stop; 2] = [Stop::Crashed, Stop::Closed];

pub async fn an_empty_log_is_empty_after_a_stop(fixture: &impl Fixture) {
    for kind in LOGS {
        let mut log = fixture.open(kind).await;
        let mut writer = ChainWriter::new(kind, "acme");
        for stop in STOPS {
            log = fixture.reopen(log, stop).await;
            assert_eq!(log.end().await.expect("an end"), Offset::START);
            assert_eq!(log.head(&writer.chain()).await.expect("a head"), Head::EMPTY);
        }
        assert_eq!(log.append(writer.batch(1)).await.expect("stored"), writer.head());
    }
}

pub async fn all_that_was_acknowledged_is_there_after_a_stop(fixture: &impl Fixture) {
    for kind in LOGS {
        let mut log = fixture.open(kind).await;
        let names = if kind == Log::Control { &["a"][..] } else { &["a", "b", "c"] };
        let mut writers: Vec<_> = names.iter().map(|name| ChainWriter::new(kind, name)).collect();
        for stop in STOPS {
            for round in 0..20 {
                let writer = &mut writers[round % names.len()];
                let batch = if round % 2 == 0 { writer.batch(1 + round) } else { writer.command(1 + round) };
                log.append(batch).await.expect("stored");
            }
            let before = read_all(&*log).await;
            log = fixture.reopen(log, stop).await;
            assert_eq!(read_all(&*log).await, before);
            assert_eq!(log.end().await.expect("an end"), before.last().expect("entries").offset);
            for writer in &writers {
                assert_eq!(log.head(&writer.chain()).await.expect("a head"), writer.head());
            }
        }
    }
}

pub async fn a_log_goes_on_after_a_stop(fixture: &impl Fixture) {
    for kind in LOGS {
        let mut log = fixture.open(kind).await;
        let mut writer = ChainWriter::new(kind, "acme");
        let mut lines: Vec<Line> = Vec::new();
        for stop in [STOPS, STOPS].concat() {
            let mut rival = writer.rival(1);
            let batch = writer.batch(3);
            lines.extend(batch.lines.clone());
            assert_eq!(log.append(batch).await.expect("stored"), writer.head());
            log = fixture.reopen(log, stop).await;
            match log.append(rival.batch(1)).await {
                Err(AppendError::Conflict { actual, .. }) => assert_eq!(actual, writer.head().position),
                other => panic!("a conflict was expected, not {other:?}"),
            }
        }
        assert_eq!(lines_of(&read_all(&*log).await), lines);
        assert_eq!(writer.head().position, Position::new(12));
    }
}

pub async fn the_same_lines_again_are_stored_once_across_a_stop(fixture: &impl Fixture) {
    for kind in LOGS {
        let mut log = fixture.open(kind).await;
        let mut writer = ChainWriter::new(kind, "acme");
        let mut asked = Vec::new();
        for stop in STOPS {
            let batch = writer.command(3);
            log.append(batch.clone()).await.expect("stored");
            asked.push((batch, writer.head()));
            log = fixture.reopen(log, stop).await;
            for (batch, head) in &asked {
                assert_eq!(log.append(batch.clone()).await.expect("stored before"), *head);
            }
        }
        let lines: Vec<Line> = asked.iter().flat_map(|(batch, _)| batch.lines.clone()).collect();
        assert_eq!(lines_of(&read_all(&*log).await), lines);
    }
}

/// A tail either goes on, or ends with an error and a new one goes on from its last offset.
pub async fn a_tail_yields_each_entry_once_across_a_stop(fixture: &impl Fixture) {
    for kind in LOGS {
        let mut log = fixture.open(kind).await;
        let mut writer = ChainWriter::new(kind, "acme");
        let mut tail = log.tail(Offset::START);
        let mut seen: Vec<Entry> = Vec::new();
        let mut lines: Vec<Line> = Vec::new();
        for stop in [STOPS, STOPS].concat() {
            let batch = writer.batch(4);
            lines.extend(batch.lines.clone());
            log.append(batch).await.expect("stored");
            log = fixture.reopen(log, stop).await;
            seen.extend(take_lines(&mut tail, 4).await);
            if !fixture.tail_survives_reopen() {
                assert!(next(&mut tail).await.expect("an error").is_err(), "a tail does not just end");
                assert!(next(&mut tail).await.is_none(), "a tail ends after an error");
                tail = log.tail(seen.last().expect("entries").offset);
            }
            let batch = writer.command(2);
            lines.extend(batch.lines.clone());
            log.append(batch).await.expect("stored");
            seen.extend(take_lines(&mut tail, 2).await);
        }
        assert_eq!(lines_of(&seen), lines);
        assert_eq!(seen, read_all(&*log).await);
    }
}
