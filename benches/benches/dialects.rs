//! What a stream of a hundred chunks costs on its way to the client: passed on, and translated, in both directions.

#![allow(clippy::expect_used, missing_docs, reason = "a bench that cannot be set up cannot be run")]

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use tallygate_adapters::dialect::bridge::Bridge;
use tallygate_adapters::dialect::of_name;
use tallygate_adapters::dialect::openai_chat::stream::Tap;
use tallygate_adapters::dialect::openai_chat::{Operation, Request};
use tallygate_adapters::dialect::passage::Passage;
use tallygate_adapters::dialect::target::{Abilities, Target};
use tallygate_adapters::dialect::through;
use tallygate_adapters::dialect::wire::{Asked, Dialect, PathSays, Written};

const CHUNKS: usize = 100;
const CHAT: &str = r#"{"model":"m","max_tokens":200,"stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Hi"}]}"#;
const MESSAGES: &str = r#"{"model":"m","max_tokens":200,"stream":true,"messages":[{"role":"user","content":"Hi"}]}"#;

fn dialect(name: &str) -> &'static dyn Dialect {
    of_name(name).expect("a dialect that is built")
}

/// A stream of chat completions, an event a piece.
fn chunks() -> Vec<Bytes> {
    let event = |choices: serde_json::Value, usage: serde_json::Value| {
        let chunk = json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "up",
            "choices": choices, "usage": usage });
        Bytes::from(format!("data: {chunk}\n\n"))
    };
    let piece = |delta, finish: Option<&str>| json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }]);
    let mut events = vec![event(piece(json!({ "role": "assistant", "content": "" }), None), json!(null))];
    events.extend((0..CHUNKS).map(|_| event(piece(json!({ "content": " word" }), None), json!(null))));
    events.push(event(piece(json!({}), Some("stop")), json!(null)));
    let usage = json!({ "prompt_tokens": 9, "completion_tokens": CHUNKS, "total_tokens": 9 + CHUNKS });
    events.push(event(json!([]), usage));
    events.push(Bytes::from_static(b"data: [DONE]\n\n"));
    events
}

/// The same as messages.
fn blocks() -> Vec<Bytes> {
    let event = |name: &str, data: serde_json::Value| Bytes::from(format!("event: {name}\ndata: {data}\n\n"));
    let message = json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": "up", "content": [],
        "usage": { "input_tokens": 9, "output_tokens": 1 } });
    let mut events = vec![event("message_start", json!({ "type": "message_start", "message": message }))];
    let block = json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } });
    events.push(event("content_block_start", block));
    let delta =
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": " word" } });
    events.extend((0..CHUNKS).map(|_| event("content_block_delta", delta.clone())));
    events.push(event("content_block_stop", json!({ "type": "content_block_stop", "index": 0 })));
    let end = json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": CHUNKS } });
    events.push(event("message_delta", end));
    events.push(event("message_stop", json!({ "type": "message_stop" })));
    events
}

/// What a client asked for in one dialect, and what an upstream of another one was sent.
fn exchange(client: &dyn Dialect, body: &str, upstream: &dyn Dialect) -> (Asked, Written) {
    let request = client.read_request(body.as_bytes(), &PathSays::default()).expect("a request");
    let abilities = Abilities::default();
    let target = Target {
        model: "up",
        output_max_tokens: None,
        output_cap_tokens: None,
        drop_params: false,
        also_drop: &[],
        abilities: &abilities,
    };
    let written = upstream.write_request(&request, &target).expect("a request for the upstream");
    let asked = Asked {
        id: "1".to_owned(),
        created_s: 1,
        public_model: None,
        sealer: None,
        input_estimate_tokens: 9,
        request: Arc::new(request),
    };
    (asked, written)
}

fn run(mut passage: impl Passage, pieces: &[Bytes]) -> usize {
    let forwarded = pieces.iter().map(|piece| passage.push(piece.clone()).forward.len()).sum();
    black_box(passage.metered());
    forwarded
}

fn streams(criterion: &mut Criterion) {
    let (chat, messages) = (dialect("openai_chat"), dialect("anthropic_messages"));
    let (chunks, blocks) = (chunks(), blocks());
    let request = Request::parse(Operation::Chat, Bytes::from_static(CHAT.as_bytes()), None).expect("a request");
    criterion.bench_function("chat passes through", |bencher| {
        bencher.iter(|| run(Tap::new(&request, None), &chunks));
    });
    let (asked, _) = exchange(messages, MESSAGES, messages);
    criterion.bench_function("messages pass through", |bencher| {
        bencher.iter(|| run(through::Tap::new(messages, &asked), &blocks));
    });
    let (asked, written) = exchange(chat, CHAT, messages);
    criterion.bench_function("messages become chat", |bencher| {
        bencher.iter(|| run(Bridge::new(messages, chat, &written, &asked), &blocks));
    });
    let (asked, written) = exchange(messages, MESSAGES, chat);
    criterion.bench_function("chat becomes messages", |bencher| {
        bencher.iter(|| run(Bridge::new(chat, messages, &written, &asked), &chunks));
    });
}

criterion_group!(benches, streams);
criterion_main!(benches);
