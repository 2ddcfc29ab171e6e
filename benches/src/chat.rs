//! The conversation that every request of the benches holds: what the load sends and what the simulated upstream
//! answers, byte for byte. Both sides are built before anything is measured.

use bytes::Bytes;

use crate::question::Question;

/// The model that clients ask for.
pub(crate) const MODEL: &str = "bench-chat";
/// The name under which the simulated upstream serves it.
pub(crate) const UPSTREAM_MODEL: &str = "bench-upstream";
/// Where chat completions are asked for.
pub(crate) const PATH: &str = "/v1/chat/completions";
/// The size of a request's body.
pub(crate) const REQUEST_BYTES: usize = 2048;
/// The chunks of a streamed answer, without a usage chunk and without the end mark.
pub(crate) const CHUNKS: usize = 100;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// A small answer in one piece.
    Whole,
    /// A stream of [`CHUNKS`], each sent as soon as the one before has left.
    Stream,
    /// A stream of [`CHUNKS`], one a millisecond. No two of one stream share a read, however busy the receiver is, so
    /// the CPU time of a stream is that of [`CHUNKS`] chunks.
    PacedStream,
}

/// Asks the upstream for pace. It stands in the message, which every gateway has to pass on as it is.
pub(crate) const PACE_MARK: &str = "[one chunk a millisecond]";
const STREAM_MARK: &str = r#""stream":true"#;
const USAGE_MARK: &str = r#""include_usage":true"#;

impl Ask {
    /// The request that asks for it.
    pub(crate) fn question(self) -> Question {
        Question { path: PATH, body: self.body(MODEL), ending: self.ending() }
    }

    /// The body that asks a model for it, [`REQUEST_BYTES`] long.
    pub(crate) fn body(self, model: &str) -> Bytes {
        let (stream, mark) = match self {
            Self::Whole => ("", ""),
            Self::Stream => (r#""stream":true,"#, ""),
            Self::PacedStream => (r#""stream":true,"#, PACE_MARK),
        };
        let head = format!(
            r#"{{"model":"{model}",{stream}"max_tokens":128,"messages":[{{"role":"system","content":"You answer in one sentence."}},{{"role":"user","content":"{mark}"#
        );
        let tail = r#""}]}"#;
        let words = "what did the meter count? ".bytes().cycle().take(REQUEST_BYTES - head.len() - tail.len());
        head.bytes().chain(words).chain(tail.bytes()).collect()
    }

    /// What a body asks for, as the upstream sees it.
    pub(crate) fn of(body: &[u8]) -> Self {
        match (contains(body, STREAM_MARK), contains(body, PACE_MARK)) {
            (false, _) => Self::Whole,
            (true, false) => Self::Stream,
            (true, true) => Self::PacedStream,
        }
    }

    /// The last bytes of a complete answer.
    pub(crate) const fn ending(self) -> &'static [u8] {
        match self {
            Self::Whole => b"}",
            Self::Stream | Self::PacedStream => b"data: [DONE]\n\n",
        }
    }
}

/// Whether a body asks for a usage chunk at the end of its stream.
pub(crate) fn wants_usage(body: &[u8]) -> bool {
    contains(body, USAGE_MARK)
}

fn contains(body: &[u8], mark: &str) -> bool {
    memchr::memmem::find(body, mark.as_bytes()).is_some()
}

/// The answer in one piece.
pub(crate) fn answer() -> Bytes {
    Bytes::from(format!(
        r#"{{"id":"chatcmpl-bench","object":"chat.completion","created":1790000000,"model":"{UPSTREAM_MODEL}","choices":[{{"index":0,"message":{{"role":"assistant","content":"The meter counted one request.","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],"usage":{USAGE}}}"#
    ))
}

const USAGE: &str = r#"{"prompt_tokens":420,"completion_tokens":98,"total_tokens":518}"#;

/// The answer as a stream: each item is sent, and flushed, on its own.
pub(crate) fn frames(with_usage: bool) -> Vec<Bytes> {
    let mut frames = vec![chunk(r#"{"role":"assistant","content":""}"#, "null")];
    frames.extend((2..CHUNKS).map(|_| chunk(r#"{"content":" counted"}"#, "null")));
    frames.push(chunk("{}", r#""stop""#));
    if with_usage {
        frames.push(event(&format!(r#"{},"choices":[],"usage":{USAGE}}}"#, chunk_head())));
    }
    frames.push(event("[DONE]"));
    frames
}

fn chunk(delta: &str, finish_reason: &str) -> Bytes {
    event(&format!(
        r#"{},"choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish_reason}}}]}}"#,
        chunk_head()
    ))
}

fn chunk_head() -> String {
    format!(
        r#"{{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1790000000,"model":"{UPSTREAM_MODEL}""#
    )
}

fn event(data: &str) -> Bytes {
    Bytes::from(format!("data: {data}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::{Ask, CHUNKS, MODEL, REQUEST_BYTES, answer, frames, wants_usage};

    const ASKS: [Ask; 3] = [Ask::Whole, Ask::Stream, Ask::PacedStream];

    #[test]
    fn every_request_is_json_of_the_stated_size() {
        for ask in ASKS {
            let body = ask.body(MODEL);
            assert_eq!(body.len(), REQUEST_BYTES, "{ask:?}");
            serde_json::from_slice::<serde_json::Value>(&body).unwrap();
        }
    }

    #[test]
    fn the_upstream_understands_what_the_load_asks_for() {
        for ask in ASKS {
            assert_eq!(Ask::of(&ask.body(MODEL)), ask);
            assert!(!wants_usage(&ask.body(MODEL)), "{ask:?}");
        }
        assert!(wants_usage(br#"{"stream":true,"stream_options":{"include_usage":true}}"#));
    }

    #[test]
    fn every_answer_ends_as_it_is_checked() {
        assert!(answer().ends_with(Ask::Whole.ending()));
        for with_usage in [false, true] {
            let frames = frames(with_usage);
            assert!(frames.last().unwrap().ends_with(Ask::Stream.ending()));
            assert_eq!(frames.len(), CHUNKS + 1 + usize::from(with_usage));
        }
    }

    #[test]
    fn every_chunk_and_the_answer_are_json() {
        serde_json::from_slice::<serde_json::Value>(&answer()).unwrap();
        let frames = frames(true);
        for frame in &frames[..frames.len() - 1] {
            let data = frame.strip_prefix(b"data: ").unwrap();
            serde_json::from_slice::<serde_json::Value>(data).unwrap();
        }
    }
}
