//! An upstream on loopback that follows a script, byte for byte. It speaks no HTTP of its own, so it can break every rule.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// One step of a script.
#[derive(Clone)]
pub(super) enum Act {
    /// Reads a request with its body, as far as its `content-length` says.
    ReadRequest,
    /// Reads a little, so that the connection is known to be used.
    ReadSome,
    /// Writes.
    Write(Bytes),
    /// Writes the same over and over until the other side has gone.
    Flood(Bytes),
    /// Writes one byte after another, slower than anyone would, until the other side has gone.
    Drip(Bytes),
    /// Tells the test that this step was reached.
    Signal,
    /// Waits until the test says so.
    AwaitSignal,
    /// Waits until the other side has gone.
    AwaitClose,
    /// Says that nothing more will be written.
    Finish,
    /// Closes with bytes unread, so that the other side gets a reset.
    Reset,
}

/// A scripted upstream. Every connection runs the whole script, and is closed after it.
pub(super) struct Upstream {
    pub(super) url: String,
    pub(super) authority: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    connections: AtomicUsize,
    received: Mutex<Vec<u8>>,
    from_test: Notify,
    to_test: Notify,
    finished: Notify,
}

impl Upstream {
    pub(super) async fn start(script: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared::default());
        let server = tokio::spawn(serve(listener, script, Arc::clone(&shared)));
        Self { url: format!("http://{authority}"), authority, shared, server }
    }

    pub(super) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// What all connections sent, one request after the other.
    pub(super) async fn received(&self) -> String {
        String::from_utf8_lossy(&self.shared.received.lock().await).into_owned()
    }

    pub(super) fn signal(&self) {
        self.shared.from_test.notify_one();
    }

    pub(super) async fn signalled(&self) {
        self.shared.to_test.notified().await;
    }

    /// Waits until a connection has come to the end of its script.
    pub(super) async fn finished(&self) {
        timeout(super::LONG, self.shared.finished.notified()).await.expect("the connection was left open");
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, script: Vec<Act>, shared: Arc<Shared>) {
    loop {
        let (mut socket, _) = listener.accept().await.unwrap();
        shared.connections.fetch_add(1, Ordering::SeqCst);
        for act in script.clone() {
            // An error here means that the other side has gone, which many scripts wait for.
            if perform(act, &mut socket, &shared).await.is_err() {
                break;
            }
        }
        shared.finished.notify_one();
    }
}

async fn perform(act: Act, socket: &mut TcpStream, shared: &Shared) -> std::io::Result<()> {
    match act {
        Act::ReadRequest => read_request(socket, shared).await,
        Act::ReadSome => socket.read(&mut [0; 16]).await.map(drop),
        Act::Write(bytes) => socket.write_all(&bytes).await,
        Act::Flood(bytes) => loop {
            socket.write_all(&bytes).await?;
        },
        Act::Drip(bytes) => {
            let mut ticks = tokio::time::interval(Duration::from_millis(10));
            for byte in bytes.iter().cycle() {
                ticks.tick().await;
                socket.write_all(&[*byte]).await?;
            }
            Ok(())
        }
        Act::Signal => {
            shared.to_test.notify_one();
            Ok(())
        }
        Act::AwaitSignal => {
            shared.from_test.notified().await;
            Ok(())
        }
        Act::AwaitClose => loop {
            if socket.read(&mut [0; 1024]).await? == 0 {
                return Ok(());
            }
        },
        Act::Finish => socket.shutdown().await,
        // The socket is dropped with the script; the kernel resets a connection whose bytes nobody read.
        Act::Reset => Err(std::io::ErrorKind::ConnectionReset.into()),
    }
}

async fn read_request(socket: &mut TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut request = Vec::new();
    loop {
        if socket.read_buf(&mut request).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        if body.len() >= length {
            shared.received.lock().await.extend_from_slice(&request);
            return Ok(());
        }
    }
}

/// Where nobody listens.
pub(super) async fn closed_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Listens, but has no room for another connection: the kernel leaves those who come unanswered.
pub(super) struct Full {
    pub(super) url: String,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Full {
    pub(super) async fn start() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(Ok(socket)) = timeout(super::SHORT, TcpStream::connect(address)).await {
            waiting.push(socket);
            assert!(waiting.len() < 64, "the kernel takes every connection");
        }
        Self { url: format!("http://{address}"), _listener: listener, _waiting: waiting }
    }
}
