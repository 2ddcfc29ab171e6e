//! Creates a JetStream stream, or verifies one that is there.
//!
//! What the server says it has is compared with what is needed, field by field: a server drops options that it does not
//! know, and an operator may have made the stream by hand. The flush interval of the server (`sync_interval`) is no part of
//! it: see [`super::server_survey`].

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, Info};
use tallygate_core::port::event_log::{BoxError, LogError};

use super::connection::Connection;
use super::options::{Replicas, Setup};

/// Copies of a stream in a cluster, unless told otherwise.
const CLUSTER_REPLICAS: usize = 3;

/// Why a stream cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The server did not answer, or could not now.
    #[error("the stream {stream} cannot be set up now")]
    Unavailable {
        /// The stream.
        stream: String,
        /// What went wrong.
        #[source]
        source: BoxError,
    },
    /// The stream is not there and was not to be created.
    #[error("there is no stream {stream}")]
    Missing {
        /// The stream.
        stream: String,
    },
    /// The server refuses to create the stream.
    #[error("the server refuses to create the stream {stream}: {reason}")]
    Refused {
        /// The stream.
        stream: String,
        /// What the server says, and what may be done.
        reason: String,
    },
    /// The stream is there, and is not as it must be.
    #[error("the stream {stream} has {field} = {found}, and must have {expected}")]
    Differs {
        /// The stream.
        stream: String,
        /// The option, as JetStream calls it.
        field: &'static str,
        /// What it has to be.
        expected: String,
        /// What it is.
        found: String,
    },
}

impl From<SetupError> for LogError {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Unavailable { .. } => Self::Unavailable(error.into()),
            SetupError::Missing { .. } | SetupError::Refused { .. } | SetupError::Differs { .. } => {
                Self::Misconfigured(error.to_string())
            }
        }
    }
}

/// Makes sure that a stream is there and is as wanted, and tells its state. `wanted.num_replicas` is not looked at: the
/// connection's options say how many copies there are.
///
/// # Errors
/// [`SetupError`].
pub async fn ensure(connection: &Connection, wanted: Config) -> Result<Info, SetupError> {
    let options = connection.options();
    let info = match find(connection, &wanted.name).await? {
        Some(info) => info,
        None if options.setup == Setup::VerifyOnly => return Err(SetupError::Missing { stream: wanted.name }),
        None => create(connection, &wanted).await?,
    };
    verify(&wanted, options.replicas, &info.config)?;
    Ok(info)
}

async fn find(connection: &Connection, stream: &str) -> Result<Option<Info>, SetupError> {
    match connection.context().get_stream(stream).await {
        Ok(found) => Ok(Some(found.cached_info().clone())),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(cause) if cause.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
            _ => Err(SetupError::Unavailable { stream: stream.to_owned(), source: error.into() }),
        },
    }
}

async fn create(connection: &Connection, wanted: &Config) -> Result<Info, SetupError> {
    match connection.options().replicas {
        Replicas::Exactly(copies) => create_with(connection, wanted, copies).await?.ok_or(SetupError::Refused {
            stream: wanted.name.clone(),
            reason: format!("{copies} copies are asked for and it is a single server"),
        }),
        Replicas::Auto => match create_with(connection, wanted, CLUSTER_REPLICAS).await? {
            Some(info) => Ok(info),
            None => {
                create_with(connection, wanted, 1).await?.ok_or(SetupError::Missing { stream: wanted.name.clone() })
            }
        },
    }
}

/// Creates the stream with so many copies; nothing when a single server cannot keep as many.
async fn create_with(connection: &Connection, wanted: &Config, copies: usize) -> Result<Option<Info>, SetupError> {
    let stream = wanted.name.clone();
    let config = Config { num_replicas: copies, ..wanted.clone() };
    let error = match connection.context().create_stream(config).await {
        Ok(created) => return Ok(Some(created.cached_info().clone())),
        Err(error) => error,
    };
    let CreateStreamErrorKind::JetStream(cause) = error.kind() else {
        return Err(SetupError::Unavailable { stream, source: error.into() });
    };
    match cause.error_code() {
        ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED => Ok(None),
        // Somebody else created it, between our look and now.
        ErrorCode::STREAM_NAME_EXIST => find(connection, &stream).await,
        ErrorCode::CLUSTER_NO_PEERS => Err(SetupError::Refused {
            stream,
            reason: format!("{cause}; start {copies} JetStream servers, or ask for fewer copies"),
        }),
        _ if cause.code() >= 500 => Err(SetupError::Unavailable { stream, source: error.into() }),
        _ => Err(SetupError::Refused { stream, reason: cause.to_string() }),
    }
}

fn verify(wanted: &Config, replicas: Replicas, found: &Config) -> Result<(), SetupError> {
    let copies = match replicas {
        Replicas::Exactly(copies) => copies,
        Replicas::Auto => found.num_replicas,
    };
    let limit = |value: i64| if value <= 0 { "unlimited".to_owned() } else { value.to_string() };
    let text = |value: &dyn std::fmt::Debug| format!("{value:?}");
    let seconds = |value: std::time::Duration| {
        if value.is_zero() { "unlimited".to_owned() } else { format!("{} s", value.as_secs_f64()) }
    };
    let rows: [(&'static str, String, String); 23] = [
        ("subjects", text(&wanted.subjects), text(&found.subjects)),
        ("storage", text(&wanted.storage), text(&found.storage)),
        ("retention", text(&wanted.retention), text(&found.retention)),
        ("num_replicas", copies.to_string(), found.num_replicas.to_string()),
        ("discard", text(&wanted.discard), text(&found.discard)),
        ("max_age", seconds(wanted.max_age), seconds(found.max_age)),
        ("max_msgs", limit(wanted.max_messages), limit(found.max_messages)),
        ("max_bytes", limit(wanted.max_bytes), limit(found.max_bytes)),
        ("max_msgs_per_subject", limit(wanted.max_messages_per_subject), limit(found.max_messages_per_subject)),
        ("max_msg_size", limit(wanted.max_message_size.into()), limit(found.max_message_size.into())),
        ("deny_delete", text(&wanted.deny_delete), text(&found.deny_delete)),
        ("deny_purge", text(&wanted.deny_purge), text(&found.deny_purge)),
        ("allow_rollup_hdrs", text(&wanted.allow_rollup), text(&found.allow_rollup)),
        ("allow_direct", text(&wanted.allow_direct), text(&found.allow_direct)),
        ("allow_atomic", text(&wanted.allow_atomic_publish), text(&found.allow_atomic_publish)),
        ("allow_msg_ttl", text(&wanted.allow_message_ttl), text(&found.allow_message_ttl)),
        ("allow_msg_counter", text(&wanted.allow_message_counter), text(&found.allow_message_counter)),
        ("no_ack", text(&wanted.no_ack), text(&found.no_ack)),
        ("sealed", text(&wanted.sealed), text(&found.sealed)),
        ("mirror", text(&wanted.mirror.is_some()), text(&found.mirror.is_some())),
        ("sources", text(&0_usize), text(&found.sources.as_ref().map_or(0, Vec::len))),
        ("subject_transform", text(&false), text(&found.subject_transform.is_some())),
        ("persist_mode", text(&wanted.persist_mode.unwrap_or_default()), text(&found.persist_mode.unwrap_or_default())),
    ];
    for (field, expected, found) in rows {
        if expected != found {
            return Err(SetupError::Differs { stream: wanted.name.clone(), field, expected, found });
        }
    }
    Ok(())
}
