//! Connecting to the three logs.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType};
use tallygate_core::envelope::LINE_MAX_BYTES;
use tallygate_core::port::event_log::LogError;
use tallygate_core::stream::Log;

use super::NatsLog;
use super::layout::Layout;
use super::plan::HEADERS_MAX_BYTES;
use crate::nats::{Connection, Options, stream_setup};

/// How long the server remembers event ids. A second line of defence only.
const DUPLICATE_WINDOW: Duration = Duration::from_mins(2);

/// The three logs on one connection.
#[derive(Debug, Clone)]
pub struct NatsLogs {
    /// What is allowed.
    pub control: Arc<NatsLog>,
    /// Who may spend.
    pub lease: Arc<NatsLog>,
    /// What happened.
    pub activity: Arc<NatsLog>,
    /// The connection that they share, for the command doors.
    pub connection: Connection,
}

impl NatsLogs {
    /// Connects, refuses servers that are too old, and creates or verifies the three streams.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when no server answers in time; [`LogError::Misconfigured`] for an old server, a limit
    /// that is too small or a stream that is not as it must be, naming the field, what was found and what must be;
    /// [`LogError::Damaged`] when a stream has holes or begins late.
    pub async fn connect(options: Options) -> Result<Self, LogError> {
        let connection = Connection::connect(options).await?;
        let needed = LINE_MAX_BYTES + HEADERS_MAX_BYTES;
        if connection.max_payload() < needed {
            return Err(LogError::Misconfigured(format!(
                "the server has max_payload = {}, and must have at least {needed}",
                connection.max_payload()
            )));
        }
        let control = open(&connection, Log::Control).await?;
        let lease = open(&connection, Log::Lease).await?;
        let activity = open(&connection, Log::Activity).await?;
        Ok(Self { control, lease, activity, connection })
    }

    /// The log of that kind.
    #[must_use]
    pub const fn of(&self, log: Log) -> &Arc<NatsLog> {
        match log {
            Log::Control => &self.control,
            Log::Lease => &self.lease,
            Log::Activity => &self.activity,
        }
    }
}

async fn open(connection: &Connection, log: Log) -> Result<Arc<NatsLog>, LogError> {
    let layout = Layout::new(&connection.options().prefix, log);
    let info = stream_setup::ensure(connection, config(&layout)).await?;
    tracing::info!(stream = layout.stream, copies = info.config.num_replicas, "log is open");
    let log = NatsLog::new(connection.clone(), layout);
    check_whole(&log, &info)?;
    Ok(Arc::new(log))
}

fn config(layout: &Layout) -> Config {
    Config {
        name: layout.stream.clone(),
        description: Some(format!("Tallygate's {} log. Its messages are facts: never delete one.", layout.log)),
        subjects: vec![layout.subjects()],
        storage: StorageType::File,
        retention: RetentionPolicy::Limits,
        max_messages: -1,
        max_bytes: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        discard: DiscardPolicy::New,
        duplicate_window: DUPLICATE_WINDOW,
        deny_delete: true,
        deny_purge: true,
        allow_rollup: false,
        allow_direct: true,
        allow_atomic_publish: true,
        ..Config::default()
    }
}

/// A stream that denies deletion has no holes and begins at 1. One that is otherwise was tampered with, or lost data.
fn check_whole(log: &NatsLog, info: &Info) -> Result<(), LogError> {
    let state = &info.state;
    if state.messages != state.last_sequence || state.first_sequence > 1 {
        return Err(log.damaged(
            state.first_sequence,
            format!(
                "it holds {} messages from sequence {} to {}",
                state.messages, state.first_sequence, state.last_sequence
            ),
        ));
    }
    Ok(())
}
