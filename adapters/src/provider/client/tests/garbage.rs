//! Upstreams that send garbage, or too much.

use super::*;

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
