//! Embeddings in the OpenAI dialect: the same small vector for every input.

use serde_json::{Value, json};

/// Numbers that a 32-bit float holds exactly.
const VECTOR: [f64; 3] = [0.5, -0.25, 1.0];
/// The same as little-endian 32-bit floats in base64, which client libraries ask for.
const VECTOR_BASE64: &str = "AAAAPwAAgL4AAIA/";

/// The answer to a request. Each input counts four tokens.
pub(super) fn answer(model: &str, request: &Value) -> Value {
    let inputs = match request.get("input") {
        Some(Value::Array(inputs)) if inputs.iter().all(|input| input.is_string() || input.is_array()) => inputs.len(),
        _ => 1,
    };
    let in_base64 = request.get("encoding_format").and_then(Value::as_str) == Some("base64");
    let vector = if in_base64 { json!(VECTOR_BASE64) } else { json!(VECTOR) };
    let data: Vec<Value> =
        (0..inputs).map(|index| json!({"object": "embedding", "index": index, "embedding": vector})).collect();
    let tokens = 4 * inputs;
    json!({"object": "list", "data": data, "model": model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})
}
