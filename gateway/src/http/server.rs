//! The accept loop: ours, since `axum::serve` has no header timeout, leaves Nagle on, and has no limit of connections.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
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
    mut stop: watch::Receiver<bool>,
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
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
    drop(place);
}
