//! From a request to the answer that its reply plans.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Request, Response};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::upstream::{Fate, Recorded};

use super::format::{self, Asked};
use super::media::{self, Media};
use super::refusal::Refusal;
use super::reply::{Act, Reply};
use super::route::{Route, Task};
use super::scenario::Answer;
use super::stream::Stream;
use super::{Dialect, State, gzip, openai_responses};

/// A caller that does not read stops the stream after so many frames, as a socket does.
const FRAMES_AHEAD: usize = 1;

pub(super) type Body = BoxBody<Bytes, io::Error>;

/// Answers one request. An error closes the connection without an answer.
pub(super) async fn respond(request: Request<Incoming>, state: Arc<State>, fate: Fate) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?;
    let request = Recorded::new(&head, body.to_bytes());
    let (reply, number) = state.record(request.clone());
    let route = Route::of(&request.method, head.uri.path());
    let format = format::of(route.as_ref().map_or(Dialect::OpenaiChat, |route| route.dialect));
    let mut response = match &reply.act {
        Act::Answer => match answer(route.as_ref(), &request, (&state, fate), &reply, number).await {
            Ok(response) => response,
            Err(refusal) => {
                state.plan().complaints.push(format!("{}: {}", request.path, refusal.message));
                json(refusal.status, &format.refusal(&refusal))
            }
        },
        Act::Refuse(status) => {
            reply.pass_gate().await;
            json(*status, &format.refusal(&Refusal::planned(*status)))
        }
        Act::Raw { status, content_type, body } => {
            reply.pass_gate().await;
            whole(*status, content_type, body.clone())
        }
        Act::HangBeforeHead => pending().await,
        Act::HangAfterHead => {
            let body = StreamBody::new(tokio_stream::pending::<Result<Frame<Bytes>, io::Error>>());
            self::head(200, format.stream_type(), BodyExt::boxed(body))
        }
        Act::ResetBeforeHead => {
            fate.reset();
            return Err(io::Error::from(io::ErrorKind::ConnectionReset));
        }
        Act::GarbageHead => {
            fate.garble();
            json(200, &Value::Null)
        }
    };
    dress(&mut response, &reply)?;
    Ok(response)
}

/// The answer of a vendor: it checks the key first, then the form of what is asked, and then says something.
async fn answer(
    route: Option<&Route>,
    request: &Recorded,
    (state, fate): (&Arc<State>, Fate),
    reply: &Reply,
    number: usize,
) -> Result<Response<Body>, Refusal> {
    let route = route.ok_or_else(|| Refusal::not_found(&format!("{} {}", request.method, request.path)))?;
    let format = format::of(route.dialect);
    format.authorize(request, route)?;
    let is_form = matches!(route.task, Task::Transcribe | Task::Redraw);
    let body = if request.method == "GET" || is_form { Value::Null } else { read(request)? };
    let stored = state.plan().stored.clone();
    let asked = Asked { route, request, body: &body, stored: &stored };
    if route.task == Task::CountTokens {
        format.read(asked)?;
    }
    if route.task != Task::Converse {
        reply.pass_gate().await;
        return Ok(match media::answer(asked)? {
            Media::Json(value) => piece(&value, reply),
            Media::Bytes(content_type, bytes) => whole(200, content_type, bytes),
        });
    }
    let seen = format.read(asked)?;
    let mut answer = Answer::to(&seen, number, reply.tokens);
    if let (Some(text), true) = (&reply.text, answer.calls.is_empty()) {
        answer.text.clone_from(text);
    }
    if let Some(mut items) = seen.kept.clone() {
        items.extend(openai_responses::output(&answer));
        state.plan().stored.insert(openai_responses::id(number), items);
    }
    if !seen.streams {
        reply.pass_gate().await;
        return Ok(piece(&format.whole(&seen, &answer), reply));
    }
    let (sender, body) = mpsc::channel(FRAMES_AHEAD);
    let stream = Stream::new(format, &seen, &answer, reply.clone(), fate);
    let state = Arc::clone(state);
    tokio::spawn(async move {
        if stream.send(&sender).await.is_none() {
            state.note_abandoned();
        }
    });
    Ok(head(200, format.stream_type(), BodyExt::boxed(StreamBody::new(ReceiverStream::new(body)))))
}

/// The JSON of a body that says it is JSON.
fn read(request: &Recorded) -> Result<Value, Refusal> {
    if !request.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        return Err(Refusal::invalid("content-type", "must be application/json"));
    }
    request.json().map_err(|_| Refusal::invalid("body", "could not be parsed as JSON"))
}

/// What a reply changes of any answer.
fn dress(response: &mut Response<Body>, reply: &Reply) -> io::Result<()> {
    let value = |text: &str| HeaderValue::try_from(text).map_err(io::Error::other);
    response.headers_mut().insert("x-request-id", HeaderValue::from_static("req-simulated"));
    response.headers_mut().insert("request-id", HeaderValue::from_static("req_simulated"));
    if let Some(content_type) = &reply.content_type {
        response.headers_mut().insert(CONTENT_TYPE, value(content_type)?);
    }
    for (name, text) in &reply.headers {
        let name = HeaderName::try_from(name.as_str()).map_err(io::Error::other)?;
        response.headers_mut().append(name, value(text)?);
    }
    Ok(())
}

/// An answer in one piece, compressed where the reply says so.
fn piece(value: &Value, reply: &Reply) -> Response<Body> {
    if !reply.is_compressed {
        return json(200, value);
    }
    let mut response = whole(200, "application/json", gzip::stored(value.to_string().as_bytes()));
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

fn json(status: u16, value: &Value) -> Response<Body> {
    whole(status, "application/json", Bytes::from(value.to_string()))
}

fn whole(status: u16, content_type: &str, body: Bytes) -> Response<Body> {
    head(status, content_type, Full::new(body).map_err(infallible).boxed())
}

const fn infallible(never: Infallible) -> io::Error {
    match never {}
}

fn head(status: u16, content_type: &str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    // A status or type that is none is the test's mistake; it sees 500 or no type.
    *response.status_mut() = status.try_into().unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(value) = content_type.parse() {
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
    response
}
