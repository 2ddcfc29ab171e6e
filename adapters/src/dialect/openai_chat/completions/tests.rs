use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tallygate_core::conversation::{Content, Request, Role};

use super::OpenaiCompletions;
use crate::dialect::anthropic_messages::AnthropicMessages;
use crate::dialect::bridge::{self, Bridge};
use crate::dialect::passage::Passage as _;
use crate::dialect::rejection::Rejection;
use crate::dialect::target::{Abilities, Target};
use crate::dialect::wire::{Asked, Dialect as _, PathSays};

fn read(body: &Value) -> Result<Request, Rejection> {
    OpenaiCompletions.read_request(body.to_string().as_bytes(), &PathSays::default())
}

fn asked(body: &Value) -> Asked {
    Asked {
        id: "1".to_owned(),
        created_s: 7,
        public_model: None,
        sealer: None,
        input_estimate_tokens: 3,
        request: Arc::new(read(body).unwrap()),
    }
}

fn target(abilities: &Abilities) -> Target<'_> {
    Target {
        model: "up",
        output_max_tokens: None,
        output_cap_tokens: None,
        drop_params: false,
        also_drop: &[],
        abilities,
    }
}

#[test]
fn a_text_is_one_message_with_the_limit_that_the_dialect_has() {
    for prompt in [json!("Once"), json!(["Once"])] {
        let request = read(&json!({ "model": "m", "prompt": prompt, "stop": "end", "n": 2 })).unwrap();
        let message = &request.messages[0];
        assert_eq!((message.role, &message.parts[0].content), (Role::User, &Content::Text("Once".into())));
        assert_eq!((request.max_output_tokens, request.choices, request.stop.len()), (Some(16), Some(2), 1));
    }
}

#[test]
fn what_a_chat_has_no_word_for_is_refused_by_name() {
    for (field, value) in [
        ("echo", json!(true)),
        ("suffix", json!("x")),
        ("logprobs", json!(3)),
        ("prompt", json!(["a", "b"])),
        ("prompt", json!([1, 2])),
        ("prompt", json!([])),
        ("max_tokens", json!(0)),
        ("n", json!(0)),
        ("best_of", json!(3)),
        ("api_base", json!("http://x")),
    ] {
        let mut body = json!({ "model": "m", "prompt": "a" });
        body[field] = value;
        let param = read(&body).unwrap_err().param;
        assert!(param.starts_with(field), "{field}: {param}");
    }
    assert!(read(&json!({ "model": "m" })).is_err());
    read(&json!({ "model": "m", "prompt": "a", "echo": false, "suffix": null, "logprobs": null })).unwrap();
}

#[test]
fn an_answer_in_another_dialect_is_a_text() {
    let body = json!({ "model": "m", "prompt": "Once", "max_tokens": 9 });
    let (asked, abilities) = (asked(&body), Abilities::default());
    let written = AnthropicMessages.write_request(&asked.request, &target(&abilities)).unwrap();
    let answer = json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": "up",
        "content": [{ "type": "text", "text": " upon" }, { "type": "text", "text": " a time" }],
        "stop_reason": "max_tokens", "usage": { "input_tokens": 2, "output_tokens": 9 } });
    let (body, _, _) =
        bridge::whole(&AnthropicMessages, &OpenaiCompletions, &written, &asked, answer.to_string().as_bytes()).unwrap();
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(told["object"], "text_completion");
    let choice = json!({ "text": " upon a time", "index": 0, "logprobs": null, "finish_reason": "length" });
    assert_eq!(told["choices"], json!([choice]));
    assert_eq!((&told["usage"]["prompt_tokens"], &told["usage"]["completion_tokens"]), (&json!(2), &json!(9)));
}

#[test]
fn a_stream_in_another_dialect_is_texts() {
    let body = json!({ "model": "m", "prompt": "Once", "stream": true, "stream_options": { "include_usage": true } });
    let (asked, abilities) = (asked(&body), Abilities::default());
    let written = AnthropicMessages.write_request(&asked.request, &target(&abilities)).unwrap();
    let mut bridge = Bridge::new(&AnthropicMessages, &OpenaiCompletions, &written, &asked);
    let events = [
        json!({ "type": "message_start", "message": { "id": "msg_1", "model": "up", "usage": { "input_tokens": 2 } } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": " upon" } }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 4 } }),
        json!({ "type": "message_stop" }),
    ];
    let stream: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let step = bridge.push(Bytes::from(stream));
    assert!(matches!(step.end, Some(Ok(()))));
    let text = String::from_utf8(step.forward.to_vec()).unwrap();
    let told: Vec<&str> = text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    let told: Vec<Value> = told.iter().filter_map(|data| serde_json::from_str(data).ok()).collect();
    assert_eq!(told[0]["choices"][0]["text"], " upon");
    assert_eq!(told[1]["choices"][0]["finish_reason"], "stop");
    assert_eq!((&told[2]["choices"], &told[2]["usage"]["completion_tokens"]), (&json!([]), &json!(4)));
    assert!(text.ends_with("data: [DONE]\n\n"));
}
