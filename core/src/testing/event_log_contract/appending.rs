//! What an append answers, and what it stores.

#![allow(clippy::expect_used, clippy::panic, missing_docs, reason = "a case says in its name what must hold")]

use std::collections::HashSet;
use std::pin::pin;

use bytes::Bytes;

use super::{Fixture, Stop, lines_of, read_all};
use crate::envelope::{LINE_MAX_BYTES, Line, PARTS_MAX};
use crate::port::event_log::{AppendError, Batch, EventLog};
use crate::stream::{ChainId, Head, Log, Position};
use crate::testing::chain_writer::ChainWriter;
use crate::testing::drive::{join_all, poll_once};

const LOGS: [Log; 3] = [Log::Control, Log::Lease, Log::Activity];

async fn stored(log: &dyn EventLog) -> Vec<Line> {
    lines_of(&read_all(log).await)
}

fn conflict(answer: Result<Head, AppendError>) -> (Position, Position) {
    match answer {
        Err(AppendError::Conflict { expected, actual }) => (expected, actual),
        other => panic!("a conflict was expected, not {other:?}"),
    }
}

async fn assert_invalid(log: &dyn EventLog, batch: Batch) {
    let chain = batch.chain.clone();
    match log.append(batch).await {
        Err(AppendError::Invalid(_)) => {}
        other => panic!("the batch is not valid, but the answer is {other:?}"),
    }
    assert_eq!(log.head(&chain).await.expect("a head"), Head::EMPTY);
    assert!(stored(log).await.is_empty(), "an invalid batch stores nothing");
}

pub async fn an_append_answers_with_the_head_of_its_chain(fixture: &impl Fixture) {
    for kind in LOGS {
        let log = fixture.open(kind).await;
        assert_eq!(log.log(), kind);
        let mut writer = ChainWriter::new(kind, "acme");
        for count in [1, 3, 2] {
            assert_eq!(log.append(writer.batch(count)).await.expect("stored"), writer.head());
            assert_eq!(log.head(&writer.chain()).await.expect("a head"), writer.head());
        }
        assert_eq!(log.append(writer.command(4)).await.expect("stored"), writer.head());
        assert_eq!(writer.head().position, Position::new(10));
    }
}

pub async fn a_batch_of_the_greatest_length_is_stored_whole(fixture: &impl Fixture) {
    for kind in LOGS {
        let log = fixture.open(kind).await;
        let mut writer = ChainWriter::new(kind, "acme");
        let batch = writer.command(PARTS_MAX);
        assert_eq!(log.append(batch.clone()).await.expect("stored"), writer.head());
        assert_eq!(stored(&*log).await, batch.lines);
    }
}

pub async fn a_line_of_the_greatest_length_is_stored(fixture: &impl Fixture) {
    for kind in LOGS {
        let log = fixture.open(kind).await;
        let mut writer = ChainWriter::new(kind, "acme");
        let mut lines = Vec::new();
        for bytes in [LINE_MAX_BYTES, 2_000, LINE_MAX_BYTES - 1] {
            let batch = writer.line_of_bytes(bytes);
            assert_eq!(batch.lines[0].bytes().len(), bytes);
            lines.extend(batch.lines.clone());
            log.append(batch).await.expect("stored");
        }
        assert!(stored(&*log).await == lines, "long lines are read as they were written");
    }
}

pub async fn a_conflict_stores_nothing_and_names_the_head(fixture: &impl Fixture) {
    for kind in LOGS {
        let log = fixture.open(kind).await;
        let mut writer = ChainWriter::new(kind, "acme");
        let mut late = writer.rival(1);
        let batch = writer.batch(3);
        log.append(batch.clone()).await.expect("stored");
        let answer = log.append(late.batch(2)).await;
        assert_eq!(conflict(answer), (Position::START, Position::new(3)));
        let mut early = writer.clone();
        early.batch(1);
        let answer = log.append(early.batch(2)).await;
        assert_eq!(conflict(answer), (Position::new(4), Position::new(3)));
        assert_eq!(log.head(&batch.chain).await.expect("a head"), writer.head());
        assert_eq!(stored(&*log).await, batch.lines);
    }
}

