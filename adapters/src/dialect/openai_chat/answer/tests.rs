use super::{Answer, read};
use crate::dialect::metering::Metered;
use crate::dialect::openai_chat::{Operation, Request};
use bytes::Bytes;
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Kind;
use tallygate_core::usage::Usage;

fn request(operation: Operation) -> Request {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"input":"hello"}"#;
    Request::parse(operation, Bytes::from_static(body.as_bytes()), None).unwrap()
}

fn chat(body: &str) -> Result<Answer, Failure> {
    read(&request(Operation::Chat), 200, &Bytes::copy_from_slice(body.as_bytes()))
}

const ANSWER: &str = include_str!("../../../../golden/openai_chat/answer/chat.json");
const EMBEDDINGS: &str = include_str!("../../../../golden/openai_chat/answer/embeddings.json");

#[test]
fn an_answer_is_forwarded_as_it_is() {
    let body = Bytes::from_static(ANSWER.as_bytes());
    let answer = read(&request(Operation::Chat), 200, &body).unwrap();
    assert_eq!(answer.body.as_ptr(), body.as_ptr());
    let usage = Usage {
        input_tokens: 9,
        cached_input_tokens: 1_024,
        output_tokens: 12,
        reasoning_tokens: 3,
        ..Usage::default()
    };
    assert_eq!(answer.metered, Metered { usage, estimated: false });
    assert_eq!(answer.id.as_deref(), Some("chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT"));
}

#[test]
fn embeddings_have_a_prompt_and_no_output() {
    let body = Bytes::from_static(EMBEDDINGS.as_bytes());
    let answer = read(&request(Operation::Embeddings), 200, &body).unwrap();
    assert_eq!(answer.metered, Metered { usage: Usage { input_tokens: 8, ..Usage::default() }, estimated: false });
    let silent = Bytes::from_static(br#"{"object":"list","data":[{"embedding":[0.1]}]}"#);
    let estimated = read(&request(Operation::Embeddings), 200, &silent).unwrap().metered;
    assert!(estimated.estimated && estimated.usage.input_tokens > 0 && estimated.usage.output_tokens == 0);
}

#[test]
fn a_silent_upstream_is_estimated() {
    for usage in [
        "",
        r#","usage":null"#,
        r#","usage":{}"#,
        r#","usage":"none""#,
        r#","usage":{"prompt_tokens":-5,"completion_tokens":1e300}"#,
    ] {
        let answer =
            chat(&format!(r#"{{"choices":[{{"message":{{"role":"assistant","content":"twelve bytes"}}}}]{usage}}}"#))
                .unwrap();
        assert!(answer.metered.estimated, "{usage}");
        assert_eq!(answer.metered.usage.output_tokens, 3, "{usage}");
        assert_eq!(answer.metered.usage.input_tokens, 19, "73 bytes of request");
    }
}

#[test]
fn an_error_with_a_good_status_is_an_error() {
    let failure = chat(r#"{"error":{"code":429,"message":"canary"}}"#).unwrap_err();
    assert_eq!(failure.kind, Kind::RateLimited);
    assert_eq!(failure.said.as_ref().map(|said| said.status), Some(200));
    assert!(!format!("{failure} {failure:?}").contains("canary"));
    assert!(chat(r#"{"error":null,"choices":[]}"#).is_ok());
}

#[test]
fn garbage_is_the_upstreams_fault() {
    for garbage in ["", "<html>", "{", "[]", "null", "\"x\"", r#"{"usage":{},"usage":{}}"#, "\u{0}"] {
        assert_eq!(chat(garbage).unwrap_err().kind, Kind::Protocol, "{garbage}");
    }
}
