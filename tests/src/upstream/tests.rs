//! The simulated upstream does what it is told, seen by a real client.

use serde_json::{Value, json};

use super::{Gate, Reply, StreamEnd, Upstream, Usage};
use crate::client::{Client, Events};

const CHAT: &str = "/chat/completions";

async fn upstream() -> (Upstream, Client) {
    let upstream = Upstream::start().await.unwrap();
    let client = Client::new(&upstream.url(), Some("sk-upstream")).unwrap();
    (upstream, client)
}

fn chat() -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
}

fn stream() -> Value {
    json!({"model": "m", "messages": [], "stream": true})
}

async fn stream_that_ends(end: StreamEnd) -> (Upstream, Events) {
    let (upstream, client) = upstream().await;
    let gate = Gate::closed();
    upstream.next(Reply::answer().chunks(1).then(end).behind(&gate));
    let mut events = client.stream(CHAT, &stream()).await.unwrap();
    assert_eq!(events.status, 200);
    gate.pass(1);
    assert!(events.next().await.unwrap().unwrap().contains("word0"));
    gate.open();
    (upstream, events)
}

#[tokio::test]
async fn an_answer_has_text_and_usage() {
    let (upstream, client) = upstream().await;
    let usage = Usage { prompt_tokens: 100, cached_tokens: 60, completion_tokens: 5, reasoning_tokens: 2 };
    upstream.next(Reply::answer().chunks(2).usage(usage));
    let answer = client.post(CHAT, &chat()).await.unwrap().expect(200).unwrap();
    assert_eq!(answer.at("/choices/0/message/content").unwrap(), "word0 word1 ");
    assert_eq!(answer.at("/usage/total_tokens").unwrap(), 105);
    assert_eq!(answer.at("/usage/prompt_tokens_details/cached_tokens").unwrap(), 60);
    upstream.next(Reply::answer().without_usage());
    assert_eq!(client.post(CHAT, &chat()).await.unwrap().at("/usage").unwrap(), Value::Null);
}

#[tokio::test]
async fn a_bill_has_what_was_generated_for_each_user_once() {
    let (upstream, client) = upstream().await;
    let asking = |user: &str, streams: bool| json!({"model": "m", "messages": [], "user": user, "stream": streams});
    client.post(CHAT, &asking("whole", false)).await.unwrap().expect(200).unwrap();
    upstream.next(Reply::refuse(500));
    client.post(CHAT, &asking("refused", false)).await.unwrap();
    let gate = Gate::closed();
    upstream.next(Reply::answer().chunks(5).behind(&gate));
    gate.pass(2);
    let mut events = client.stream(CHAT, &asking("cut", true)).await.unwrap();
    for _ in 0..2 {
        events.next().await.unwrap();
    }
    drop(events);
    upstream.wait_for_abandoned(1).await.unwrap();
    let bill: Vec<(String, u64)> = upstream.take_bill().into_iter().collect();
    let expected = [("cut", 2), ("refused", 0), ("whole", Usage::default().completion_tokens)];
    assert_eq!(bill, expected.map(|(user, tokens)| (user.to_owned(), tokens)));
    assert!(upstream.take_bill().is_empty());
}

#[tokio::test]
async fn a_stream_reports_usage_only_when_asked() {
    let (_upstream, client) = upstream().await;
    let plain = client.stream(CHAT, &stream()).await.unwrap().rest().await.unwrap();
    assert_eq!(plain.len(), 4, "three chunks and the stop");
    assert!(plain.iter().all(|event| event.get("usage").is_none()));
    let mut asking = stream();
    asking["stream_options"] = json!({"include_usage": true});
    let events = client.stream(CHAT, &asking).await.unwrap().rest().await.unwrap();
    assert_eq!(events.len(), 5);
    assert_eq!(events[4]["usage"]["completion_tokens"], 7);
    assert_eq!(events[4]["choices"], json!([]));
    assert!(events[..4].iter().all(|event| event["usage"].is_null()));
}

#[tokio::test]
async fn chunks_wait_at_the_gate() {
    let (upstream, client) = upstream().await;
    let gate = Gate::closed();
    upstream.next(Reply::answer().chunks(100).behind(&gate));
    let mut events = client.stream(CHAT, &stream()).await.unwrap();
    for index in 0..3 {
        gate.pass(1);
        assert!(events.next().await.unwrap().unwrap().contains(&format!("word{index} ")));
    }
    gate.open();
    assert_eq!(events.rest().await.unwrap().len(), 98);
}

#[tokio::test]
async fn a_refusal_has_its_status_body_and_retry_after() {
    let (upstream, client) = upstream().await;
    upstream.next(Reply::refuse(429).retry_after("7"));
    let answer = client.post(CHAT, &chat()).await.unwrap().expect(429).unwrap();
    assert_eq!(answer.header("retry-after"), Some("7"));
    assert_eq!(answer.at("/error/code").unwrap(), "429");
    upstream.next(Reply::refuse_with(500, "<html>oops"));
    assert_eq!(client.post(CHAT, &chat()).await.unwrap().expect(500).unwrap().text(), "<html>oops");
}

