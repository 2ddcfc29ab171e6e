//! One connection to NATS, shared by the logs and the doors. It comes back by itself when the server does.
//!
//! The client keeps what it is given while it is disconnected and sends it later, perhaps long after the caller gave up.
//! So nothing is given to it while the connection is down, and a request whose connection broke is *unanswered*, never
//! *failed*: it may still be carried out.

use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::{Context, context::ContextBuilder};
use async_nats::{Client, ConnectOptions, Event, HeaderMap, Message, RequestErrorKind, ServerAddr};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use tallygate_core::port::event_log::{BoxError, LogError};
use tokio::sync::watch;
use tokio::time::timeout;

use super::options::Options;
use super::version::{self, TooOld};

/// A connection. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub struct Connection {
    client: Client,
    context: Context,
    /// Grows whenever the connection was lost or made.
    changes: watch::Receiver<u64>,
    options: Arc<Options>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No server answered, or none let us in.
    #[error("NATS cannot be reached")]
    Unreachable(#[source] BoxError),
    /// The server is too old to keep a log in order.
    #[error(transparent)]
    TooOld(#[from] TooOld),
    /// The options name no servers, or not by URLs.
    #[error("NATS servers are named by URLs such as nats://host:4222, with commas between")]
    Servers,
    /// A file that the options name cannot be read.
    #[error("the NATS credentials file {path} cannot be read")]
    Credentials {
        /// The file.
        path: String,
        /// What went wrong.
        #[source]
        source: BoxError,
    },
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestFailure {
    /// Nobody got the request: it had no effect and will have none.
    #[error("the request was not delivered")]
    Undelivered(#[source] BoxError),
    /// The request was sent and not answered: nobody knows whether it had or will have an effect.
    #[error("the request was not answered")]
    Unanswered(#[source] BoxError),
}

/// The connection is down, or what is connected may not be used.
#[derive(Debug, thiserror::Error)]
#[error("not connected to NATS")]
struct Disconnected;

/// The connection broke while an answer was awaited.
#[derive(Debug, thiserror::Error)]
#[error("the connection to NATS was lost before the answer came")]
pub(crate) struct ConnectionLost;

impl Connection {
    /// Connects, and lets the server pass the version gate.
    ///
    /// # Errors
    /// [`ConnectError`]; nothing is retried, so that a wrong address is seen at once.
    pub async fn connect(options: Options) -> Result<Self, ConnectError> {
        let addresses = addresses(&options.servers)?;
        let (changed, changes) = watch::channel(0_u64);
        let mut connect = ConnectOptions::new()
            .name(&options.name)
            .request_timeout(Some(options.request_timeout))
            .connection_timeout(options.request_timeout)
            .event_callback(move |event| {
                if matches!(event, Event::Connected | Event::Disconnected) {
                    changed.send_modify(|count| *count = count.wrapping_add(1));
                }
                tracing::info!(%event, "NATS connection");
                std::future::ready(())
            });
        if let Some((user, password)) = addresses.iter().find_map(login) {
            connect = match password {
                Some(password) => connect.user_and_password(user, password),
                None => connect.token(user),
            };
        }
        if let Some(path) = &options.root_certificates {
            connect = connect.add_root_certificates(path.clone());
        }
        if let Some(path) = &options.credentials_file {
            connect = connect.credentials_file(path).await.map_err(|source| ConnectError::Credentials {
                path: path.display().to_string(),
                source: source.into(),
            })?;
        }
        let client = connect.connect(addresses).await.map_err(|error| ConnectError::Unreachable(error.into()))?;
        version::check(&client.server_info().version)?;
        let context = ContextBuilder::new().timeout(options.request_timeout).build(client.clone());
        Ok(Self { client, context, changes, options: Arc::new(options) })
    }

    /// How the connection was asked for.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The version of the server that is connected now.
    #[must_use]
    pub fn server_version(&self) -> String {
        self.client.server_info().version
    }

    /// The longest message that the server takes, in bytes, headers included.
    #[must_use]
    pub fn max_payload(&self) -> usize {
        self.client.max_payload()
    }

    /// Whether a server is connected now.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Waits for the connection, at most so long.
    ///
    /// # Errors
    /// When it is still down then, or when the server that is connected now is too old.
    pub async fn ready(&self, within: Duration) -> Result<(), BoxError> {
        let mut changes = self.changes();
        let up = async {
            while !self.is_up() {
                if changes.changed().await.is_err() {
                    return false;
                }
            }
            true
        };
        if !timeout(within, up).await.unwrap_or(false) {
            return Err(Disconnected.into());
        }
        // The connection may have moved to another server of the cluster since it was made.
        Ok(version::check(&self.client.server_info().version)?)
    }

    /// Sends a request and waits for the answer, at most the configured time and no longer than the connection lasts.
    ///
    /// # Errors
    /// [`RequestFailure`], which tells apart what had no effect from what may have had one. Dropping the future leaves
    /// that open, too.
    pub(crate) async fn request(
        &self,
        subject: String,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<Message, RequestFailure> {
        let mut changes = self.changes();
        if !self.is_up() {
            return Err(RequestFailure::Undelivered(Disconnected.into()));
        }
        let request = async_nats::Request::new().headers(headers).payload(payload);
        tokio::select! {
            biased;
            answer = self.client.send_request(subject, request) => answer.map_err(|error| match error.kind() {
                RequestErrorKind::NoResponders
                | RequestErrorKind::InvalidSubject
                | RequestErrorKind::MaxPayloadExceeded => RequestFailure::Undelivered(error.into()),
                RequestErrorKind::TimedOut | RequestErrorKind::Other => RequestFailure::Unanswered(error.into()),
            }),
            _ = changes.changed() => Err(RequestFailure::Unanswered(ConnectionLost.into())),
        }
    }

    /// A number that changes whenever the connection is lost or made, from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        let mut changes = self.changes.clone();
        changes.mark_unchanged();
        changes
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) const fn context(&self) -> &Context {
        &self.context
    }
}

/// The servers that a text names. What is wrong with it is not repeated in the error: it may hold a password.
fn addresses(servers: &str) -> Result<Vec<ServerAddr>, ConnectError> {
    let address = |url: &str| url.trim().parse::<ServerAddr>().ok().filter(|address| !address.host().is_empty());
    servers.split(',').map(|url| address(url).ok_or(ConnectError::Servers)).collect()
}

/// The user and password of a URL; a user alone is a token, as for other NATS clients. The client library leaves both
/// unused.
fn login(address: &ServerAddr) -> Option<(String, Option<String>)> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some((decode(address.username()?), address.password().map(decode)))
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("options", &self.options).finish_non_exhaustive()
    }
}

impl From<ConnectError> for LogError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Unreachable(_) => Self::Unavailable(error.into()),
            ConnectError::TooOld(_) | ConnectError::Servers => Self::Misconfigured(error.to_string()),
            ConnectError::Credentials { ref path, ref source } => {
                Self::Misconfigured(format!("the NATS credentials file {path} cannot be read: {source}"))
            }
        }
    }
}
