//! Servers that die, links that fail, answers that are lost.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tallygate_adapters::event_log::nats::NatsLogs;
use tallygate_adapters::nats::{Connection, Options};
use tallygate_core::envelope::Line;
use tallygate_core::port::event_log::{AppendError, Batch, EventLog, LogError};
use tallygate_core::stream::{Head, Log, Offset, Position};
use tallygate_core::testing::chain_writer::ChainWriter;
use tallygate_tests::lossy_link::LossyLink;
use tallygate_tests::nats_server::NatsServer;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::fixture::{LOGS, all_lines, impatient, next_lines, run, server_with_logs};

/// A server that is reached directly, and over a link that fails.
struct Linked {
    _server: NatsServer,
    link: LossyLink,
    direct: NatsLogs,
    linked: NatsLogs,
}

impl Linked {
    async fn start() -> Self {
        Self::start_with(|options| options).await
    }

    async fn start_with(change: impl FnOnce(Options) -> Options) -> Self {
        let (server, direct) = server_with_logs().await;
        let link = LossyLink::to(server.port()).await.unwrap();
        let linked = NatsLogs::connect(change(impatient(link.nats_url()))).await.unwrap();
        Self { _server: server, link, direct, linked }
    }

    fn append_over_the_link(&self, batch: &Batch, log: Log) -> JoinHandle<Result<Head, AppendError>> {
        let (log, batch) = (Arc::clone(self.linked.of(log)), batch.clone());
        tokio::spawn(async move { log.append(batch).await })
    }

    /// A chain with one line in it that was appended over the link, so that the log there knows where the chain ends
    /// and the next append begins with a publish. Tells how many lines the whole log has.
    async fn begin_chain(&self, log: Log, name: &str) -> (ChainWriter, usize) {
        let writer = ChainWriter::new(log, name);
        let head = self.linked.of(log).head(&writer.chain()).await.unwrap();
        let mut writer = writer.at(head);
        self.linked.of(log).append(writer.batch(1)).await.unwrap();
        (writer, all_lines(&**self.direct.of(log)).await.len())
    }

    async fn wait_until_stored(&self, log: Log, lines: usize) {
        next_lines(&mut self.direct.of(log).tail(Offset::START), lines).await;
    }
}

async fn wait_until_down(connection: &Connection) {
    while connection.is_up() {
        tokio::task::yield_now().await;
    }
}

/// Appends until it is told to stop, asking again with the same lines whenever an append was not acknowledged.
pub(crate) async fn append_stubbornly(
    log: Arc<dyn EventLog>,
    acknowledged: watch::Sender<usize>,
    enough: usize,
) -> Head {
    let mut writer = ChainWriter::new(log.log(), "stubborn");
    while *acknowledged.borrow() < enough {
        let lines = if acknowledged.borrow().is_multiple_of(7) { 3 } else { 1 };
        let batch = writer.command(lines);
        loop {
            match log.append(batch.clone()).await {
                Ok(head) => break assert_eq!(head, writer.head()),
                Err(AppendError::Unavailable(_) | AppendError::Ambiguous(_)) => {}
                Err(error) => panic!("nobody else writes, and yet: {error}"),
            }
        }
        acknowledged.send_modify(|count| *count += lines);
    }
    writer.head()
}

/// Checks that lines are the whole chain that [`append_stubbornly`] wrote.
pub(crate) fn assert_is_chain(log: Log, lines: &[Line], head: Head) {
    let chain = ChainWriter::new(log, "stubborn").chain();
    let mut end = Head::EMPTY;
    for line in lines {
        end = line.check(log, &chain, &end, None).expect("the next line of the chain").1;
    }
    assert_eq!(end, head);
}

#[test]
fn nothing_is_lost_or_doubled_while_the_server_is_killed_again_and_again() {
    run(async {
        for kind in LOGS {
            let (mut server, logs) = server_with_logs().await;
            let log = Arc::clone(logs.of(kind));
            let mut tail = log.tail(Offset::START);
            let (acknowledge, mut acknowledged) = watch::channel(0);
            let appending = tokio::spawn(append_stubbornly(log.clone(), acknowledge, 400));
            for round in 1..=4 {
                acknowledged.wait_for(|count| *count >= round * 80).await.unwrap();
                server.kill().await.unwrap();
                server.restart().await.unwrap();
            }
            let head = appending.await.unwrap();
            let lines = next_lines(&mut tail, usize::try_from(head.position.get()).unwrap()).await;
            assert_is_chain(kind, &lines, head);
            assert_eq!(all_lines(&*log).await, lines);
        }
    });
}

#[test]
fn an_append_whose_answer_was_lost_is_found_and_stored_once() {
    run(async {
        let linked = Linked::start().await;
        for kind in LOGS {
            for lines in [1, 3] {
                let (mut writer, before) = linked.begin_chain(kind, &format!("of-{lines}")).await;
                let batch = writer.command(lines);
                linked.link.lose_answers();
                let append = linked.append_over_the_link(&batch, kind);
                linked.wait_until_stored(kind, before + lines).await;
                linked.link.recover();
                assert_eq!(append.await.unwrap().unwrap(), writer.head());
                let stored = all_lines(&**linked.direct.of(kind)).await;
                assert_eq!(stored[before..], batch.lines, "stored once");
            }
        }
    });
}

