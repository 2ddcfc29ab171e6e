//! Others publish into the streams. The log yields what they wrote, and goes on behind it.

use bytes::Bytes;
use tallygate_core::digest::Digest;
use tallygate_core::port::event_log::{AppendError, EventLog as _};
use tallygate_core::stream::{Head, Log, Offset, Position};
use tallygate_core::testing::chain_writer::ChainWriter;

use tallygate_adapters::event_log::nats::NatsLogs;
use tallygate_adapters::nats::Options;
use tallygate_core::envelope::Line;
use tallygate_core::testing::chain_writer::TEST_MAC_KEY;
use tallygate_tests::nats_server::NatsServer;

use crate::fixture::{LOGS, all_lines, impatient, next_lines, run, server_with_logs};

const GARBAGE: &[u8] = b"\xff not a line, {\"position\":999}";

/// Where a foreigner writes so that it is in the chain of `acme`.
fn subject(log: Log) -> &'static str {
    match log {
        Log::Control => "tallygate.control.default.realm-acme",
        Log::Lease => "tallygate.lease.elsewhere.budget-acme",
        Log::Activity => "tallygate.activity.acme",
    }
}

#[test]
fn what_a_foreigner_publishes_is_yielded_as_it_is_and_takes_one_position() {
    run(async {
        let (server, logs) = server_with_logs().await;
        let foreigner = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
        for kind in LOGS {
            let log = logs.of(kind);
            let mut writer = ChainWriter::new(kind, "acme");
            let first = writer.batch(2);
            log.append(first.clone()).await.unwrap();
            foreigner.publish(subject(kind), Bytes::from_static(GARBAGE)).await.unwrap().await.unwrap();

            let refused = log.append(writer.batch(1)).await;
            let Err(AppendError::Conflict { actual, .. }) = refused else { panic!("no conflict but {refused:?}") };
            assert_eq!(actual, Position::new(3));
            let head = log.head(&writer.chain()).await.unwrap();
            assert_eq!(head, Head { position: Position::new(3), hash: Digest::of(GARBAGE) });

            let mut writer = ChainWriter::new(kind, "acme").at(head);
            let behind = writer.batch(2);
            assert_eq!(log.append(behind.clone()).await.unwrap(), writer.head());
            assert_eq!(log.append(behind.clone()).await.unwrap(), writer.head(), "the same lines again");
            let lines = all_lines(&**log).await;
            assert_eq!(lines[..2], first.lines);
            assert_eq!(lines[2].bytes(), GARBAGE);
            assert_eq!(lines[3..], behind.lines);
            assert_eq!(next_lines(&mut log.tail(Offset::START), 5).await, lines);
        }
    });
}

#[test]
fn a_foreign_message_of_several_lines_is_several_lines_of_activity() {
    run(async {
        let (server, logs) = server_with_logs().await;
        let foreigner = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
        let published = Bytes::from_static(b"one\n\nthree");
        foreigner.publish(subject(Log::Activity), published).await.unwrap().await.unwrap();
        let chain = ChainWriter::new(Log::Activity, "acme").chain();
        let head = logs.activity.head(&chain).await.unwrap();
        assert_eq!(head, Head { position: Position::new(3), hash: Digest::of(b"three") });
        assert_eq!(all_lines(&*logs.activity).await.len(), 3);
    });
}

#[test]
fn a_chain_of_another_name_is_not_touched_by_wildcards_in_an_id() {
    run(async {
        let (_server, logs) = server_with_logs().await;
        for kind in [Log::Lease, Log::Activity] {
            let log = logs.of(kind);
            let mut writers: Vec<_> =
                ["*", ">", "a.*", "a.b", "a b", "%2A", "-", "模"].map(|name| ChainWriter::new(kind, name)).into();
            for round in 1..=2 {
                for writer in &mut writers {
                    assert_eq!(log.append(writer.batch(round)).await.unwrap(), writer.head());
                }
            }
            for writer in &writers {
                assert_eq!(log.head(&writer.chain()).await.unwrap(), writer.head());
            }
        }
    });
}

/// A line that says it is the millionth of a chain, sealed under no gateway's key.
fn forged(log: Log) -> Line {
    let at = Head { position: Position::new(999_999), hash: Digest::ZERO };
    let line = ChainWriter::new(log, "acme").at(at).batch(1).lines.remove(0);
    let text = String::from_utf8(line.bytes().to_vec()).unwrap();
    let from = text.rfind("\"mac\":\"").unwrap() + 7;
    Line::from_bytes(format!("{}{}\"}}", &text[..from], "0".repeat(64)).into_bytes().into())
}