/// A rival whose batch overlaps the end of the chain, or repeats it in part, is no retry.
pub async fn other_lines_at_a_taken_place_conflict(fixture: &impl Fixture) {
    for kind in LOGS {
        let log = fixture.open(kind).await;
        let mut writer = ChainWriter::new(kind, "acme");
        let first = writer.batch(2);
        log.append(first.clone()).await.expect("stored");
        let fork = writer.clone();
        log.append(writer.batch(2)).await.expect("stored");
        for (mut rival, lines) in [(fork.rival(1), 2), (fork.rival(2), 1), (fork.rival(3), 4)] {
            let answer = log.append(rival.batch(lines)).await;
            assert_eq!(conflict(answer), (Position::new(2), Position::new(4)));
        }
        assert_eq!(log.head(&first.chain).await.expect("a head"), writer.head());
    }
}

/// Asked again at once, and again when the chain has long moved on.
pub async fn the_same_lines_again_are_stored_once(fixture: &impl Fixture) {
    for kind in LOGS {
        let log = fixture.open(kind).await;
        let mut writer = ChainWriter::new(kind, "acme");
        let mut asked = Vec::new();
        for round in 0..20 {
            let batch = if round % 2 == 0 { writer.batch(3) } else { writer.command(3) };
            for _ in 0..2 {
                assert_eq!(log.append(batch.clone()).await.expect("stored"), writer.head());
            }
            asked.push((batch, writer.head()));
        }
        for (batch, head) in &asked {
            assert_eq!(log.append(batch.clone()).await.expect("stored before"), *head);
        }
        let lines: Vec<Line> = asked.iter().flat_map(|(batch, _)| batch.lines.clone()).collect();
        assert_eq!(stored(&*log).await, lines);
        assert_eq!(log.head(&writer.chain()).await.expect("a head"), writer.head());
    }
}

pub async fn an_empty_batch_is_invalid(fixture: &impl Fixture) {
    for kind in LOGS {
        let log = fixture.open(kind).await;
        assert_invalid(&*log, ChainWriter::new(kind, "acme").batch(0)).await;
    }
}

pub async fn a_batch_over_the_limit_is_invalid(fixture: &impl Fixture) {
    for kind in LOGS {
        let log = fixture.open(kind).await;
        assert_invalid(&*log, ChainWriter::new(kind, "acme").batch(PARTS_MAX + 1)).await;
    }
}

/// White space between the fields keeps a line readable, so only its length, or its line feed, is wrong.
pub async fn a_line_too_long_or_broken_in_two_is_invalid(fixture: &impl Fixture) {
    for kind in LOGS {
        let log = fixture.open(kind).await;
        let sealed = ChainWriter::new(kind, "acme").line_of_bytes(LINE_MAX_BYTES);
        for space in [" ", "\n"] {
            let source = if space == " " { sealed.clone() } else { ChainWriter::new(kind, "acme").batch(1) };
            let text = String::from_utf8(source.lines[0].bytes().to_vec()).expect("a line is text");
            let spaced = Line::from_bytes(Bytes::from(text.replacen(',', &format!(",{space}"), 1)));
            assert!(spaced.envelope().is_ok(), "the line is still readable");
            assert_invalid(&*log, Batch { lines: vec![spaced], ..source }).await;
        }
    }
}

pub async fn lines_of_another_log_or_chain_are_invalid(fixture: &impl Fixture) {
    for kind in LOGS {
        let log = fixture.open(kind).await;
        let chain = ChainWriter::new(kind, "acme").chain();
        for other in LOGS.into_iter().filter(|other| *other != kind) {
            let foreign = ChainWriter::new(other, "acme").batch(1);
            assert_invalid(&*log, foreign.clone()).await;
            assert_invalid(&*log, Batch { chain: chain.clone(), ..foreign }).await;
        }
        let elsewhere = ChainWriter::new(Log::Activity, "elsewhere").chain();
        assert_invalid(&*log, Batch { chain: elsewhere, ..ChainWriter::new(kind, "acme").batch(1) }).await;
        let mut lines = ChainWriter::new(kind, "acme").batch(2).lines;
        lines[1] = Line::from_bytes(Bytes::from_static(b"{\"not\":\"a line\"}"));
        assert_invalid(&*log, Batch { chain, after: Position::START, lines }).await;
    }
}

