//! Following a log: an ephemeral pull consumer, made again from the cursor whenever something is doubtful.
//!
//! Nothing is believed but the sequences: a message is yielded when its sequence is the cursor's plus one. Whatever else
//! comes, and every loss of the connection, leads to a new consumer that starts at the cursor. Before it is made, the
//! stream's bounds are compared with the cursor, since a consumer that starts at a sequence which is gone begins
//! silently at the first one left.

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::context::GetStreamErrorKind;
use futures_util::{StreamExt as _, stream};
use tallygate_core::port::BoxStream;
use tallygate_core::port::event_log::{BoxError, Entry, LogError};
use tallygate_core::stream::Offset;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::NatsLog;
use super::stored::Stored;

/// Messages asked for at a time.
const PULL_MESSAGES: usize = 500;
/// How long the server may be silent before the consumer is given up is twice this.
const HEARTBEAT: Duration = Duration::from_secs(2);
const PULL_EXPIRES: Duration = Duration::from_secs(20);
/// How long the server keeps a consumer that nobody asks.
const INACTIVE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);

/// See [`tallygate_core::port::event_log::EventLog::tail`].
pub(super) fn tail(log: NatsLog, after: Offset) -> BoxStream<'static, Result<Entry, LogError>> {
    let tail = Tail { log, cursor: after.get(), source: None };
    Box::pin(stream::unfold(Some(tail), |tail| async {
        let mut tail = tail?;
        match tail.next().await {
            Ok(entry) => Some((Ok(entry), Some(tail))),
            Err(error) => Some((Err(error), None)),
        }
    }))
}

struct Tail {
    log: NatsLog,
    /// The sequence of the last message that was yielded.
    cursor: u64,
    source: Option<Source>,
}

/// A consumer that was started right after the cursor.
struct Source {
    messages: pull::Stream,
    changes: watch::Receiver<u64>,
}

/// Why there is no consumer now.
enum OpenError {
    /// It will be tried again.
    Transient(BoxError),
    /// The log is not what it was.
    Final(LogError),
}

impl Tail {
    /// The next entry. An error is final.
    async fn next(&mut self) -> Result<Entry, LogError> {
        loop {
            let mut source = match self.source.take() {
                Some(source) => source,
                None => self.open_until_it_works().await?,
            };
            let delivered = tokio::select! {
                biased;
                delivered = source.messages.next() => delivered,
                _ = source.changes.changed() => None,
            };
            let expected = self.cursor + 1;
            if let Some(Ok(message)) = delivered
                && message.info().is_ok_and(|info| info.stream_sequence == expected)
            {
                self.source = Some(source);
                self.cursor = expected;
                let stored = Stored { sequence: expected, payload: message.message.payload };
                return Ok(stored.into_entry(self.log.layout().log));
            }
            // The connection broke, the consumer is gone, or a message was lost on its way: the next consumer delivers
            // from the cursor on. If the message is gone from the stream, opening finds that out.
            sleep(PAUSE).await;
        }
    }

    async fn open_until_it_works(&self) -> Result<Source, LogError> {
        loop {
            let mut changes = self.log.connection().changes();
            match self.open().await {
                Ok(source) => return Ok(source),
                Err(OpenError::Final(error)) => return Err(error),
                Err(OpenError::Transient(error)) => {
                    tracing::debug!(stream = self.log.stream_name(), %error, "tail waits");
                }
            }
            // A change of the connection is a reason to try at once, but never without a pause.
            sleep(PAUSE).await;
            if !self.log.connection().is_up() {
                // A change that nobody reported is noticed at the next look.
                let _ = timeout(HEARTBEAT, changes.changed()).await;
            }
        }
    }

    async fn open(&self) -> Result<Source, OpenError> {
        let transient = |error: BoxError| OpenError::Transient(error);
        let changes = self.log.connection().changes();
        self.log.connection().ready(HEARTBEAT).await.map_err(OpenError::Transient)?;
        self.check_bounds().await?;
        let stream = self.log.stream().await.map_err(|error| transient(error.into()))?;
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: self.cursor + 1 },
            ack_policy: AckPolicy::None,
            inactive_threshold: INACTIVE,
            num_replicas: 1,
            memory_storage: true,
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(|error| transient(error.into()))?;
        let messages = consumer
            .stream()
            .max_messages_per_batch(PULL_MESSAGES)
            .heartbeat(HEARTBEAT)
            .expires(PULL_EXPIRES)
            .messages()
            .await
            .map_err(|error| transient(error.into()))?;
        Ok(Source { messages, changes })
    }

    async fn check_bounds(&self) -> Result<(), OpenError> {
        let stream = match self.log.connection().context().get_stream(self.log.stream_name()).await {
            Ok(stream) => stream,
            Err(error) => {
                return Err(match error.kind() {
                    GetStreamErrorKind::JetStream(cause) if cause.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                        OpenError::Final(self.log.damaged(self.cursor, "the stream is gone"))
                    }
                    _ => OpenError::Transient(error.into()),
                });
            }
        };
        let state = &stream.cached_info().state;
        if state.last_sequence < self.cursor {
            let damage = format!("the log ends at {}, and more than that was read before", state.last_sequence);
            return Err(OpenError::Final(self.log.damaged(self.cursor, damage)));
        }
        if state.last_sequence == self.cursor {
            return Ok(());
        }
        match self.log.message_at(self.cursor + 1).await {
            Ok(_) => Ok(()),
            Err(error @ LogError::Damaged { .. }) => Err(OpenError::Final(error)),
            Err(error) => Err(OpenError::Transient(error.into())),
        }
    }
}
