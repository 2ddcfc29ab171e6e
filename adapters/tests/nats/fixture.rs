//! What the tests share: logs on a server of their own, and a runtime with a time limit.

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt as _;
use tallygate_adapters::event_log::nats::NatsLogs;
use tallygate_adapters::nats::Options;
use tallygate_core::envelope::Line;
use tallygate_core::port::BoxStream;
use tallygate_core::port::event_log::{Entry, EventLog, LogError};
use tallygate_core::stream::{Log, Offset};
use tallygate_tests::nats_server::NatsServer;

/// The three logs.
pub(crate) const LOGS: [Log; 3] = [Log::Control, Log::Lease, Log::Activity];

/// How long a test may take: far longer than any does, so that one that hangs fails.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// Runs a test to its end, on a runtime of its own and within [`TIME_LIMIT`].
pub(crate) fn run(case: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(TIME_LIMIT, case).await.expect("the test hangs") });
}

/// Options that give up early, but for an append whose fate is not known.
pub(crate) fn impatient(url: String) -> Options {
    Options {
        request_timeout: Duration::from_millis(700),
        reconnect_wait: Duration::from_millis(500),
        resolve_timeout: Duration::from_secs(60),
        ..Options::new(url)
    }
}

/// A server, and the three logs on it.
pub(crate) async fn server_with_logs() -> (NatsServer, NatsLogs) {
    let server = NatsServer::start().await.unwrap();
    let logs = NatsLogs::connect(impatient(server.url())).await.unwrap();
    (server, logs)
}

/// All lines of a log, in order.
pub(crate) async fn all_lines(log: &dyn EventLog) -> Vec<Line> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let after = entries.last().map_or(Offset::START, |entry| entry.offset);
        let page = log.read(after, 1_000).await.unwrap();
        if page.is_empty() {
            return entries.into_iter().flat_map(|entry| entry.lines).collect();
        }
        entries.extend(page);
    }
}

/// The next so many lines of a tail.
pub(crate) async fn next_lines(tail: &mut BoxStream<'static, Result<Entry, LogError>>, count: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    while lines.len() < count {
        lines.extend(tail.next().await.expect("a tail does not end").unwrap().lines);
    }
    lines
}
