//! The simulated upstream: a real HTTP server that answers every chat completion, and streams messages of the other dialect
//! that translation is measured with, from bytes built beforehand, as cheaply as can be. It must not know who asks: directly, through the bare proxy or through the gateway.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::chat::{self, Ask};
use crate::messages;
use crate::serve;

/// The largest body that is read.
const BODY_LIMIT_BYTES: usize = 1 << 20;
/// The time between two chunks of a paced stream: the resolution of the timer.
const PACE: Duration = Duration::from_millis(1);

type Answer = Response<Either<Full<Bytes>, Chunks>>;

/// Runs as a process of its own, until its parent ends it.
///
/// # Errors
/// When it cannot listen, or nobody wants to know where.
pub(crate) async fn run() -> anyhow::Result<()> {
    let listener = serve::listen().await?;
    serve::attach(&listener)?;
    serve(listener).await;
    Ok(())
}

/// Serves for ever.
pub(crate) async fn serve(listener: TcpListener) {
    let answers = Arc::new(Answers {
        whole: chat::answer(),
        stream: chat::frames(false).into(),
        stream_with_usage: chat::frames(true).into(),
        messages: messages::frames().into(),
    });
    let service = service_fn(move |request| {
        let answers = Arc::clone(&answers);
        async move { Ok::<_, Infallible>(answers.to(request).await) }
    });
    serve::accept(listener, service).await;
}

struct Answers {
    whole: Bytes,
    stream: Arc<[Bytes]>,
    stream_with_usage: Arc<[Bytes]>,
    messages: Arc<[Bytes]>,
}

impl Answers {
    async fn to(&self, request: Request<Incoming>) -> Answer {
        let is_messages = request.uri().path() == messages::PATH;
        let Ok(body) = Limited::new(request.into_body(), BODY_LIMIT_BYTES).collect().await else {
            let mut refusal = Response::new(Either::Left(Full::default()));
            *refusal.status_mut() = StatusCode::BAD_REQUEST;
            return refusal;
        };
        let body = body.to_bytes();
        let ask = Ask::of(&body);
        let frames = match (is_messages, chat::wants_usage(&body)) {
            (true, _) => &self.messages,
            (false, true) => &self.stream_with_usage,
            (false, false) => &self.stream,
        };
        let (content, kind) = match ask {
            Ask::Whole => (Either::Left(Full::new(self.whole.clone())), "application/json"),
            Ask::Stream | Ask::PacedStream => {
                (Either::Right(Chunks::new(frames, ask == Ask::PacedStream)), "text/event-stream")
            }
        };
        let mut answer = Response::new(content);
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        answer
    }
}

/// A streamed answer. Between two frames it is pending once, so that the server flushes each on its own.
struct Chunks {
    frames: Arc<[Bytes]>,
    next: usize,
    gap: Gap,
}

enum Gap {
    /// Others get their turn.
    Turn { taken: bool },
    /// Time passes.
    Paced(Interval),
}

impl Chunks {
    fn new(frames: &Arc<[Bytes]>, paced: bool) -> Self {
        let gap = if paced {
            let mut interval = interval(PACE);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            Gap::Paced(interval)
        } else {
            Gap::Turn { taken: false }
        };
        Self { frames: Arc::clone(frames), next: 0, gap }
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(frame) = self.frames.get(self.next).cloned() else { return Poll::Ready(None) };
        ready!(self.gap.poll(cx));
        self.next += 1;
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }
}

impl Gap {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Paced(interval) => interval.poll_tick(cx).map(|_| ()),
            Self::Turn { taken } => {
                *taken = !*taken;
                if *taken {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(())
            }
        }
    }
}
