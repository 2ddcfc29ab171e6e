//! The contract suite of the event log, against the server that tests use and against the oldest that is accepted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tallygate_adapters::event_log::nats::NatsLogs;
use tallygate_adapters::nats::{Options, Prefix};
use tallygate_core::port::BoxFuture;
use tallygate_core::port::event_log::EventLog;
use tallygate_core::stream::Log;
use tallygate_core::testing::event_log_contract::{Fixture, Stop};
use tallygate_tests::nats_server::{NatsServer, Release};
use tokio::sync::Mutex;

/// One server; each log that is opened has streams of its own. A log is opened again on those opened last.
struct Nats {
    server: Mutex<NatsServer>,
    opened: AtomicU32,
}

impl Nats {
    async fn on(release: Release) -> Self {
        let server = NatsServer::start_release(release, &[]).await.unwrap();
        Self { server: Mutex::new(server), opened: AtomicU32::new(0) }
    }

    async fn connect(&self, log: Log) -> Arc<dyn EventLog> {
        let url = self.server.lock().await.url();
        let prefix = Prefix::new(&format!("log-{}", self.opened.load(Ordering::Relaxed))).unwrap();
        let logs = NatsLogs::connect(Options { prefix, ..Options::new(url) }).await.unwrap();
        Arc::<tallygate_adapters::event_log::nats::NatsLog>::clone(logs.of(log))
    }
}

impl Fixture for Nats {
    fn open(&self, log: Log) -> BoxFuture<'_, Arc<dyn EventLog>> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        Box::pin(self.connect(log))
    }

    /// A crash is one of the server; in good order only the gateway stops.
    fn reopen(&self, log: Arc<dyn EventLog>, stop: Stop) -> BoxFuture<'_, Arc<dyn EventLog>> {
        Box::pin(async move {
            let kind = log.log();
            if stop == Stop::Crashed {
                let mut server = self.server.lock().await;
                server.kill().await.unwrap();
                server.restart().await.unwrap();
            }
            drop(log);
            self.connect(kind).await
        })
    }

    fn tail_survives_reopen(&self) -> bool {
        true
    }
}

mod current_server {
    use super::{Nats, Release};
    tallygate_core::event_log_contract!(crate::fixture::run, Nats::on(Release::Current).await);
}

mod oldest_server {
    use super::{Nats, Release};
    tallygate_core::event_log_contract!(crate::fixture::run, Nats::on(Release::Oldest).await);
}
