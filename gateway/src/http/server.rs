//! The accept loop: ours, since `axum::serve` has no header timeout, leaves Nagle on, and has no limit of connections.

mod head_limit;

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
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use head_limit::HeadLimit;

/// Limits of the server.
#[derive(Debug, Clone)]
pub(crate) struct ServerLimits {
    /// From the accept, or from the end of the request before, to the end of a request's head. So it is also how long a
    /// connection may be idle.
    pub(crate) head_timeout: Duration,
    /// The longest head, in bytes. It has 100 fields at most, hyper's own limit: for any other it would take memory for each
    /// request.
    pub(crate) head_max_bytes: usize,
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
            connections_max: 20_000,
            drain_timeout: Duration::from_secs(20),
        }
    }
}

/// What answers the requests of connections.
pub(crate) trait Front:
    Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send + Unpin> + Clone + Send + 'static
{
}

impl<S> Front for S where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send + Unpin>
        + Clone
        + Send
        + 'static
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
    let (mut head_limit, front) = HeadLimit::of(front, limits.head_timeout);
    let connection = hyper::server::conn::http1::Builder::new()
        .max_buf_size(limits.head_max_bytes)
        .serve_connection(TokioIo::new(stream), front)
        // An agent's connection goes on as a WebSocket.
        .with_upgrades();
    tokio::pin!(connection);
    let served = poll_fn(|context| match connection.as_mut().poll(context) {
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending => head_limit.poll_over(context),
    });
    if unless_stopped(served, stop).await.is_none() {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
    drop(place);
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{pending, ready};
    use std::net::SocketAddr;
    use std::pin::Pin;
    use std::time::Duration;

    use axum::response::Response;
    use futures_util::FutureExt as _;
    use http::Request;
    use hyper::body::Incoming;
    use hyper::service::Service;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::watch;

    use super::{ServerLimits, serve, unless_stopped};

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

    /// Answers `/slow` once the gate is open, and all else at once.
    #[derive(Clone)]
    struct Gated(watch::Receiver<bool>);

    impl Service<Request<Incoming>> for Gated {
        type Response = Response;
        type Error = Infallible;
        type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

        fn call(&self, request: Request<Incoming>) -> Self::Future {
            let mut gate = self.0.clone();
            let waits = request.uri().path() == "/slow";
            Box::pin(async move {
                let _ = gate.wait_for(|open| *open || !waits).await;
                Ok(Response::new("answered".into()))
            })
        }
    }

    /// Sends this and reads until the server closes the connection.
    async fn said_until_closed(server: SocketAddr, sends: &str) -> String {
        let mut stream = TcpStream::connect(server).await.unwrap();
        stream.write_all(sends.as_bytes()).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        said
    }

    #[tokio::test]
    async fn a_connection_is_closed_when_no_head_comes_and_never_before_its_answer() {
        let ((open, gate), (stop, stopped)) = (watch::channel(false), watch::channel(false));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        let limits = ServerLimits { head_timeout: Duration::from_millis(40), ..ServerLimits::default() };
        let serving = tokio::spawn(serve(listener, move |_| Gated(gate.clone()), limits, stopped));
        let slow = tokio::spawn(said_until_closed(server, "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert_eq!(said_until_closed(server, "").await, "");
        assert_eq!(said_until_closed(server, "GET / HTTP/1.1\r\nhost").await, "");
        let twice = "GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(2);
        assert_eq!(said_until_closed(server, &twice).await.matches("answered").count(), 2);
        // The slow one waited longer than all of these, and was not closed.
        open.send_replace(true);
        assert_eq!(slow.await.unwrap().matches("answered").count(), 1);
        stop.send_replace(true);
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn work_is_stopped_too_when_nobody_is_left_to_say_so() {
        let (say, stop) = watch::channel(false);
        drop(say);
        assert_eq!(unless_stopped(pending::<()>(), stop).await, None);
    }
}
