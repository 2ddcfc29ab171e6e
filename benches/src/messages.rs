//! The same conversation in Anthropic's dialect (its streaming reference, version 2023-06-01): what the load asks as a
//! client of it, and what the simulated upstream streams as such a vendor. Only what is translated is measured with it, so
//! there are streams alone.

use bytes::Bytes;

use crate::chat::{CHUNKS, PACE_MARK, REQUEST_BYTES, UPSTREAM_MODEL};
use crate::question::Question;

/// The model that clients ask for, whose upstream speaks this dialect.
pub(crate) const MODEL: &str = "bench-messages";
/// Where messages are asked for.
pub(crate) const PATH: &str = "/v1/messages";
/// The end of a complete stream, as the vendor and the gateway write it.
pub(crate) const ENDING: &[u8] = b"\"message_stop\"}\n\n";

/// A request for a paced stream of a model.
pub(crate) fn question(model: &str) -> Question {
    let head = format!(
        r#"{{"model":"{model}","stream":true,"max_tokens":128,"system":"You answer in one sentence.","messages":[{{"role":"user","content":"{PACE_MARK}"#
    );
    let tail = r#""}]}"#;
    let words = "what did the meter count? ".bytes().cycle().take(REQUEST_BYTES - head.len() - tail.len());
    let body = head.bytes().chain(words).chain(tail.bytes()).collect();
    Question { path: PATH, body, ending: ENDING }
}

/// The answer as a stream: each item is sent, and flushed, on its own.
pub(crate) fn frames() -> Vec<Bytes> {
    let message = format!(
        r#""message":{{"id":"msg_bench","type":"message","role":"assistant","model":"{UPSTREAM_MODEL}","content":[],"stop_reason":null,"stop_sequence":null,"usage":{{"input_tokens":420,"output_tokens":1}}}}"#
    );
    let mut frames = vec![
        event("message_start", &message),
        event("content_block_start", r#""index":0,"content_block":{"type":"text","text":""}"#),
    ];
    let delta = r#""index":0,"delta":{"type":"text_delta","text":" counted"}"#;
    frames.extend((2..CHUNKS).map(|_| event("content_block_delta", delta)));
    frames.push(event("content_block_stop", r#""index":0"#));
    let end = r#""delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":98}"#;
    frames.push(event("message_delta", end));
    frames.push(Bytes::from_static(b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"));
    frames
}

fn event(kind: &str, data: &str) -> Bytes {
    Bytes::from(format!("event: {kind}\ndata: {{\"type\":\"{kind}\",{data}}}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::{ENDING, MODEL, frames, question};
    use crate::chat::{Ask, REQUEST_BYTES};

    #[test]
    fn the_request_is_json_of_the_stated_size_that_the_upstream_understands() {
        let question = question(MODEL);
        assert_eq!(question.body.len(), REQUEST_BYTES);
        serde_json::from_slice::<serde_json::Value>(&question.body).unwrap();
        assert_eq!(Ask::of(&question.body), Ask::PacedStream);
    }

    #[test]
    fn every_frame_is_an_event_of_its_type_and_the_last_one_is_the_end() {
        for frame in frames() {
            let text = std::str::from_utf8(&frame).unwrap();
            let (event, data) = text.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
            let data: serde_json::Value = serde_json::from_str(data.trim_end()).unwrap();
            assert_eq!(data["type"], event);
        }
        assert!(frames().last().unwrap().ends_with(ENDING));
    }
}