#[test]
fn an_append_whose_answer_was_lost_is_found_though_others_came_after_it() {
    run(async {
        let linked = Linked::start().await;
        for kind in LOGS {
            let (mut writer, before) = linked.begin_chain(kind, "acme").await;
            let batch = writer.command(2);
            linked.link.lose_answers();
            let append = linked.append_over_the_link(&batch, kind);
            linked.wait_until_stored(kind, before + 2).await;
            let ours = writer.head();
            linked.direct.of(kind).append(writer.rival(1).command(3)).await.unwrap();
            linked.link.recover();
            assert_eq!(append.await.unwrap().unwrap(), ours);
        }
    });
}

#[test]
fn an_append_that_was_lost_on_its_way_is_sent_again() {
    run(async {
        let linked = Linked::start().await;
        for kind in LOGS {
            let (mut writer, before) = linked.begin_chain(kind, "acme").await;
            let batch = writer.command(2);
            linked.link.lose_requests();
            let append = linked.append_over_the_link(&batch, kind);
            linked.link.wait_until_something_is_lost().await;
            linked.link.recover();
            assert_eq!(append.await.unwrap().unwrap(), writer.head());
            assert_eq!(all_lines(&**linked.direct.of(kind)).await[before..], batch.lines);
        }
    });
}

#[test]
fn an_append_that_was_lost_on_its_way_conflicts_with_who_came_first() {
    run(async {
        let linked = Linked::start().await;
        for kind in LOGS {
            let (mut writer, _) = linked.begin_chain(kind, "acme").await;
            let mut rival = writer.rival(1);
            let batch = writer.command(2);
            linked.link.lose_requests();
            let append = linked.append_over_the_link(&batch, kind);
            linked.link.wait_until_something_is_lost().await;
            linked.direct.of(kind).append(rival.batch(3)).await.unwrap();
            linked.link.recover();
            match append.await.unwrap() {
                Err(AppendError::Conflict { expected, actual }) => {
                    assert_eq!((expected, actual), (Position::new(1), Position::new(4)));
                }
                other => panic!("a conflict was expected, not {other:?}"),
            }
            assert_eq!(linked.direct.of(kind).head(&rival.chain()).await.unwrap(), rival.head());
        }
    });
}

#[test]
fn an_append_that_cannot_be_found_out_about_is_ambiguous_and_can_be_asked_again() {
    run(async {
        let linked =
            Linked::start_with(|options| Options { resolve_timeout: Duration::from_millis(900), ..options }).await;
        let mut writer = ChainWriter::new(Log::Control, "acme");
        let batch = writer.command(2);
        linked.link.lose_answers();
        let append = linked.append_over_the_link(&batch, Log::Control);
        linked.wait_until_stored(Log::Control, 2).await;
        assert!(matches!(append.await.unwrap(), Err(AppendError::Ambiguous(_))));
        linked.link.recover();
        linked.linked.connection.ready(Duration::from_secs(20)).await.unwrap();
        assert_eq!(linked.linked.control.append(batch.clone()).await.unwrap(), writer.head());
        assert_eq!(all_lines(&*linked.direct.control).await, batch.lines);
    });
}

#[test]
fn while_the_connection_is_down_an_append_fails_soon_and_is_never_stored() {
    run(async {
        let linked = Linked::start().await;
        for kind in LOGS {
            linked.link.go_down();
            wait_until_down(&linked.linked.connection).await;
            let mut writer = ChainWriter::new(kind, "acme");
            let mut rival = writer.rival(1);
            let started = std::time::Instant::now();
            let refused = linked.linked.of(kind).append(writer.command(2)).await;
            assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
            assert!(matches!(linked.linked.of(kind).end().await, Err(LogError::Unavailable(_))));
            assert!(started.elapsed() < Duration::from_secs(10));
            linked.link.recover();
            linked.linked.connection.ready(Duration::from_secs(20)).await.unwrap();
            let batch = rival.command(1);
            linked.linked.of(kind).append(batch.clone()).await.unwrap();
            assert_eq!(all_lines(&**linked.direct.of(kind)).await, batch.lines);
        }
    });
}

#[test]
fn a_tail_goes_on_where_it_was_after_its_link_was_down() {
    run(async {
        let linked = Linked::start().await;
        for kind in LOGS {
            let mut writer = ChainWriter::new(kind, "acme");
            let log = linked.direct.of(kind);
            let mut tail = linked.linked.of(kind).tail(Offset::START);
            for _ in 0..3 {
                let before = writer.batch(10);
                log.append(before.clone()).await.unwrap();
                assert_eq!(next_lines(&mut tail, 10).await, before.lines);
                linked.link.go_down();
                let meanwhile = writer.batch(25);
                log.append(meanwhile.clone()).await.unwrap();
                linked.link.recover();
                assert_eq!(next_lines(&mut tail, 25).await, meanwhile.lines);
            }
        }
    });
}

#[test]
fn a_tail_ends_with_damage_when_the_server_has_lost_the_stream() {
    run(async {
        let (mut server, logs) = server_with_logs().await;
        let mut writer = ChainWriter::new(Log::Control, "acme");
        logs.control.append(writer.batch(3)).await.unwrap();
        let mut tail = logs.control.tail(Offset::START);
        next_lines(&mut tail, 3).await;
        server.kill().await.unwrap();
        server.lose_store().unwrap();
        server.restart().await.unwrap();
        assert!(matches!(tail.next().await, Some(Err(LogError::Damaged { .. }))));
        assert!(tail.next().await.is_none(), "a tail ends after an error");
        logs.connection.ready(Duration::from_secs(20)).await.unwrap();
        let refused = logs.control.append(writer.batch(1)).await;
        assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
    });
}
