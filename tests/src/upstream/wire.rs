//! A connection that can be told to break in ways an HTTP server would not.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What is written in place of an answer.
const GARBAGE: &[u8] = b"\x16\x03\x01 this is not HTTP at all \x00\xff\r\n\r\n";

const HONEST: u8 = 0;
const RESET: u8 = 1;
const GARBLE: u8 = 2;

/// What becomes of a connection. A reply sets it.
#[derive(Debug, Clone)]
pub(crate) struct Fate(Arc<AtomicU8>);

impl Fate {
    /// The connection ends with RST instead of FIN.
    pub(crate) fn reset(&self) {
        self.0.store(RESET, Ordering::Release);
    }

    /// The next thing written is garbage, and the connection closes.
    pub(crate) fn garble(&self) {
        self.0.store(GARBLE, Ordering::Release);
    }

    fn is(&self, fate: u8) -> bool {
        self.0.load(Ordering::Acquire) == fate
    }
}

/// A socket and its fate.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: TcpStream,
    fate: Fate,
}

impl Wire {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self { socket, fate: Fate(Arc::new(AtomicU8::new(HONEST))) }
    }

    pub(crate) fn fate(&self) -> Fate {
        self.fate.clone()
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.fate.is(GARBLE) {
            // So few bytes fit into an empty socket buffer at once.
            let _ = ready!(Pin::new(&mut self.socket).poll_write(cx, GARBAGE))?;
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::ConnectionAborted)));
        }
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.fate.is(RESET) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.fate.is(RESET) {
            // Without lingering, closing sends RST. If it fails the caller sees FIN, and the test says so.
            let _ = self.socket.set_zero_linger();
        }
    }
}
