//! The code in an upstream's error body, in whatever shape the vendor sends it.

use serde_json::Value;
use tallygate_core::port::provider::failure::Kind;

/// The type of a detail of an error that says after how long to try again. It bears a vendor's name, so it stands here.
pub(crate) const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// Words in a message that mean that the prompt is too long, from vendors that have no code for it. Lower-case.
const TOO_LONG: [&str; 5] = [
    "maximum context length",
    "maximum prompt length",
    "prompt is too long",
    "exceeds the maximum number of tokens",
    "exceeds the context window",
];

/// The most telling code of an error body; none if it tells no more than the status.
///
/// Shapes that are understood: `{"error":{"code","type","status","message"}}` with the code as text or number, the same
/// without `error` around it, `error` as a text, and a list around all of that.
#[must_use]
pub fn code(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let body = body.get(0).unwrap_or(&body);
    let error = body.get("error").filter(|error| error.is_object()).unwrap_or(body);
    let candidates = [error.get("code"), error.get("type"), error.get("status"), body.get("code")];
    let told = candidates.into_iter().flatten().filter_map(as_code).find(|code| Kind::of_code(code).is_some());
    let message = error.get("message").or_else(|| body.get("error")).and_then(Value::as_str).unwrap_or_default();
    let message = message.to_lowercase();
    if TOO_LONG.iter().any(|words| message.contains(words)) {
        return Some("context_length_exceeded".to_owned());
    }
    told
}

fn as_code(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn a_code_is_found_in_every_shape() {
        for (body, expected) in [
            (
                r#"{"error":{"message":"m","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
                Some("insufficient_quota"),
            ),
            (r#"{"error":{"message":"m","type":"rate_limit_error","code":null}}"#, Some("rate_limit_error")),
            (r#"{"error":{"code":429,"message":"m"}}"#, Some("429")),
            (r#"[{"error":{"code":503,"status":"UNAVAILABLE"}}]"#, Some("503")),
            (r#"{"code":"invalid_api_key","error":"text"}"#, Some("invalid_api_key")),
            (
                r#"{"object":"error","message":"This model's maximum context length is 4096 tokens","code":400}"#,
                Some("context_length_exceeded"),
            ),
            (r#"{"error":"The prompt is too long"}"#, Some("context_length_exceeded")),
            (r#"{"error":{"code":"words_of_its_own"}}"#, None),
            (r#"{"detail":[]}"#, None),
            ("<html>", None),
            ("", None),
        ] {
            assert_eq!(code(body.as_bytes()).as_deref(), expected, "{body}");
        }
    }
}
