//! Connections: used again, replaced, let go of.

use std::time::Duration;

use futures_util::StreamExt as _;
use tallygate_core::port::provider::Body;
use tallygate_core::port::provider::failure::{Kind, Sent};

use super::upstream::{Act, Upstream};
use super::{LONG, OK, buffered, call, provider};
use crate::provider::client::{HttpProvider, Settings, install_tls};

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
