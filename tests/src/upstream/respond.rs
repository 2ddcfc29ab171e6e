//! From a request to the answer that its reply plans.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::reply::{Act, Content, Reply, StreamEnd, asked};
use super::wire::Fate;
use super::{Recorded, State, bill, chat, embeddings};

/// A caller that does not read stops the stream after so many chunks, as a socket does.
const CHUNKS_AHEAD: usize = 1;
const ENDLESS_PIECE: &[u8] = &[b'x'; 16 * 1024];

type Body = BoxBody<Bytes, io::Error>;
type Pieces = mpsc::Sender<Result<Frame<Bytes>, io::Error>>;

/// Answers one request. An error closes the connection without an answer.
pub(super) async fn respond(request: Request<Incoming>, state: Arc<State>, fate: Fate) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?;
    let recorded = Recorded::new(&head, body.to_bytes());
    let request = recorded.json().unwrap_or_default();
    let reply = state.record(recorded);
    state.bill.open(&request);
    let headers = reply.headers.clone();
    let mut response = match &reply.act {
        Act::Answer(content) => answer(head.uri.path(), &request, content.clone(), reply.clone(), (state, fate)).await,
        Act::Refuse { status, retry_after, body } => {
            reply.pass_gate().await;
            refuse(*status, retry_after.as_deref(), body)
        }
        Act::Raw { content_type, body } => {
            reply.pass_gate().await;
            whole(200, content_type, body.clone())
        }
        Act::HangBeforeHead => pending().await,
        Act::ResetBeforeHead => {
            state.bill.add(bill::user(&request), reply.billed.unwrap_or_default());
            fate.reset();
            return Err(io::Error::from(io::ErrorKind::ConnectionReset));
        }
        Act::GarbageHead => {
            fate.garble();
            json(&Value::Null)
        }
    };
    for (name, value) in headers {
        let name = hyper::header::HeaderName::try_from(name).map_err(io::Error::other)?;
        response.headers_mut().append(name, value.parse().map_err(io::Error::other)?);
    }
    Ok(response)
}

async fn answer(
    path: &str,
    request: &Value,
    content: Content,
    reply: Reply,
    (state, fate): (Arc<State>, Fate),
) -> Response<Body> {
    let model = request.get("model").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (streamed, usage_asked) = asked(request);
    if path.ends_with("/chat/completions") && streamed {
        let (pieces, body) = mpsc::channel(CHUNKS_AHEAD);
        state.bill.add(bill::user(request), reply.billed.unwrap_or_default());
        let user = bill::user(request).filter(|_| reply.billed.is_none()).map(str::to_owned);
        let stream = Stream { model, user, usage_asked, content, reply, fate, state };
        tokio::spawn(async move {
            if stream.send(&pieces).await.is_none() {
                stream.state.note_abandoned();
            }
        });
        let body = BodyExt::boxed(StreamBody::new(ReceiverStream::new(body)));
        return response(200, "text/event-stream", body);
    }
    reply.pass_gate().await;
    if path.ends_with("/chat/completions") {
        state.bill.add(bill::user(request), content.usage.unwrap_or_default().completion_tokens);
        json(&chat::completion(&model, &content))
    } else if path.ends_with("/embeddings") {
        json(&embeddings::answer(&model, request))
    } else {
        refuse(
            404,
            None,
            r#"{"error":{"message":"no such path","type":"invalid_request_error","param":null,"code":null}}"#,
        )
    }
}

/// A stream of chat chunks.
struct Stream {
    model: String,
    user: Option<String>,
    usage_asked: bool,
    content: Content,
    reply: Reply,
    fate: Fate,
    state: Arc<State>,
}

impl Stream {
    /// Sends chunks and the end; nothing when the caller hung up before it.
    async fn send(&self, pieces: &Pieces) -> Option<()> {
        for index in 0..self.content.chunks {
            self.pass(pieces).await?;
            // Generated is billed, whether it arrives or not.
            self.state.bill.add(self.user.as_deref(), 1);
            event(pieces, &chat::chunk(&self.model, index, self.usage_asked).to_string()).await?;
        }
        self.pass(pieces).await?;
        match self.content.end {
            StreamEnd::Done => self.finish(pieces).await,
            StreamEnd::Hang => {
                pieces.closed().await;
                None
            }
            StreamEnd::Reset => {
                self.fate.reset();
                cut(pieces).await
            }
            StreamEnd::CutOff => cut(pieces).await,
            StreamEnd::Garbage => {
                event(pieces, "{\"choices\": [{]} \u{fffd}").await?;
                event(pieces, "[DONE]").await
            }
            StreamEnd::EndlessLine => {
                piece(pieces, Bytes::from_static(b"data: ")).await?;
                loop {
                    piece(pieces, Bytes::from_static(ENDLESS_PIECE)).await?;
                }
            }
        }
    }

    async fn finish(&self, pieces: &Pieces) -> Option<()> {
        event(pieces, &chat::stop(&self.model, self.usage_asked).to_string()).await?;
        if let (true, Some(usage)) = (self.usage_asked, self.content.usage) {
            event(pieces, &chat::usage(&self.model, usage).to_string()).await?;
        }
        event(pieces, "[DONE]").await
    }

    /// Waits at the gate, unless the caller hangs up first.
    async fn pass(&self, pieces: &Pieces) -> Option<()> {
        tokio::select! {
            biased;
            () = pieces.closed() => None,
            () = self.reply.pass_gate() => Some(()),
        }
    }
}

async fn event(pieces: &Pieces, data: &str) -> Option<()> {
    piece(pieces, Bytes::from(format!("data: {data}\n\n"))).await
}

async fn piece(pieces: &Pieces, bytes: Bytes) -> Option<()> {
    pieces.send(Ok(Frame::data(bytes))).await.ok()
}

/// The body fails: the server closes the connection without ending it.
async fn cut(pieces: &Pieces) -> Option<()> {
    pieces.send(Err(io::Error::from(io::ErrorKind::ConnectionAborted))).await.ok()
}

fn json(value: &Value) -> Response<Body> {
    whole(200, "application/json", value.to_string().into_bytes())
}

fn refuse(status: u16, retry_after: Option<&str>, body: &str) -> Response<Body> {
    let mut response = whole(status, "application/json", body.as_bytes().to_vec());
    let value = retry_after.and_then(|value| value.parse().ok());
    if let Some(value) = value {
        response.headers_mut().insert(hyper::header::RETRY_AFTER, value);
    }
    response
}

fn whole(status: u16, content_type: &str, body: Vec<u8>) -> Response<Body> {
    response(status, content_type, Full::new(Bytes::from(body)).map_err(infallible).boxed())
}

const fn infallible(never: Infallible) -> io::Error {
    match never {}
}

fn response(status: u16, content_type: &str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    // A status or type that is none is the test's mistake; it sees 500 or no type.
    *response.status_mut() = status.try_into().unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(value) = content_type.parse() {
        response.headers_mut().insert(hyper::header::CONTENT_TYPE, value);
    }
    response
}
