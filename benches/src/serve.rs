//! How the servers of the benches run: one HTTP/1.1 accept loop on loopback, in a process of its own that says where it
//! listens and ends with its parent.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use hyper::body::{Body, Incoming};
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What the first line of a server's output begins with; its address follows.
pub(crate) const ANNOUNCEMENT: &str = "listening on ";

/// Listens on a free port of loopback.
///
/// # Errors
/// When there is none.
pub(crate) async fn listen() -> anyhow::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.context("no free port")
}

/// Ties this process to its parent: tells it where we listen, and ends when the standard input does, that is when the
/// parent closes it or dies.
///
/// # Errors
/// When the standard output is closed.
pub(crate) fn attach(listener: &TcpListener) -> anyhow::Result<()> {
    let address = listener.local_addr().context("the listener has no address")?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{ANNOUNCEMENT}{address}").context("the parent does not listen")?;
    stdout.flush().context("the parent does not listen")?;
    // A thread, since a read of the standard input cannot be cancelled.
    std::thread::spawn(|| {
        let _end_or_error = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    Ok(())
}

/// Serves whoever connects, for ever. Failing connections are nobody's error: the load counts what it misses.
pub(crate) async fn accept<S, B>(listener: TcpListener, service: S)
where
    S: HttpService<Incoming, ResBody = B> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
        tokio::spawn(connection);
    }
}
