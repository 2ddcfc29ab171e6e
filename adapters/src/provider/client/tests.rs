//! The client against real sockets: an upstream on loopback that does what its script says.

mod upstream;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use tallygate_core::endpoint::BaseUrl;
use tallygate_core::port::provider::failure::{Fault, Kind, Retry, Sent};
use tallygate_core::port::provider::{
    self, Answer, AnswerForm, Auth, Body, Credential, Failure, Header, Provider as _, Timeouts,
};
use tallygate_core::secret::Secret;
use tokio::time::Instant;

use super::{HttpProvider, Settings, install_tls};
use crate::dialect::openai_chat::stream::Tap;
use crate::dialect::openai_chat::{Operation, Request};
use upstream::{Act, Upstream};

/// The limit that a test runs into. Long enough for a slow machine to answer in, short enough to wait for.
const SHORT: Duration = Duration::from_millis(150);
/// So soon a connection that nobody uses is found closed.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// The limit that a test must not run into, and the time within which every call must have ended.
const LONG: Duration = Duration::from_secs(20);
/// An answer after which the connection may be used again.
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

fn provider() -> HttpProvider {
    install_tls();
    HttpProvider::new(&Settings { connect_timeout: SHORT, pool_look_every: LOOK_EVERY, ..Settings::default() }).unwrap()
}

/// A call and where it goes.
struct Call {
    endpoint: BaseUrl,
    path: &'static str,
    credential: Option<Credential>,
    body: Option<Bytes>,
    headers: Vec<Header>,
    answer: AnswerForm,
    timeouts: Timeouts,
}

impl Call {
    /// Makes the upstream ready and calls it.
    async fn by(self, provider: &HttpProvider) -> Result<Answer, Failure> {
        let upstream = provider.upstream(&self.endpoint, self.credential.as_ref())?;
        let Self { path, body, headers, answer, timeouts, .. } = self;
        upstream.call(provider::Call { path, body, headers, answer, timeouts }).await
    }
}

fn call(url: &str) -> Call {
    Call {
        endpoint: url.parse().unwrap(),
        path: "/chat/completions",
        credential: None,
        body: Some(Bytes::from_static(b"{\"model\":\"m\"}")),
        headers: Vec::new(),
        answer: AnswerForm::Streamed,
        timeouts: Timeouts { first_byte: LONG, idle: LONG, total: Some(LONG) },
    }
}

fn buffered(url: &str, limit_bytes: usize) -> Call {
    Call { answer: AnswerForm::Buffered { limit_bytes }, ..call(url) }
}

fn credential(key: &str, host: &str) -> Credential {
    Credential { secret: Secret::new(key), auth: Auth::Bearer, hosts: Arc::new([host.to_owned()].into()) }
}

/// Makes a call and reads its body to the end, within [`LONG`].
async fn read(call: Call) -> Result<(Answer, Vec<u8>), Failure> {
    let start = Instant::now();
    let outcome = async {
        let mut answer = call.by(&provider()).await?;
        let mut bytes = Vec::new();
        match &mut answer.body {
            Body::Whole(whole) => bytes.extend_from_slice(whole),
            Body::Pieces(pieces) => {
                while let Some(piece) = pieces.next().await {
                    match piece {
                        Ok(piece) => bytes.extend_from_slice(&piece),
                        Err(failure) => {
                            assert!(pieces.next().await.is_none(), "an error is the last item");
                            return Err(failure);
                        }
                    }
                }
            }
        }
        Ok((answer, bytes))
    }
    .await;
    assert!(start.elapsed() < LONG, "took {:?}", start.elapsed());
    outcome
}

async fn failure_of(call: Call) -> Failure {
    read(call).await.map(|(answer, bytes)| (answer, bytes.len())).unwrap_err()
}

/// The kind of failure when the upstream answers a streamed call with these bytes and then closes.
async fn kind_of(answer: &str) -> Kind {
    let upstream = Upstream::start(vec![Act::ReadRequest, Act::Write(answer.to_owned().into())]).await;
    failure_of(call(&upstream.url)).await.kind
}

// === What an upstream receives, and what comes back ===

