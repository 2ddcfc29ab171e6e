//! The client against real sockets: an upstream on loopback that does what its script says.

mod connections;
mod garbage;
mod refusals;
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
    HttpProvider::new(&Settings { pool_look_every: LOOK_EVERY, ..Settings::default() }).unwrap()
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
        upstream.call(provider::Call { path: path.into(), body, content_type: None, headers, answer, timeouts }).await
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
        timeouts: Timeouts { connect: SHORT, first_byte: LONG, idle: LONG, total: Some(LONG) },
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
    let header = Header { name: "traceparent".into(), value: "00-1".to_owned() };
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
        upstream
            .call(provider::Call { path: path.into(), body, content_type: None, headers, answer, timeouts })
            .await
            .unwrap();
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
    let header = Header { name: "host".into(), value: "other.example".to_owned() };
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
