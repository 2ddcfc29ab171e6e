//! What it answers.

use serde_json::{Value, json};

use super::{CHAT, GEMINI, MESSAGES, OLLAMA, RESPONSES, greetings, provider};
use crate::provider::{Reply, Tokens};

/// Where each format has its text and, by class, its usage; a text of the stream where the class is not told.
const TEXTS: [&str; 5] = [
    "/choices/0/message/content",
    "/output/0/content/0/text",
    "/content/0/text",
    "/candidates/0/content/parts/0/text",
    "/message/content",
];

#[tokio::test]
async fn every_format_says_what_the_user_said() {
    let (provider, client) = provider().await;
    for ((path, body), text) in greetings().into_iter().zip(TEXTS) {
        let answer = client.post(path, &body).await.unwrap().expect(200).unwrap();
        assert_eq!(answer.at(text).unwrap(), "You said: hi", "{path}");
    }
    assert_eq!((provider.requests().len(), provider.complaints()), (5, Vec::new()));
}

#[tokio::test]
async fn every_class_of_tokens_has_its_own_number() {
    let (_provider, client) = provider().await;
    let mut asked = greetings();
    asked[0].1["reasoning_effort"] = json!("low");
    asked[1].1["reasoning"] = json!({"effort": "low"});
    asked[2].1["thinking"] = json!({"type": "adaptive"});
    asked[3].1["generationConfig"] = json!({"thinkingConfig": {"includeThoughts": true}});
    asked[4].1["think"] = json!(true);
    let expected: [&[(&str, i64)]; 5] = [
        &[
            ("/usage/prompt_tokens", 48),
            ("/usage/prompt_tokens_details/cached_tokens", 17),
            ("/usage/completion_tokens", 20),
            ("/usage/completion_tokens_details/reasoning_tokens", 7),
        ],
        &[("/usage/input_tokens", 48), ("/usage/output_tokens", 20), ("/usage/total_tokens", 68)],
        &[
            ("/usage/input_tokens", 31),
            ("/usage/cache_read_input_tokens", 17),
            ("/usage/cache_creation_input_tokens", 5),
            ("/usage/output_tokens", 20),
        ],
        &[
            ("/usageMetadata/promptTokenCount", 48),
            ("/usageMetadata/candidatesTokenCount", 13),
            ("/usageMetadata/thoughtsTokenCount", 7),
        ],
        &[("/prompt_eval_count", 48), ("/eval_count", 20)],
    ];
    for ((path, body), expected) in asked.into_iter().zip(expected) {
        let answer = client.post(path, &body).await.unwrap().expect(200).unwrap();
        for (pointer, tokens) in expected {
            assert_eq!(answer.at(pointer).unwrap(), *tokens, "{path} {pointer}");
        }
    }
}

#[tokio::test]
async fn usage_is_what_the_test_says_or_none() {
    let (provider, client) = provider().await;
    let (path, body) = greetings().into_iter().next().unwrap();
    provider.next(Reply::answer().tokens(Tokens { fresh: -5, cached: 0, written: 0, text: i64::MAX, reasoning: 0 }));
    let answer = client.post(path, &body).await.unwrap();
    assert_eq!(answer.at("/usage/prompt_tokens").unwrap(), -5);
    assert_eq!(answer.at("/usage/completion_tokens").unwrap(), i64::MAX);
    provider.next(Reply::answer().without_usage());
    assert_eq!(client.post(path, &body).await.unwrap().at("/usage").unwrap(), Value::Null);
}

