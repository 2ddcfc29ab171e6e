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

fn chat(body: &str, public_model: Option<&str>) -> Result<Answer, Failure> {
    read(&request(Operation::Chat), 200, &Bytes::copy_from_slice(body.as_bytes()), public_model)
}

const ANSWER: &str = include_str!("../../../../golden/openai_chat/answer/chat.json");
const EMBEDDINGS: &str = include_str!("../../../../golden/openai_chat/answer/embeddings.json");

#[test]
fn an_answer_is_forwarded_as_it_is() {
    let body = Bytes::from_static(ANSWER.as_bytes());
    let answer = read(&request(Operation::Chat), 200, &body, None).unwrap();
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
fn a_renamed_answer_differs_in_its_model_alone() {
    let answer = chat(ANSWER, Some("current \"fast\"")).unwrap();
    let expected = ANSWER.replacen(r#""model": "gpt-5-2026-01-01""#, r#""model": "current \"fast\"""#, 1);
    assert_ne!(expected, ANSWER);
    assert_eq!(answer.body, expected.as_bytes());
    assert_eq!(chat(r#"{"choices":[]}"#, Some("x")).unwrap().body, r#"{"choices":[]}"#.as_bytes());
}

#[test]
fn embeddings_have_a_prompt_and_no_output() {
    let body = Bytes::from_static(EMBEDDINGS.as_bytes());
    let answer = read(&request(Operation::Embeddings), 200, &body, None).unwrap();
    assert_eq!(answer.metered, Metered { usage: Usage { input_tokens: 8, ..Usage::default() }, estimated: false });
    let silent = Bytes::from_static(br#"{"object":"list","data":[{"embedding":[0.1]}]}"#);
    let estimated = read(&request(Operation::Embeddings), 200, &silent, None).unwrap().metered;
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
        let answer = chat(
            &format!(r#"{{"choices":[{{"message":{{"role":"assistant","content":"twelve bytes"}}}}]{usage}}}"#),
            None,
        )
        .unwrap();
        assert!(answer.metered.estimated, "{usage}");
        assert_eq!(answer.metered.usage.output_tokens, 3, "{usage}");
        assert_eq!(answer.metered.usage.input_tokens, 19, "73 bytes of request");
    }
}

#[test]
fn an_error_with_a_good_status_is_an_error() {
    let failure = chat(r#"{"error":{"code":429,"message":"canary"}}"#, None).unwrap_err();
    assert_eq!(failure.kind, Kind::RateLimited);
    assert_eq!(failure.said.as_ref().map(|said| said.status), Some(200));
    assert!(!format!("{failure} {failure:?}").contains("canary"));
    assert!(chat(r#"{"error":null,"choices":[]}"#, None).is_ok());
}

#[test]
fn garbage_is_the_upstreams_fault() {
    for garbage in ["", "<html>", "{", "[]", "null", "\"x\"", r#"{"model":"a","model":"b"}"#, "\u{0}"] {
        assert_eq!(chat(garbage, None).unwrap_err().kind, Kind::Protocol, "{garbage}");
    }
}