#[tokio::test]
async fn an_upstream_receives_the_request_and_nothing_of_the_environment() {
    let upstream = Upstream::start(vec![Act::ReadRequest, Act::Write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nset-cookie: a=b\r\nx-request-id: req_1\r\nx-ratelimit-remaining-requests: 5\r\nretry-after: 2\r\n\r\n{}".into())]).await;
    let header = Header { name: "traceparent", value: "00-1".to_owned() };
    let call = Call {
        credential: Some(credential("sk-canary", &upstream.authority)),
        headers: vec![header],
        ..buffered(&format!("{}/v1", upstream.url), 100)
    };
    let (answer, body) = read(call).await.unwrap();
    assert_eq!((answer.status, body.as_slice()), (200, b"{}".as_slice()));
    assert_eq!(answer.head.request_id.as_deref(), Some("req_1"));
    assert_eq!(answer.head.retry_after, Some(Duration::from_secs(2)));
    assert_eq!(answer.head.rate_limits, [("x-ratelimit-remaining-requests".to_owned(), "5".to_owned())]);
    assert!(!format!("{answer:?}").contains("a=b"), "cookies stay behind");
    let received = upstream.received().await;
    let (head, body) = received.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<String> = head.lines().map(str::to_ascii_lowercase).collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "accept-encoding: identity".to_owned(),
            "accept: application/json".to_owned(),
            "authorization: bearer sk-canary".to_owned(),
            "content-length: 13".to_owned(),
            "content-type: application/json".to_owned(),
            format!("host: {}", upstream.authority),
            "post /v1/chat/completions http/1.1".to_owned(),
            "traceparent: 00-1".to_owned(),
            format!("user-agent: tallygate/{}", env!("CARGO_PKG_VERSION")),
        ]
    );
    assert_eq!(body, "{\"model\":\"m\"}");
}

#[tokio::test]
async fn a_request_without_a_body_is_a_get_and_has_no_type() {
    let upstream = Upstream::start(vec![Act::ReadRequest, Act::Write(OK.into())]).await;
    read(Call { body: None, path: "/models", ..buffered(&upstream.url, 100) }).await.unwrap();
    let received = upstream.received().await.to_ascii_lowercase();
    assert!(received.starts_with("get /models http/1.1\r\n"), "{received}");
    assert!(!received.contains("content-"), "{received}");
}

#[tokio::test]
async fn more_paths_than_are_kept_are_called_all_the_same() {
    let paths = ["/0", "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8", "/9", "/0", "/9"];
    let script = paths.iter().flat_map(|_| [Act::ReadRequest, Act::Write(OK.into())]).collect();
    let server = Upstream::start(script).await;
    let upstream = provider().upstream(&format!("{}/v1", server.url).parse().unwrap(), None).unwrap();
    for path in paths {
        let Call { body, headers, answer, timeouts, .. } = buffered(&server.url, 100);
        upstream.call(provider::Call { path, body, headers, answer, timeouts }).await.unwrap();
    }
    let received = server.received().await;
    let called: Vec<_> = received.split("POST /v1").skip(1).filter_map(|request| request.split(' ').next()).collect();
    assert_eq!((called, server.connections()), (paths.to_vec(), 1), "and all over one connection");
}

#[tokio::test]
async fn a_stream_comes_piece_by_piece() {
    let upstream = Upstream::start(vec![
        Act::ReadRequest,
        Act::Write(STREAM_HEAD.into()),
        Act::Write("data: a\n\n".into()),
        Act::AwaitSignal,
        Act::Write("data: b\n\n".into()),
    ])
    .await;
    let answer = call(&upstream.url).by(&provider()).await.unwrap();
    assert_eq!(answer.head.content_type.as_deref(), Some("text/event-stream"));
    let Body::Pieces(mut pieces) = answer.body else { panic!("a stream was asked for") };
    assert_eq!(pieces.next().await.unwrap().unwrap(), "data: a\n\n");
    // The upstream waits for this: the first piece came before the second was written.
    upstream.signal();
    assert_eq!(pieces.next().await.unwrap().unwrap(), "data: b\n\n");
    assert!(pieces.next().await.is_none());
}

#[tokio::test]
async fn a_dropped_stream_closes_the_connection() {
    let upstream = Upstream::start(vec![
        Act::ReadRequest,
        Act::Write(STREAM_HEAD.into()),
        Act::Write("data: a\n\n".into()),
        Act::AwaitClose,
    ])
    .await;
    let answer = call(&upstream.url).by(&provider()).await.unwrap();
    let Body::Pieces(mut pieces) = answer.body else { panic!("a stream was asked for") };
    pieces.next().await.unwrap().unwrap();
    drop(pieces);
    upstream.finished().await;
}

