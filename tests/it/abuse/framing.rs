//! Requests whose end can be read in two ways. Whoever sits in front of the gateway reads it the other way.

use anyhow::Result;
use tallygate_tests::client::Client;

use super::raw::send;
use crate::scene::{KeyTerms, MODEL, Scene, chat};

/// Heads and bodies that are read in two ways, or in none. `{head}` is a request line with a good key, `{n}` the length
/// of `{body}`, `{inner}` a whole second request that must never be carried out.
const AMBIGUOUS: [(&str, &str); 12] = [
    ("both lengths", "{head}content-length: {n}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{inner}"),
    ("both lengths, turned", "{head}transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n{inner}"),
    ("two lengths", "{head}content-length: {n}\r\ncontent-length: 0\r\n\r\n{body}"),
    ("two lengths in one", "{head}content-length: {n}, 0\r\n\r\n{body}"),
    ("a length with a sign", "{head}content-length: +{n}\r\n\r\n{body}"),
    ("a negative length", "{head}content-length: -1\r\n\r\n{inner}"),
    ("a length of hexadecimals", "{head}content-length: 0x10\r\n\r\n{inner}"),
    ("not chunked last", "{head}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n{inner}"),
    ("an unknown encoding", "{head}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n{inner}"),
    ("a folded header", "{head}x-folded: a\r\n b\r\ncontent-length: {n}\r\n\r\n{body}"),
    ("a space before the colon", "{head}content-length : {n}\r\n\r\n{body}"),
    ("a chunk without a size", "{head}transfer-encoding: chunked\r\n\r\nzz\r\n{inner}"),
];

#[tokio::test]
async fn a_request_whose_end_is_in_doubt_is_refused_and_nothing_after_it_is_carried_out() -> Result<()> {
    let scene = Scene::start().await?;
    let key = scene.key(KeyTerms::default()).await?;
    let before = scene.logged().await?;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\n",
        key.secret
    );
    let body = chat(MODEL).to_string();
    let inner = format!("{head}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    for (what, pattern) in AMBIGUOUS {
        let bytes = pattern.replace("{head}", &head).replace("{n}", &body.len().to_string());
        let bytes = bytes.replace("{body}", &body).replace("{inner}", &inner);
        let heard = send(&scene.gateway, bytes.as_bytes()).await?;
        assert!(heard.is_refusal(), "{what}: {}", heard.0);
        assert!(heard.statuses().len() <= 1, "{what} was answered twice: {}", heard.0);
    }
    assert!(scene.upstream.requests().is_empty());
    let refused = scene.refusals_since(&before).await?;
    let known = [("body_invalid", 400), ("parameter_invalid", 400)].map(|(code, status)| (code.to_owned(), status));
    assert!(refused.iter().all(|refusal| known.contains(refusal)), "no more than refusals: {refused:?}");
    let heard = send(&scene.gateway, inner.as_bytes()).await?;
    assert_eq!(heard.statuses(), [200], "the same request alone is a good one: {}", heard.0);
    Ok(())
}

#[tokio::test]
async fn a_lone_line_feed_never_makes_a_second_request() -> Result<()> {
    let scene = Scene::start().await?;
    let key = scene.key(KeyTerms::default()).await?;
    let body = chat(MODEL).to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\nhost: gateway\nauthorization: Bearer {}\nconnection: close\n\
         content-length: {}\n\n",
        key.secret,
        body.len()
    );
    // Line feeds alone may end lines (RFC 9112, 2.2); then it is this one request and no other.
    let heard = send(&scene.gateway, format!("{head}{body}").as_bytes()).await?;
    assert!(heard.statuses().len() <= 1 && scene.upstream.requests().len() <= 1, "{}", heard.0);
    let seen = scene.upstream.requests().len();
    // In a value it is no part of the value.
    let smuggled = "GET /metrics HTTP/1.1\r\nhost: gateway\r\nx-value: a\n\nGET /metrics HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n";
    let heard = send(&scene.gateway, smuggled.as_bytes()).await?;
    assert!(heard.statuses().len() <= 2, "{}", heard.0);
    // In the size of a chunk it is refused.
    let chunked = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {}\r\nconnection: close\r\n\
         transfer-encoding: chunked\r\n\r\n{:x}\n{body}\r\n0\r\n\r\n",
        key.secret,
        body.len()
    );
    let heard = send(&scene.gateway, chunked.as_bytes()).await?;
    assert!(heard.is_refusal(), "{}", heard.0);
    assert_eq!(scene.upstream.requests().len(), seen);
    Ok(())
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused_and_the_gateway_goes_on() -> Result<()> {
    let scene = Scene::start().await?;
    let long = "x".repeat(70_000);
    let many: String = (0..1_000).map(|number| format!("x-{number}: {}\r\n", "y".repeat(90))).collect();
    let url: String = (0..10_000).map(|number| format!("k{number}=v&")).collect();
    for head in [
        format!("GET /v1/models?{long} HTTP/1.1\r\nhost: gateway\r\n\r\n"),
        format!("GET /v1/models?{url} HTTP/1.1\r\nhost: gateway\r\n\r\n"),
        format!("GET /v1/models HTTP/1.1\r\nhost: gateway\r\nx-long: {long}{long}\r\n\r\n"),
        format!("GET /v1/models HTTP/1.1\r\nhost: gateway\r\n{many}\r\n"),
    ] {
        let heard = send(&scene.gateway, head.as_bytes()).await?;
        // A close while bytes are still coming may take the answer with it.
        let is_refused = heard.statuses().iter().all(|status| [414, 431].contains(status));
        assert!(is_refused && heard.statuses().len() <= 1, "{} bytes: {}", head.len(), heard.0);
    }
    Client::new(scene.gateway.url(), None)?.get("/health/liveliness").await?.expect(200)?;
    Ok(())
}
