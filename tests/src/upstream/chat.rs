//! Chat completions in the OpenAI dialect, as values.

use serde_json::{Value, json};

use super::reply::Content;

/// Fixed, so that an answer is the same bytes each time.
const ID: &str = "chatcmpl-simulated";
const CREATED: u64 = 1_795_169_730;

/// The tokens that an answer reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub prompt_tokens: u64,
    /// Those of them that came from a cache.
    pub cached_tokens: u64,
    /// Tokens of the answer, reasoning included.
    pub completion_tokens: u64,
    /// Those of them that were reasoning.
    pub reasoning_tokens: u64,
}

impl Default for Usage {
    fn default() -> Self {
        Self { prompt_tokens: 11, cached_tokens: 0, completion_tokens: 7, reasoning_tokens: 0 }
    }
}

impl Usage {
    fn json(self) -> Value {
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
        })
    }
}

/// The text of one chunk; a whole answer is all of them.
fn piece(index: usize) -> String {
    format!("word{index} ")
}

/// An answer in one piece.
pub(super) fn completion(model: &str, content: &Content) -> Value {
    let text: String = (0..content.chunks).map(piece).collect();
    let mut answer = json!({
        "id": ID, "object": "chat.completion", "created": CREATED, "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "logprobs": null, "finish_reason": "stop"}],
    });
    if let Some(usage) = content.usage {
        answer["usage"] = usage.json();
    }
    answer
}

/// One chunk of a stream. When usage was asked for, every chunk but the last says that it has none.
pub(super) fn chunk(model: &str, index: usize, usage_asked: bool) -> Value {
    let delta = if index == 0 {
        json!({"role": "assistant", "content": piece(index)})
    } else {
        json!({"content": piece(index)})
    };
    with_usage(part(model, &json!([choice(&delta, &Value::Null)])), usage_asked, Value::Null)
}

/// The chunk that says why the answer ended.
pub(super) fn stop(model: &str, usage_asked: bool) -> Value {
    with_usage(part(model, &json!([choice(&json!({}), &json!("stop"))])), usage_asked, Value::Null)
}

/// The chunk with the usage, and nothing else.
pub(super) fn usage(model: &str, usage: Usage) -> Value {
    with_usage(part(model, &json!([])), true, usage.json())
}

fn part(model: &str, choices: &Value) -> Value {
    json!({"id": ID, "object": "chat.completion.chunk", "created": CREATED, "model": model, "choices": choices})
}

fn choice(delta: &Value, finish_reason: &Value) -> Value {
    json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason})
}

fn with_usage(mut part: Value, asked: bool, usage: Value) -> Value {
    if asked {
        part["usage"] = usage;
    }
    part
}