#[test]
fn what_was_not_sealed_under_the_gateways_key_moves_no_chain_and_stops_no_writer() {
    run(async {
        let server = NatsServer::start().await.unwrap();
        let options = Options { mac_key: Some(TEST_MAC_KEY), ..impatient(server.url()) };
        let logs = NatsLogs::connect(options.clone()).await.unwrap();
        let foreigner = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
        for kind in [Log::Lease, Log::Activity] {
            let log = logs.of(kind);
            let mut writer = ChainWriter::new(kind, "acme");
            let mut written = Vec::new();
            for forgery in [Bytes::from_static(GARBAGE), forged(kind).bytes().clone()] {
                for lines in [2, 3] {
                    let batch = writer.command(lines);
                    assert_eq!(
                        log.append(batch.clone()).await.unwrap(),
                        writer.head(),
                        "though a forgery is behind it"
                    );
                    assert_eq!(log.append(batch.clone()).await.unwrap(), writer.head(), "the same lines again");
                    written.extend(batch.lines);
                }
                foreigner.publish(subject(kind), forgery.clone()).await.unwrap().await.unwrap();
                written.push(Line::from_bytes(forgery));
            }
            // Who starts now, and has nothing in memory, finds the chain where its own last line is.
            let fresh = NatsLogs::connect(options.clone()).await.unwrap();
            assert_eq!(fresh.of(kind).head(&writer.chain()).await.unwrap(), writer.head());
            let behind = writer.batch(1);
            assert_eq!(fresh.of(kind).append(behind.clone()).await.unwrap(), writer.head());
            written.extend(behind.lines);
            let mut rival = ChainWriter::new(kind, "acme").rival(1);
            let refused = log.append(rival.batch(1)).await;
            let Err(AppendError::Conflict { actual, .. }) = refused else { panic!("no conflict but {refused:?}") };
            assert_eq!(actual, writer.head().position);
            assert_eq!(all_lines(&**log).await, written);
        }
    });
}

#[test]
fn a_true_line_that_is_published_again_moves_no_chain_and_lets_nobody_write_beside_it() {
    run(async {
        let server = NatsServer::start().await.unwrap();
        let options = Options { mac_key: Some(TEST_MAC_KEY), ..impatient(server.url()) };
        let logs = NatsLogs::connect(options.clone()).await.unwrap();
        let foreigner = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
        for kind in [Log::Lease, Log::Activity] {
            let log = logs.of(kind);
            let mut writer = ChainWriter::new(kind, "acme");
            let mut behind = writer.clone();
            let mut lines = Vec::new();
            for _ in 0..3 {
                let batch = writer.batch(1);
                log.append(batch.clone()).await.unwrap();
                lines.extend(batch.lines);
            }
            behind.batch(1);
            let mut written = lines.clone();
            for old in [&lines[0], &lines[2], &lines[1]] {
                foreigner.publish(subject(kind), old.bytes().clone()).await.unwrap().await.unwrap();
                written.push(old.clone());
                // Who knows the chain and who has just come find its end where it is.
                for logs in [&logs, &NatsLogs::connect(options.clone()).await.unwrap()] {
                    assert_eq!(logs.of(kind).head(&writer.chain()).await.unwrap(), writer.head());
                    let next = writer.batch(2);
                    assert_eq!(logs.of(kind).append(next.clone()).await.unwrap(), writer.head());
                    assert_eq!(
                        logs.of(kind).append(next.clone()).await.unwrap(),
                        writer.head(),
                        "the same lines again"
                    );
                    written.extend(next.lines);
                }
                // Who has read no further than the line that was said again may not write behind it.
                foreigner.publish(subject(kind), lines[0].bytes().clone()).await.unwrap().await.unwrap();
                written.push(lines[0].clone());
                let rival = behind.rival(7).batch(1);
                let late = NatsLogs::connect(options.clone()).await.unwrap();
                late.of(kind).note_end(&writer.chain(), behind.head(), Offset::new(1));
                for logs in [&logs, &late] {
                    let refused = logs.of(kind).append(rival.clone()).await;
                    let Err(AppendError::Conflict { actual, .. }) = refused else {
                        panic!("no conflict but {refused:?}")
                    };
                    assert_eq!(actual, writer.head().position);
                }
            }
            assert_eq!(all_lines(&**log).await, written);
        }
    });
}
