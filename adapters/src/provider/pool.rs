//! The connections to one host that are kept for later.
//!
//! A connection that nobody uses is not polled, so it does not notice by itself that the upstream has closed it. It is
//! looked at when it is taken, and by a task that runs while there are any: so one that was closed is let go of soon.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use tallygate_core::port::event_log::BoxError;
use tokio::time::Instant;

use super::connection::{Answering, Connection, Unanswered};
use super::connector::Connector;

/// For how long connections are kept, and how many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keeping {
    /// How long one is kept that nobody uses.
    pub(super) idle_timeout: Duration,
    /// The most that are kept for one host.
    pub(super) connections_max: usize,
    /// How often those that nobody uses are looked at.
    pub(super) look_every: Duration,
}

/// A host and the connections to it.
pub(super) struct Host {
    origin: Uri,
    connector: Connector,
    keeping: Keeping,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// Oldest first.
    connections: VecDeque<(Instant, Box<Connection>)>,
    is_watched: bool,
}

/// A request got no answer.
pub(super) enum Failed {
    /// There is no connection.
    Connect(BoxError),
    /// The connection broke, or carried something that is no answer.
    Exchange(hyper::Error),
}

impl Host {
    /// A host without connections. Its `origin` has a scheme and an authority.
    pub(super) fn new(origin: Uri, connector: Connector, keeping: Keeping) -> Self {
        Self { origin, connector, keeping, idle: Mutex::default() }
    }

    /// Sends a request over a connection that is there, or over a new one, which must be there within `connect_timeout`.
    ///
    /// A connection that was kept may be closed by the upstream at any moment. A request that comes back from one without
    /// a byte of it written is sent over another; what may have been sent is not sent again.
    ///
    /// Cancellation: dropped before its end it closes the connection.
    ///
    /// # Errors
    /// [`Failed`].
    #[expect(clippy::manual_async_fn, reason = "an `async fn` would have room for the request twice")]
    pub(super) fn request(
        self: &Arc<Self>,
        mut request: Request<Full<Bytes>>,
        connect_timeout: Duration,
    ) -> impl Future<Output = Result<Response<Answering>, Failed>> + Send {
        async move {
            while let Some(connection) = self.take() {
                match connection.exchange(request, self).await {
                    Ok(answer) => return Ok(answer),
                    Err(Unanswered { unsent: Some(unsent), .. }) => request = unsent,
                    Err(Unanswered { error, unsent: None }) => return Err(Failed::Exchange(error)),
                }
            }
            // Kept apart: what connecting needs would make every call larger by kilobytes.
            Box::pin(self.request_over_new(request, connect_timeout)).await
        }
    }

    async fn request_over_new(
        self: &Arc<Self>,
        request: Request<Full<Bytes>>,
        connect_timeout: Duration,
    ) -> Result<Response<Answering>, Failed> {
        let stream = self.connector.connect(self.origin.clone(), connect_timeout).await.map_err(Failed::Connect)?;
        let connection = Connection::over(stream).await.map_err(Failed::Exchange)?;
        let answered = Box::new(connection).exchange(request, self).await;
        answered.map_err(|unanswered| Failed::Exchange(unanswered.error))
    }

    /// Keeps a connection for later. Whether it can be used again is looked at when it is taken.
    pub(super) fn keep(self: &Arc<Self>, connection: Box<Connection>) {
        connection.rest();
        let mut idle = self.idle();
        if idle.connections.len() < self.keeping.connections_max {
            idle.connections.push_back((Instant::now(), connection));
        }
        if !idle.is_watched
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            idle.is_watched = true;
            runtime.spawn(watch(Arc::downgrade(self), self.keeping.look_every));
        }
    }

    /// Whether any connection is kept.
    pub(super) fn keeps_any(&self) -> bool {
        !self.idle().connections.is_empty()
    }

    /// The connection that was used last, of those that still are one.
    fn take(&self) -> Option<Box<Connection>> {
        let mut idle = self.idle();
        while let Some((since, mut connection)) = idle.connections.pop_back() {
            if since.elapsed() < self.keeping.idle_timeout && connection.is_free() {
                return Some(connection);
            }
        }
        None
    }

    /// Lets go of connections that are too old or closed. Whether any is left.
    fn look(&self) -> bool {
        let mut idle = self.idle();
        let timeout = self.keeping.idle_timeout;
        idle.connections.retain_mut(|(since, connection)| since.elapsed() < timeout && connection.is_free());
        idle.is_watched = !idle.connections.is_empty();
        idle.is_watched
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at what a host keeps, until nothing is kept any more.
async fn watch(host: Weak<Host>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        if !host.upgrade().is_some_and(|host| host.look()) {
            return;
        }
    }
}
