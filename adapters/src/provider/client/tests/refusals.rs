//! Upstreams that say no.

use super::*;

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
