//! A connection to an upstream, driven by the request that uses it.
//!
//! hyper splits a connection in two: a sender, and a driver that does all reading and writing. The usual way is a task for
//! the driver, woken through channels for each request and each piece of an answer. Here whoever waits for an answer polls
//! the driver itself, so a request stays in its own task; a connection that nobody uses is polled by nobody, and looked at
//! when it is taken again ([`super::pool`]).

mod bell;

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};

use self::bell::Bell;
use super::connector::Stream;
use super::pool::Host;

/// So often in a row a driver is polled that asks for it. One that goes on asking has used up its task's turn.
const TURNS_MAX: u32 = 2;

/// An open connection that carries one request at a time.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: http1::Connection<Stream, Full<Bytes>>,
    has_ended: bool,
    /// Muted while nobody waits for an answer, and while the driver and what it makes ready are polled.
    bell: Arc<Bell>,
    waker: Waker,
}

/// No answer came over a connection.
pub(super) struct Unanswered {
    pub(super) error: hyper::Error,
    /// The request, if no byte of it was written.
    pub(super) unsent: Option<Request<Full<Bytes>>>,
}

impl Connection {
    /// Begins to speak HTTP/1.1. No byte is sent yet.
    ///
    /// # Errors
    /// None that are known: hyper's first version has no handshake of its own.
    pub(super) async fn over(stream: Stream) -> Result<Self, hyper::Error> {
        let (sender, driver) = http1::handshake(stream).await?;
        let bell = Bell::new();
        Ok(Self { sender, driver, has_ended: false, waker: Waker::from(Arc::clone(&bell)), bell })
    }

    /// Sends a request, in origin form and with a `host`, and waits for the head of its answer.
    ///
    /// Cancellation: dropped before its end it closes the connection.
    ///
    /// # Errors
    /// [`Unanswered`]. The connection is closed then.
    pub(super) async fn exchange(
        mut self: Box<Self>,
        request: Request<Full<Bytes>>,
        host: &Arc<Host>,
    ) -> Result<Response<Answering>, Unanswered> {
        let mut answer = pin!(self.sender.try_send_request(request));
        let answered = poll_fn(|context| self.drive_until(context, || answer.as_mut().poll(&mut nobody())));
        match answered.await {
            Ok(answer) => {
                Ok(answer.map(|body| Answering { body: Some(body), connection: Some(self), host: Arc::clone(host) }))
            }
            Err(mut refused) => Err(Unanswered { unsent: refused.take_message(), error: refused.into_error() }),
        }
    }

    /// Nobody waits for an answer any more.
    pub(super) fn rest(&self) {
        self.bell.mute();
    }

    /// Whether it may carry another request, as far as can be known without sending it.
    pub(super) fn is_free(&mut self) -> bool {
        self.rest();
        self.drive();
        !self.has_ended && self.sender.is_ready()
    }

    /// Polls what only the driver makes ready, and the driver where that is not.
    fn drive_until<T>(&mut self, context: &Context<'_>, mut poll: impl FnMut() -> Poll<T>) -> Poll<T> {
        self.bell.listen(context.waker());
        for _ in 0..TURNS_MAX {
            self.bell.mute();
            let mut polled = poll();
            if polled.is_pending() {
                self.drive();
                polled = poll();
            }
            if polled.is_ready() {
                return polled;
            }
            if !self.bell.unmute() {
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads and writes what can be read and written now. How it ended is told to who waits for the answer.
    fn drive(&mut self) {
        let mut context = Context::from_waker(&self.waker);
        self.has_ended = self.has_ended || Pin::new(&mut self.driver).poll(&mut context).is_ready();
    }
}

/// What only the driver makes ready wakes nobody: it is looked at right after the driver was polled.
fn nobody() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// The body of an answer, and the connection that it comes over: kept for the next request once all has come. Dropped
/// before, it is kept if what is left has come too (the end of a stream stands behind the last event that anybody reads),
/// and closed if not.
pub(super) struct Answering {
    /// None once it is dropped.
    body: Option<Incoming>,
    connection: Option<Box<Connection>>,
    host: Arc<Host>,
}

impl Answering {
    fn give_back(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.host.keep(connection);
        }
    }
}

impl Body for Answering {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let mut body = Pin::new(body);
        let frame = match &mut this.connection {
            Some(connection) => connection.drive_until(context, || body.as_mut().poll_frame(&mut nobody())),
            None => body.poll_frame(&mut nobody()),
        };
        match &frame {
            Poll::Ready(Some(Ok(_))) if this.is_end_stream() => this.give_back(),
            Poll::Ready(None) => this.give_back(),
            _ => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.body = None;
        if self.connection.as_mut().is_some_and(|connection| connection.is_free()) {
            self.give_back();
        }
    }
}