#[tokio::test]
async fn the_queue_goes_before_the_model_and_the_model_before_the_default() {
    let (upstream, client) = upstream().await;
    upstream.on_model("m", Reply::refuse(401));
    upstream.next(Reply::refuse(500));
    let mut statuses = Vec::new();
    for model in ["m", "m", "other"] {
        statuses.push(client.post(CHAT, &json!({"model": model})).await.unwrap().status);
    }
    assert_eq!(statuses, [500, 401, 200]);
}

#[tokio::test]
async fn every_request_is_kept_as_it_came() {
    let (upstream, client) = upstream().await;
    client.with_header("x-trace", "7").post_bytes("/chat/completions?a=b", "application/json", "{ bad").await.unwrap();
    let requests = upstream.wait_for_requests(1).await.unwrap();
    let request = &requests[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/chat/completions?a=b"));
    assert_eq!(request.header("Authorization"), Some("Bearer sk-upstream"));
    assert_eq!(request.header("x-trace"), Some("7"));
    assert_eq!(&request.body[..], b"{ bad");
    assert!(request.json().is_err() && request.model().is_none());
}

#[tokio::test]
async fn embeddings_come_as_floats_or_base64() {
    let (_upstream, client) = upstream().await;
    let mut request = json!({"model": "e", "input": ["a", "b"]});
    let floats = client.post("/embeddings", &request).await.unwrap().expect(200).unwrap();
    assert_eq!(floats.at("/data/1/embedding").unwrap(), json!([0.5, -0.25, 1.0]));
    assert_eq!(floats.at("/usage/prompt_tokens").unwrap(), 8);
    request["encoding_format"] = json!("base64");
    let base64 = client.post("/embeddings", &request).await.unwrap();
    assert_eq!(base64.at("/data/0/embedding").unwrap(), "AAAAPwAAgL4AAIA/");
    client.get("/elsewhere").await.unwrap().expect(404).unwrap();
}

#[tokio::test]
async fn a_connection_is_refused_reset_or_answered_with_garbage() {
    let (upstream, client) = upstream().await;
    let refused = Client::new(&Upstream::refusing_url().await.unwrap(), None).unwrap();
    let error = refused.post(CHAT, &chat()).await.unwrap_err();
    assert!(format!("{error:#}").contains("refused"), "{error:#}");
    upstream.next(Reply::reset());
    let error = client.post(CHAT, &chat()).await.unwrap_err();
    assert!(format!("{error:#}").contains("reset"), "{error:#}");
    upstream.next(Reply::garbage());
    let error = client.post(CHAT, &chat()).await.unwrap_err();
    assert!(format!("{error:#}").contains("invalid HTTP"), "{error:#}");
    client.post(CHAT, &chat()).await.unwrap().expect(200).unwrap();
}

#[tokio::test]
async fn a_stream_can_be_reset_or_cut_off() {
    let (_upstream, mut events) = stream_that_ends(StreamEnd::Reset).await;
    let error = events.next().await.unwrap_err();
    assert!(format!("{error:#}").contains("reset"), "{error:#}");
    let (_upstream, mut events) = stream_that_ends(StreamEnd::CutOff).await;
    let error = events.next().await.unwrap_err();
    assert!(!format!("{error:#}").contains("reset"), "{error:#}");
}

#[tokio::test]
async fn a_stream_can_end_in_garbage_or_a_line_without_end() {
    let (_upstream, mut events) = stream_that_ends(StreamEnd::Garbage).await;
    assert!(serde_json::from_str::<Value>(&events.next().await.unwrap().unwrap()).is_err());
    assert_eq!(events.next().await.unwrap().as_deref(), Some("[DONE]"));
    let (upstream, mut events) = stream_that_ends(StreamEnd::EndlessLine).await;
    let error = events.next().await.unwrap_err().to_string();
    assert!(error.contains("an event is over"), "{error}");
    drop(events);
    upstream.wait_for_abandoned(1).await.unwrap();
}

#[tokio::test]
async fn a_caller_that_hangs_up_is_seen_in_the_middle_of_a_stream_and_while_it_hangs() {
    let (hanging, events) = stream_that_ends(StreamEnd::Hang).await;
    drop(events);
    hanging.wait_for_abandoned(1).await.unwrap();
    let (gated, client) = upstream().await;
    gated.next(Reply::answer().behind(&Gate::closed()));
    drop(client.stream(CHAT, &stream()).await.unwrap());
    gated.wait_for_abandoned(1).await.unwrap();
}

#[tokio::test]
async fn a_request_can_hang_before_its_head() {
    let (upstream, client) = upstream().await;
    upstream.next(Reply::hang());
    let request = tokio::spawn(async move { client.post(CHAT, &chat()).await });
    upstream.wait_for_requests(1).await.unwrap();
    assert!(!request.is_finished());
    request.abort();
}
