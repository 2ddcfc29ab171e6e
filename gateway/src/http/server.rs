//! The accept loop: ours, since `axum::serve` has no header timeout, leaves Nagle on, and has no limit of connections.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// Limits of the server.
#[derive(Debug, Clone)]
pub(crate) struct ServerLimits {
    /// From the accept, or from the end of the request before, to the end of a request's head. So it is also how long a
    /// connection may be idle.
    pub(crate) head_timeout: Duration,
    /// The longest head, in bytes.
    pub(crate) head_max_bytes: usize,
    /// The most header fields.
    pub(crate) headers_max: usize,
    /// The most connections at once; more wait in the kernel's queue.
    pub(crate) connections_max: usize,
    /// How long requests may go on after the server was asked to stop.
    pub(crate) drain_timeout: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(15),
            head_max_bytes: 64 * 1024,
            headers_max: 128,
            connections_max: 20_000,
            drain_timeout: Duration::from_secs(20),
        }
    }
}

/// What answers the requests of connections.
pub(crate) trait Front:
    Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<S> Front for S where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

/// Serves until `stop` says so, then lets requests end. Each connection has a front of its own, by who it is from.
///
/// A failed accept (too many open files, a connection that was reset in the queue) is waited out, not fatal.
pub(crate) async fn serve<F: Front>(
    listener: TcpListener,
    fronts: impl Fn(IpAddr) -> F,
    limits: ServerLimits,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = stopped(&mut stop) => break,
        };
        while connections.try_join_next().is_some() {}
        if let Some((stream, peer, place)) = accepted {
            connections.spawn(connection(stream, fronts(peer), limits.clone(), stop.clone(), place));
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain_timeout, drained).await.is_err() {
        tracing::warn!("requests still ran when the time to end them was over");
        connections.shutdown().await;
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// What work comes to; none if it is asked to stop before. Polled by one task alone.
///
/// A connection wakes its task several times a request. Whether it is to stop is waited for once, and from then on looked
/// at only when something was said: a task's waker, once left there, goes on waking it.
async fn unless_stopped<T>(mut work: impl Future<Output = T> + Unpin, mut stop: watch::Receiver<bool>) -> Option<T> {
    let said = stop.clone();
    let mut stopped = pin!(stopped(&mut stop));
    let mut waits = false;
    poll_fn(move |context| {
        if let Poll::Ready(done) = Pin::new(&mut work).poll(context) {
            return Poll::Ready(Some(done));
        }
        let is_quiet = waits && said.has_changed().is_ok_and(|has_changed| !has_changed);
        if !is_quiet && stopped.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        waits = true;
        Poll::Pending
    })
    .await
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer.ip(), place)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(20)).await;
            None
        }
    }
}

async fn connection(
    stream: TcpStream,
    front: impl Front,
    limits: ServerLimits,
    stop: watch::Receiver<bool>,
    place: OwnedSemaphorePermit,
) {
    // Without this a stream's small pieces wait for one another: 44 ms instead of 11.
    let _ = stream.set_nodelay(true);
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_headers(limits.headers_max)
        .max_buf_size(limits.head_max_bytes)
        .serve_connection(TokioIo::new(stream), front)
        // An agent's connection goes on as a WebSocket.
        .with_upgrades();
    tokio::pin!(connection);
    if unless_stopped(connection.as_mut(), stop).await.is_none() {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
    drop(place);
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt as _;
    use tokio::sync::watch;

    use super::unless_stopped;

    #[tokio::test]
    async fn work_ends_by_itself_or_when_it_is_asked_to_stop() {
        let (say, stop) = watch::channel(false);
        assert_eq!(unless_stopped(ready(7), stop.clone()).await, Some(7));
        let mut waiting = Box::pin(unless_stopped(pending::<()>(), stop.clone()));
        let task = tokio::spawn(unless_stopped(pending::<()>(), stop.clone()));
        for _ in 0..3 {
            assert_eq!(waiting.as_mut().now_or_never(), None);
        }
        // Something else than a stop.
        say.send_replace(false);
        assert_eq!(waiting.as_mut().now_or_never(), None);
        tokio::task::yield_now().await;
        say.send_replace(true);
        assert_eq!(waiting.as_mut().now_or_never(), Some(None));
        assert_eq!(task.await.unwrap(), None, "whoever waits is woken");
        assert_eq!(unless_stopped(pending::<()>(), stop).await, None, "it was said before");
    }

    #[tokio::test]
    async fn work_is_stopped_too_when_nobody_is_left_to_say_so() {
        let (say, stop) = watch::channel(false);
        drop(say);
        assert_eq!(unless_stopped(pending::<()>(), stop).await, None);
    }
}
