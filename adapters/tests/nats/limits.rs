//! The greatest that a real server is given, and what it must not be given twice.

use serde_json::value::RawValue;
use tallygate_core::actor::Actor;
use tallygate_core::envelope::{Draft, LINE_MAX_BYTES, seal};
use tallygate_core::id::{EventId, RealmId, WriterId};
use tallygate_core::port::event_log::{AppendError, Batch, EventLog as _};
use tallygate_core::stream::{Head, Log, StreamId};
use tallygate_core::testing::chain_writer::{ChainWriter, TEST_MAC_KEY};
use tallygate_core::time::Timestamp;

use crate::fixture::{LOGS, all_lines, run, server_with_logs};

#[test]
fn an_append_of_the_most_bytes_is_stored_whole() {
    run(async {
        let (_server, logs) = server_with_logs().await;
        for kind in LOGS {
            let mut writer = ChainWriter::new(kind, "acme");
            let after = writer.head().position;
            let lines: Vec<_> = (0..42).flat_map(|_| writer.line_of_bytes(LINE_MAX_BYTES).lines).collect();
            let batch = Batch { chain: writer.chain(), after, lines };
            assert_eq!(logs.of(kind).append(batch.clone()).await.unwrap(), writer.head());
            assert!(all_lines(&**logs.of(kind)).await == batch.lines, "as it was written");
            assert_eq!(logs.of(kind).append(batch).await.unwrap(), writer.head(), "the same lines again");
        }
    });
}

#[test]
fn an_event_id_that_was_stored_a_moment_ago_is_not_acknowledged_at_another_place() {
    run(async {
        let (_server, logs) = server_with_logs().await;
        for kind in LOGS {
            let stream = match kind {
                Log::Control | Log::Lease => StreamId::realm(&RealmId::default_realm()),
                Log::Activity => StreamId::gateway(&WriterId::new("acme").unwrap()),
            };
            let mut head = Head::EMPTY;
            let mut twice = Vec::new();
            for version in 1..=2 {
                let draft = Draft {
                    id: EventId::new(uuid::Uuid::from_u128(7)),
                    kind: "test.happened",
                    schema: 1,
                    realm: None,
                    stream: stream.clone(),
                    version,
                    at: Timestamp::from_millis(0),
                    actor: Actor::operator(),
                    command: None,
                    part: (1, 1),
                    cause: Vec::new(),
                    data: RawValue::from_string("{}".to_owned()).unwrap(),
                };
                let after = head.position;
                let (line, end) = seal(kind, &head, &draft, &TEST_MAC_KEY).unwrap();
                head = end;
                let chain = tallygate_core::stream::ChainId::of(kind, &stream);
                twice.push(Batch { chain, after, lines: vec![line] });
            }
            let log = logs.of(kind);
            log.append(twice[0].clone()).await.unwrap();
            let refused = log.append(twice[1].clone()).await;
            assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
            assert_eq!(all_lines(&**log).await, twice[0].lines);
        }
    });
}
