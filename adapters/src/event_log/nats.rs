//! The event log over NATS JetStream, for more than one gateway.
//!
//! | log | stream | subject of a message | holds | ordered by |
//! |---|---|---|---|---|
//! | control | `TALLYGATE_CONTROL` | `tallygate.control.<realm>.<stream>` | one line | the stream's last sequence: it *is* the position |
//! | lease | `TALLYGATE_LEASE` | `tallygate.lease.<realm>.<stream>` | one line | the last sequence of the chain's subjects |
//! | activity | `TALLYGATE_ACTIVITY` | `tallygate.activity.<writer>` | lines of one writer, with line feeds between | the last sequence of the writer's subject |
//!
//! Ids become tokens by `nats::token`. An append that takes more than one message is an atomic batch. `Nats-Msg-Id` is
//! the id of a message's first event; it is a second line of defence only, since the server forgets it after two
//! minutes. An append that was not answered is sent again: the expected sequence lets at most one of the copies in, and
//! reading back tells which.
//!
//! **Durability.** An acknowledgement means that the server has the lines, on a majority of the copies in a cluster.
//! They survive a power cut only if the servers run with `sync_interval: always`: see `nats::server_survey`.
//!
//! **Damage.** Streams deny deletion, so sequences have no holes. A hole, a stream that begins late, and a log that ends
//! before what was already read are errors that end a tail. What foreigners publish into a stream is yielded as it is;
//! readers check lines, the log does not. In control it takes a position like any line. In lease and activity it is in
//! no chain, where the gateways' key is known (`Options::mac_key`), and counts as one line where it is not. Nor is a true
//! line there where it was published a second time.

mod append;
mod chain;
mod layout;
mod page;
mod plan;
mod publish;
mod setup;
mod stored;
mod tail;

pub use setup::NatsLogs;

use std::sync::Arc;

use tallygate_core::envelope::MacKey;
use tallygate_core::port::event_log::{AppendError, Batch, BoxError, Entry, EventLog, LogError};
use tallygate_core::port::{BoxFuture, BoxStream};
use tallygate_core::stream::{ChainId, Head, Log, Offset};

use crate::nats::Connection;
use chain::KnownEnds;
use layout::Layout;

/// One of the three logs, in one JetStream stream. Cheap to clone; all clones are the same log.
///
/// An append takes one round trip to the server, a conflict two or three. While the connection is down, operations fail
/// after `reconnect_wait`; a tail waits for as long as it takes.
#[derive(Clone)]
pub struct NatsLog {
    shared: Arc<Shared>,
}

struct Shared {
    connection: Connection,
    layout: Layout,
    ends: KnownEnds,
}

impl NatsLog {
    fn new(connection: Connection, layout: Layout) -> Self {
        Self { shared: Arc::new(Shared { connection, layout, ends: KnownEnds::default() }) }
    }

    /// The name of the stream.
    #[must_use]
    pub fn stream_name(&self) -> &str {
        &self.shared.layout.stream
    }

    fn connection(&self) -> &Connection {
        &self.shared.connection
    }

    fn layout(&self) -> &Layout {
        &self.shared.layout
    }

    fn mac_key(&self) -> Option<&MacKey> {
        self.connection().options().mac_key.as_ref()
    }

    async fn ready(&self) -> Result<(), LogError> {
        let wait = self.connection().options().reconnect_wait;
        self.connection().ready(wait).await.map_err(LogError::Unavailable)
    }

    async fn last_sequence(&self) -> Result<u64, LogError> {
        self.ready().await?;
        let found = self.connection().context().get_stream(self.stream_name()).await;
        Ok(found.map_err(|error| LogError::Unavailable(error.into()))?.cached_info().state.last_sequence)
    }

    fn damaged(&self, sequence: u64, what: impl Into<String>) -> LogError {
        LogError::Damaged { place: format!("stream {}, sequence {sequence}", self.stream_name()), what: what.into() }
    }
}

impl std::fmt::Debug for NatsLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NatsLog").field("stream", &self.stream_name()).finish_non_exhaustive()
    }
}

impl EventLog for NatsLog {
    fn log(&self) -> Log {
        self.layout().log
    }

    fn head<'a>(&'a self, chain: &'a ChainId) -> BoxFuture<'a, Result<Head, LogError>> {
        Box::pin(async move {
            self.ready().await?;
            Ok(self.chain_end(chain).await?.head)
        })
    }

    fn end(&self) -> BoxFuture<'_, Result<Offset, LogError>> {
        Box::pin(async { self.last_sequence().await.map(Offset::new) })
    }

    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<Head, AppendError>> {
        Box::pin(append::append(self, batch))
    }

    fn read(&self, after: Offset, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, LogError>> {
        Box::pin(async move {
            self.ready().await?;
            self.entries_after(after, limit.max(1)).await
        })
    }

    fn tail(&self, after: Offset) -> BoxStream<'static, Result<Entry, LogError>> {
        tail::tail(self.clone(), after)
    }

    fn note_end(&self, chain: &ChainId, end: Head, read_to: Offset) {
        self.note_chain_end(chain, end, read_to.get());
    }
}

/// An answer of the server that this code does not understand.
#[derive(Debug, thiserror::Error)]
#[error("the server gave an answer that was not expected: {0}")]
struct UnexpectedAnswer(String);

impl UnexpectedAnswer {
    fn boxed(what: impl Into<String>) -> BoxError {
        Box::new(Self(what.into()))
    }
}