#[tokio::test]
async fn tools_are_called_twice_at_once_and_their_results_repeated() {
    let (_provider, client) = provider().await;
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let tools = json!([{"type": "function", "function": {"name": "weather", "parameters": schema}}]);
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": tools});
    let answer = client.post(CHAT, &body).await.unwrap().expect(200).unwrap();
    let said = answer.at("/choices/0/message").unwrap();
    let arguments = |at: usize| said["tool_calls"][at]["function"]["arguments"].clone();
    assert_eq!((arguments(0), arguments(1)), (json!(r#"{"city":"Paris"}"#), json!(r#"{"city":"Rome"}"#)));
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(said.clone());
    for (at, result) in ["21 degrees", "25 degrees"].iter().enumerate() {
        messages.push(json!({"role": "tool", "tool_call_id": said["tool_calls"][at]["id"], "content": result}));
    }
    let answer = client.post(CHAT, &body).await.unwrap().expect(200).unwrap();
    assert_eq!(answer.at("/choices/0/message/content").unwrap(), "The tools said: 21 degrees and 25 degrees.");
    body["messages"] = json!([{"role": "user", "content": "hi"}]);
    body["parallel_tool_calls"] = json!(false);
    let answer = client.post(CHAT, &body).await.unwrap().expect(200).unwrap();
    assert_eq!(answer.at("/choices/0/message/tool_calls").unwrap().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn images_are_counted_and_json_fits_its_schema() {
    let (_provider, client) = provider().await;
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}});
    let content = json!([{"type": "text", "text": "What?"}, image, image]);
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": content}]});
    let answer = client.post(CHAT, &body).await.unwrap().expect(200).unwrap();
    assert_eq!(answer.at("/choices/0/message/content").unwrap(), "I see 2 images.");
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}, "degrees": {"$ref": "#/$defs/n"}},
        "$defs": {"n": {"type": "integer"}}});
    body["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
    let answer = client.post(CHAT, &body).await.unwrap().expect(200).unwrap();
    assert_eq!(answer.at("/choices/0/message/content").unwrap(), r#"{"city":"Paris","degrees":21}"#);
}

#[tokio::test]
async fn an_answer_ends_at_a_stop_sequence_or_at_its_limit() {
    let (_provider, client) = provider().await;
    let body = json!({"model": "m", "max_tokens": 50, "stop_sequences": ["hi"],
        "messages": [{"role": "user", "content": "hi"}]});
    let answer = client.post(MESSAGES, &body).await.unwrap().expect(200).unwrap();
    assert_eq!(
        (answer.at("/stop_reason").unwrap(), answer.at("/stop_sequence").unwrap()),
        (json!("stop_sequence"), json!("hi"))
    );
    let body = json!({"contents": [{"parts": [{"text": "a long text"}]}], "generationConfig": {"maxOutputTokens": 3}});
    let answer = client.post(GEMINI, &body).await.unwrap().expect(200).unwrap();
    assert_eq!(answer.at("/candidates/0/finishReason").unwrap(), "MAX_TOKENS");
    assert_eq!(answer.at(TEXTS[3]).unwrap(), "You said: a ");
}

#[tokio::test]
async fn a_stored_response_is_gone_on_from() {
    let (_provider, client) = provider().await;
    let tools = json!([{"type": "function", "name": "now", "parameters": {}}]);
    let first = client.post(RESPONSES, &json!({"model": "m", "input": "hi", "tools": tools})).await.unwrap();
    let call = first.expect(200).unwrap().json().unwrap();
    let outputs: Vec<Value> = (0..2)
        .map(|at| json!({"type": "function_call_output", "call_id": call["output"][at]["call_id"], "output": "12:00"}))
        .collect();
    let mut next = json!({"model": "m", "input": outputs, "previous_response_id": call["id"]});
    let answer = client.post(RESPONSES, &next).await.unwrap().expect(200).unwrap();
    assert_eq!(answer.at(TEXTS[1]).unwrap(), "The tools said: 12:00 and 12:00.");
    next["previous_response_id"] = json!("resp_of_nobody");
    let refused = client.post(RESPONSES, &next).await.unwrap().expect(400).unwrap();
    assert_eq!(refused.at("/error/code").unwrap(), "previous_response_not_found");
}

#[tokio::test]
async fn an_ollama_stream_is_lines_and_every_other_one_events() {
    let (_provider, client) = provider().await;
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let answer = client.post(OLLAMA, &body).await.unwrap().expect(200).unwrap();
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let text: String = lines.iter().filter_map(|line| line["message"]["content"].as_str()).collect();
    assert_eq!((text.as_str(), &lines.last().unwrap()["done"]), ("You said: hi", &json!(true)));
}

#[tokio::test]
async fn what_is_no_conversation_is_answered_in_its_own_form() {
    let (_provider, client) = provider().await;
    let posts = [
        ("/v1/embeddings", json!({"model": "e", "input": ["a", "b"]}), "/data/1/embedding/0", json!(0.5)),
        ("/api/embed", json!({"model": "e", "input": ["a", "b"]}), "/embeddings/1/0", json!(0.5)),
        (
            "/v1beta/models/e:batchEmbedContents",
            json!({"requests": [{"model": "models/e", "content": {"parts": [{"text": "a"}]}}]}),
            "/embeddings/0/values/2",
            json!(1.0),
        ),
        ("/v1/moderations", json!({"input": "a"}), "/results/0/flagged", json!(false)),
        ("/v1/images/generations", json!({"prompt": "a", "n": 2}), "/usage/total_tokens", json!(553)),
        ("/v1/completions", json!({"model": "m", "prompt": "hi"}), "/choices/0/text", json!("You said: hi")),
        (
            "/v1/messages/count_tokens",
            json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]}),
            "/input_tokens",
            json!(53),
        ),
        (
            "/v1beta/models/gemini-3-pro:countTokens",
            json!({"contents": [{"parts": [{"text": "hi"}]}]}),
            "/totalTokens",
            json!(53),
        ),
        (
            "/openai/deployments/d/chat/completions?api-version=2024-10-21",
            json!({"messages": [{"role": "user", "content": "hi"}]}),
            "/choices/0/message/content",
            json!("You said: hi"),
        ),
    ];
    for (path, body, pointer, expected) in posts {
        let answer = client.post(path, &body).await.unwrap().expect(200).unwrap();
        assert_eq!(answer.at(pointer).unwrap(), expected, "{path}");
    }
    let speech = client.post("/v1/audio/speech", &json!({"model": "m", "input": "a", "voice": "alloy"})).await.unwrap();
    assert_eq!((speech.header("content-type"), &speech.body[..3]), (Some("audio/mpeg"), &b"ID3"[..]));
    let form = "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nm\r\n\
        --b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n--b--\r\n";
    let sent = client.post_bytes("/v1/audio/transcriptions", "multipart/form-data; boundary=b", form).await.unwrap();
    assert_eq!(sent.expect(200).unwrap().at("/text").unwrap(), "You said: three words");
    assert_eq!(client.get("/v1beta/models").await.unwrap().at("/models/0/name").unwrap(), "models/simulated");
    assert_eq!(client.get("/v1/models").await.unwrap().at("/data/0/type").unwrap(), "model");
    client.get("/v1/elsewhere").await.unwrap().expect(404).unwrap();
}