pub async fn lines_out_of_sequence_are_invalid(fixture: &impl Fixture) {
    for kind in LOGS {
        let log = fixture.open(kind).await;
        let sealed = ChainWriter::new(kind, "acme").batch(3);
        let pick = |order: &[usize]| order.iter().map(|index| sealed.lines[*index].clone()).collect::<Vec<_>>();
        for order in [&[1][..], &[0, 2], &[1, 0], &[0, 0]] {
            assert_invalid(&*log, Batch { lines: pick(order), ..sealed.clone() }).await;
        }
    }
}

pub async fn half_a_command_is_invalid(fixture: &impl Fixture) {
    for kind in LOGS {
        let log = fixture.open(kind).await;
        let mut batch = ChainWriter::new(kind, "acme").command(3);
        batch.lines.pop();
        assert_invalid(&*log, batch).await;
    }
}

/// Eight rivals decide at the same position in every round. One is stored, the others hear where the chain ends.
pub async fn exactly_one_of_many_rivals_wins_each_position(fixture: &impl Fixture) {
    for kind in LOGS {
        let log = fixture.open(kind).await;
        let mut head = Head::EMPTY;
        let mut won = Vec::new();
        for _ in 0..10 {
            let rivals = (1..=8).map(|salt| {
                let mut writer = ChainWriter::new(kind, "acme").at(head).rival(salt);
                let batch = if salt % 2 == 0 { writer.batch(2) } else { writer.command(2) };
                let log = &log;
                async move { (batch.clone(), log.append(batch).await) }
            });
            let (winners, losers): (Vec<_>, Vec<_>) =
                join_all(rivals).await.into_iter().partition(|(_, answer)| answer.is_ok());
            assert_eq!(winners.len(), 1, "one rival wins");
            for (batch, answer) in winners {
                head = answer.expect("the winner's answer");
                won.extend(batch.lines);
            }
            for (batch, answer) in losers {
                assert_eq!(conflict(answer), (batch.after, head.position));
            }
        }
        assert_eq!(stored(&*log).await, won);
    }
}

pub async fn writers_of_many_chains_lose_nothing(fixture: &impl Fixture) {
    for kind in [Log::Lease, Log::Activity] {
        let log = fixture.open(kind).await;
        let writers = (0..8).map(|number| {
            let log = &log;
            async move {
                let mut writer = ChainWriter::new(kind, &format!("w-{number}"));
                let mut lines = Vec::new();
                for count in 1..=10 {
                    let batch = writer.batch(count);
                    lines.extend(batch.lines.clone());
                    assert_eq!(log.append(batch).await.expect("stored"), writer.head());
                }
                (writer.chain(), lines)
            }
        });
        let written = join_all(writers).await;
        let stored = stored(&*log).await;
        assert_eq!(stored.len(), 8 * 55);
        for (chain, lines) in written {
            let of_chain = |line: &&Line| {
                let envelope = line.envelope().expect("a line");
                ChainId::of(kind, &envelope.stream) == chain
            };
            assert_eq!(stored.iter().filter(of_chain).cloned().collect::<Vec<_>>(), lines);
        }
        assert_eq!(stored.iter().map(Line::hash).collect::<HashSet<_>>().len(), stored.len());
    }
}

/// The caller went away after it asked: what it asked for must not be there in part, nor block who comes next.
pub async fn a_dropped_append_is_stored_whole_or_not_at_all(fixture: &impl Fixture) {
    let mut log = fixture.open(Log::Control).await;
    let mut writer = ChainWriter::new(Log::Control, "acme");
    let batch = writer.batch(5);
    {
        let mut append = pin!(log.append(batch.clone()));
        poll_once(append.as_mut()).await;
    }
    log = fixture.reopen(log, Stop::Closed).await;
    let found = stored(&*log).await;
    assert!(found.is_empty() || found == batch.lines, "{} of 5 lines are there", found.len());
    assert_eq!(log.append(batch.clone()).await.expect("stored"), writer.head());
    assert_eq!(stored(&*log).await, batch.lines);
}