#[tokio::test]
async fn a_dropped_call_closes_the_connection() {
    let upstream = Upstream::start(vec![Act::ReadRequest, Act::Signal, Act::AwaitClose]).await;
    let provider = provider();
    tokio::select! {
        _ = call(&upstream.url).by(&provider) => panic!("nobody answered"),
        () = upstream.signalled() => {}
    }
    upstream.finished().await;
}

// === Nothing is sent where nothing may be sent ===

#[tokio::test]
async fn a_credential_is_sent_to_its_own_hosts_only() {
    let upstream = Upstream::start(vec![Act::ReadRequest]).await;
    for host in ["127.0.0.1", "localhost", "api.example.com", ""] {
        let call = Call { credential: Some(credential("sk-canary", host)), ..call(&upstream.url) };
        let failure = failure_of(call).await;
        assert_eq!(
            (failure.kind, failure.sent(), failure.fault()),
            (Kind::HostNotAllowed, Sent::NotBilled, Fault::Gateway),
            "{host}"
        );
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn forbidden_endpoints_are_not_called_even_if_they_were_stored() {
    for url in [
        "http://169.254.169.254",
        "https://[fd00:ec2::254]",
        "http://metadata.google.internal",
        "http://8.8.8.8",
        "http://127.0.0.1:6379",
        "http://0.0.0.0:4000",
    ] {
        assert_eq!(failure_of(call(url)).await.kind, Kind::HostNotAllowed, "{url}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let canary = Upstream::start(vec![Act::ReadRequest]).await;
    for status in [301, 302, 303, 307, 308] {
        let answer = format!("HTTP/1.1 {status} Moved\r\nlocation: {}/\r\ncontent-length: 0\r\n\r\n", canary.url);
        assert_eq!(kind_of(&answer).await, Kind::Redirected, "{status}");
    }
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn a_header_that_may_not_be_set_stops_the_call() {
    let upstream = Upstream::start(vec![Act::ReadRequest]).await;
    let header = Header { name: "host", value: "other.example".to_owned() };
    let failure = failure_of(Call { headers: vec![header], ..call(&upstream.url) }).await;
    assert_eq!((failure.kind, upstream.connections()), (Kind::HeaderNotAllowed, 0));
}

// === Upstreams that cannot be reached ===

#[tokio::test]
async fn an_upstream_that_does_not_listen_refuses() {
    let failure = failure_of(call(&upstream::closed_url().await)).await;
    assert_eq!((failure.kind, failure.sent(), failure.retry()), (Kind::Refused, Sent::NotBilled, Retry::SameOrOther));
}

#[tokio::test]
async fn an_upstream_that_does_not_accept_times_out() {
    let full = upstream::Full::start().await;
    let failure = failure_of(call(&full.url)).await;
    assert_eq!((failure.kind, failure.sent()), (Kind::ConnectTimeout, Sent::NotBilled));
}

#[tokio::test]
async fn an_upstream_without_tls_is_no_https_upstream() {
    let upstream = Upstream::start(vec![Act::Write("HTTP/1.1 200 OK\r\n\r\n".into()), Act::AwaitClose]).await;
    let failure = failure_of(call(&upstream.url.replace("http:", "https:"))).await;
    assert_eq!((failure.kind, failure.sent()), (Kind::Tls, Sent::NotBilled));
}

#[tokio::test]
async fn an_upstream_that_ends_the_handshake_is_no_https_upstream() {
    let upstream = Upstream::start(vec![Act::Finish, Act::AwaitClose]).await;
    let failure = failure_of(call(&upstream.url.replace("http:", "https:"))).await;
    assert_eq!((failure.kind, failure.sent()), (Kind::Tls, Sent::NotBilled));
}

#[tokio::test]
async fn an_upstream_that_never_ends_the_handshake_times_out() {
    let upstream = Upstream::start(vec![Act::AwaitClose]).await;
    let failure = failure_of(call(&upstream.url.replace("http:", "https:"))).await;
    assert_eq!((failure.kind, failure.sent()), (Kind::ConnectTimeout, Sent::NotBilled));
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_an_upstream_that_is_away() {
    let failure = failure_of(call("https://no-such-name.invalid")).await;
    // A machine without a network may wait for its resolver until the limit.
    assert!(matches!(failure.kind, Kind::NameNotResolved | Kind::ConnectTimeout), "{failure:?}");
    assert_eq!(failure.sent(), Sent::NotBilled);
}

// === Upstreams that stop ===

#[tokio::test]
async fn an_upstream_that_never_answers_times_out() {
    for head in ["", "HTTP/1.1 200 OK\r\ncontent-type:"] {
        let upstream = Upstream::start(vec![Act::ReadRequest, Act::Write(head.into()), Act::AwaitClose]).await;
        let mut call = call(&upstream.url);
        call.timeouts.first_byte = SHORT;
        let failure = failure_of(call).await;
        assert_eq!(
            (failure.kind, failure.sent(), failure.retry()),
            (Kind::FirstByteTimeout, Sent::Unknown, Retry::Other)
        );
        upstream.finished().await;
    }
}

#[tokio::test]
async fn an_upstream_that_stops_in_the_middle_times_out() {
    for answer in [AnswerForm::Streamed, AnswerForm::Buffered { limit_bytes: 1_000 }] {
        let upstream = Upstream::start(vec![
            Act::ReadRequest,
            Act::Write(STREAM_HEAD.into()),
            Act::Write("data: a\n\n".into()),
            Act::AwaitClose,
        ])
        .await;
        let mut call = Call { answer, ..call(&upstream.url) };
        call.timeouts.idle = SHORT;
        let failure = failure_of(call).await;
        assert_eq!((failure.kind, failure.sent()), (Kind::IdleTimeout, Sent::Unknown));
        upstream.finished().await;
    }
}

#[tokio::test]
async fn an_upstream_that_drips_is_stopped_by_the_total_limit() {
    let upstream =
        Upstream::start(vec![Act::ReadRequest, Act::Write(STREAM_HEAD.into()), Act::Drip("data: ".into())]).await;
    let mut call = call(&upstream.url);
    call.timeouts.idle = SHORT;
    call.timeouts.total = Some(4 * SHORT);
    assert_eq!(failure_of(call).await.kind, Kind::TotalTimeout);
}

#[tokio::test]
async fn an_upstream_that_breaks_off_is_a_reset() {
    assert_eq!(kind_of("").await, Kind::Reset, "before the head");
    assert_eq!(kind_of("HTTP/1.1 200 O").await, Kind::Reset, "within the head");
    assert_eq!(
        kind_of("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\ndata: a\n\n").await,
        Kind::Reset,
        "within a body of known length"
    );
    assert_eq!(
        kind_of("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n").await,
        Kind::Reset,
        "between chunks"
    );
    assert_eq!(
        kind_of("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\ndata: a").await,
        Kind::Reset,
        "within a chunk"
    );
    let upstream = Upstream::start(vec![Act::ReadSome, Act::Reset]).await;
    let failure = failure_of(Call { body: Some(Bytes::from(vec![b' '; 8 << 20])), ..call(&upstream.url) }).await;
    assert_eq!((failure.kind, failure.sent(), failure.retry()), (Kind::Reset, Sent::Unknown, Retry::SameOrOther));
}

#[tokio::test]
async fn a_request_that_may_have_been_sent_is_never_sent_again() {
    // The second request comes over the connection of the first, is read, and gets no answer.
    let script = vec![Act::ReadRequest, Act::Write(OK.into()), Act::ReadRequest];
    let upstream = Upstream::start(script).await;
    let provider = provider();
    buffered(&upstream.url, 100).by(&provider).await.unwrap();
    let failure = buffered(&upstream.url, 100).by(&provider).await.unwrap_err();
    assert_eq!((failure.kind, failure.sent()), (Kind::Reset, Sent::Unknown));
    assert_eq!((upstream.received().await.matches("POST").count(), upstream.connections()), (2, 1));
}

#[tokio::test]
async fn a_connection_that_was_closed_while_nobody_used_it_is_replaced() {
    let upstream = Upstream::start(vec![Act::ReadRequest, Act::Write(OK.into()), Act::Finish, Act::AwaitClose]).await;
    let provider = provider();
    for calls in 1..=20 {
        buffered(&upstream.url, 100).by(&provider).await.unwrap();
        // It has seen the end and gone, so that none of these requests can have been on its way.
        upstream.finished().await;
        assert_eq!((upstream.received().await.matches("POST").count(), upstream.connections()), (calls, calls));
    }
}

#[tokio::test]
async fn a_connection_is_used_again_and_not_past_its_time() {
    install_tls();
    for (pool_idle_timeout, connections) in [(LONG, 1), (Duration::ZERO, 3)] {
        let script = (1..=3).flat_map(|_| [Act::ReadRequest, Act::Write(OK.into())]).collect();
        let upstream = Upstream::start(script).await;
        let provider = HttpProvider::new(&Settings { pool_idle_timeout, ..Settings::default() }).unwrap();
        for _ in 1..=3 {
            buffered(&upstream.url, 100).by(&provider).await.unwrap();
        }
        assert_eq!(upstream.connections(), connections, "kept for {pool_idle_timeout:?}");
    }
}

#[tokio::test]
async fn a_stream_that_is_read_to_its_last_event_leaves_its_connection_to_the_next() {
    const STREAM: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n0\r\n\r\n";
    let script = (1..=3).flat_map(|_| [Act::ReadRequest, Act::Write(STREAM.into())]).collect();
    let upstream = Upstream::start(script).await;
    let provider = provider();
    for _ in 1..=3 {
        let Body::Pieces(mut pieces) = call(&upstream.url).by(&provider).await.unwrap().body else {
            panic!("streamed")
        };
        assert_eq!(pieces.next().await.unwrap().unwrap(), "data: a\n\n");
    }
    assert_eq!(upstream.connections(), 1);
}

// === Upstreams that send garbage, or too much ===

#[tokio::test]
async fn an_upstream_that_does_not_speak_http_sends_garbage() {
    assert_eq!(kind_of("hello\r\n\r\n").await, Kind::Protocol);
    assert_eq!(kind_of("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n").await, Kind::Protocol);
    assert_eq!(kind_of("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n").await, Kind::Protocol);
    let long_head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(1 << 20));
    assert_eq!(kind_of(&long_head).await, Kind::Protocol);
}

#[tokio::test]
async fn a_page_or_a_compressed_body_is_no_answer() {
    assert_eq!(
        kind_of("HTTP/1.1 200 OK\r\ncontent-type: Text/HTML\r\ncontent-length: 6\r\n\r\n<html>").await,
        Kind::Protocol
    );
    assert_eq!(
        kind_of("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n\x1f\x0b").await,
        Kind::Protocol
    );
}

#[tokio::test]
async fn a_buffered_body_has_a_limit() {
    let answer = |bytes: usize| {
        vec![
            Act::ReadRequest,
            Act::Write(format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n{}", "x".repeat(bytes)).into()),
        ]
    };
    let at_limit = Upstream::start(answer(100_000)).await;
    assert_eq!(read(buffered(&at_limit.url, 100_000)).await.unwrap().1.len(), 100_000);
    let over = Upstream::start(answer(100_001)).await;
    assert_eq!(failure_of(buffered(&over.url, 100_000)).await.kind, Kind::TooLarge);
    let endless = Upstream::start(vec![
        Act::ReadRequest,
        Act::Write("HTTP/1.1 200 OK\r\n\r\n".into()),
        Act::Flood("x".repeat(65_536).into()),
    ])
    .await;
    assert_eq!(failure_of(buffered(&endless.url, 1 << 20)).await.kind, Kind::TooLarge);
    endless.finished().await;
}

#[tokio::test]
async fn a_million_tiny_events_pass() {
    let event = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let mut script = vec![Act::ReadRequest, Act::Write(STREAM_HEAD.into())];
    script.extend(std::iter::repeat_n(Act::Write(event.repeat(10_000).into()), 100));
    script.push(Act::Write("data: [DONE]\n\n".into()));
    let upstream = Upstream::start(script).await;
    let outcome = through_the_tap(&upstream).await;
    assert!(matches!(outcome.end, Some(Ok(()))), "{outcome:?}");
    assert_eq!((outcome.events, outcome.forwarded), (1_000_000, event.len() * 1_000_000 + 14));
}

#[tokio::test]
async fn an_endless_line_is_cut_off() {
    let upstream = Upstream::start(vec![
        Act::ReadRequest,
        Act::Write(STREAM_HEAD.into()),
        Act::Write("data: {\"".into()),
        Act::Flood("x".repeat(65_536).into()),
    ])
    .await;
    let outcome = through_the_tap(&upstream).await;
    assert_eq!(outcome.end.unwrap().unwrap_err().kind, Kind::TooLarge);
    assert_eq!((outcome.events, outcome.forwarded), (0, 0));
    upstream.finished().await;
}

#[derive(Debug)]
struct Outcome {
    end: Option<Result<(), Failure>>,
    events: u64,
    forwarded: usize,
}

/// Reads a stream as the pipeline does.
async fn through_the_tap(upstream: &Upstream) -> Outcome {
    let body = Bytes::from_static(br#"{"model":"m","messages":[{}],"stream":true}"#);
    let mut tap = Tap::new(&Request::parse(Operation::Chat, body, None).unwrap(), None);
    let Body::Pieces(mut pieces) = call(&upstream.url).by(&provider()).await.unwrap().body else {
        panic!("a stream was asked for")
    };
    let mut outcome = Outcome { end: None, events: 0, forwarded: 0 };
    while outcome.end.is_none() {
        let step = match pieces.next().await {
            Some(piece) => tap.push(piece.unwrap()),
            None => tap.finish(),
        };
        outcome.forwarded += step.forward.len();
        outcome.end = step.end;
    }
    outcome.events = tap.events();
    outcome
}

// === Upstreams that say no ===

#[tokio::test]
async fn what_an_upstream_says_is_kept_for_the_client_and_shown_to_nobody_else() {
    let body = r#"{"error":{"message":"canary prompt","type":"requests","code":"rate_limit_exceeded"}}"#;
    let answer = format!(
        "HTTP/1.1 429 No\r\nretry-after-ms: 1500\r\nx-request-id: req_9\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let upstream = Upstream::start(vec![Act::ReadRequest, Act::Write(answer.into())]).await;
    let failure =
        failure_of(Call { credential: Some(credential("sk-canary", &upstream.authority)), ..call(&upstream.url) })
            .await;
    assert_eq!((failure.kind, failure.retry_after), (Kind::RateLimited, Some(Duration::from_millis(1_500))));
    let printed = format!("{failure} {failure:?}");
    assert!(!printed.contains("canary") && printed.contains("429"), "{printed}");
    let said = failure.said.unwrap();
    assert_eq!((said.status, said.body.as_ref(), said.request_id.as_deref()), (429, body.as_bytes(), Some("req_9")));
}

#[tokio::test]
async fn an_error_body_is_cut_and_waited_for_only_shortly() {
    let long = Upstream::start(vec![
        Act::ReadRequest,
        Act::Write("HTTP/1.1 500 No\r\n\r\n".into()),
        Act::Flood("x".repeat(65_535).into()),
    ])
    .await;
    let failure = failure_of(call(&long.url)).await;
    assert_eq!((failure.kind, failure.said.unwrap().body.len()), (Kind::ServerError, 64 * 1024));
    let hanging = Upstream::start(vec![
        Act::ReadRequest,
        Act::Write("HTTP/1.1 503 No\r\ncontent-length: 9\r\n\r\nab".into()),
        Act::AwaitClose,
    ])
    .await;
    let start = Instant::now();
    let failure = failure_of(call(&hanging.url)).await;
    assert_eq!((failure.kind, failure.said.unwrap().body.as_ref()), (Kind::Overloaded, b"ab".as_slice()));
    assert!(start.elapsed() < LONG / 2);
}

#[tokio::test]
async fn no_error_holds_the_key_or_the_url() {
    let key = credential("sk-canary", "127.0.0.1:1");
    for (url, timeouts) in [("http://127.0.0.1:1/canary-path", None), ("https://127.0.0.1:1/canary-path", Some(SHORT))]
    {
        let mut call = Call { credential: Some(key.clone()), ..call(url) };
        call.timeouts.total = timeouts;
        let printed_call = format!("{:?}", provider().upstream(&call.endpoint, call.credential.as_ref()).unwrap());
        let failure = failure_of(call).await;
        let mut printed = format!("{failure} {failure:?} {printed_call}");
        let mut cause = std::error::Error::source(&failure);
        while let Some(error) = cause {
            printed += &format!("{error} {error:?}");
            cause = error.source();
        }
        assert!(!printed.contains("canary"), "{printed}");
    }
}
