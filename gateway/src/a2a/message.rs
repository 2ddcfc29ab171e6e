//! Messages: what a caller says to an agent, and what the agent answers. Text alone.

use serde_json::{Map, Value, json};
use tallygate_core::id::ContextId;

use super::rpc::Fault;

/// The longest text of a message, in bytes.
pub(crate) const TEXT_MAX_BYTES: usize = 256 * 1024;
/// The most parts of a message.
const PARTS_MAX: usize = 256;

/// What a caller says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    /// The conversation; none for a new one.
    pub(crate) context: Option<ContextId>,
    pub(crate) text: String,
    /// The message as it was sent, for those who want it back.
    pub(crate) message: Value,
}

/// Reads the parameters of `message/send` and `message/stream`. Fields that are not known are passed over, as the protocol
/// has it.
///
/// # Errors
/// The first [`Fault`].
pub(crate) fn read(mut params: Map<String, Value>) -> Result<Said, Fault> {
    check_configuration(params.get("configuration"))?;
    let Some(Value::Object(message)) = params.remove("message") else {
        return Err(Fault::param("message", "must be an object with `role`, `parts` and `messageId`"));
    };
    if message.get("role").and_then(Value::as_str) != Some("user") {
        return Err(Fault::param("message.role", "must be \"user\""));
    }
    if !message.get("messageId").and_then(Value::as_str).is_some_and(|id| (1..=256).contains(&id.len())) {
        return Err(Fault::param("message.messageId", "must be a text of 1 to 256 bytes"));
    }
    if message.get("taskId").is_some_and(|task| !task.is_null()) {
        let why =
            "there is no such task: a message is answered at once; go on in the same `contextId` without `taskId`";
        return Err(Fault::new(Fault::TASK_NOT_FOUND, why));
    }
    let context = match message.get("contextId") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => {
            Some(ContextId::new(text).map_err(|error| Fault::param("message.contextId", &error.to_string()))?)
        }
        Some(_) => return Err(Fault::param("message.contextId", "must be a text")),
    };
    let text = text_of(message.get("parts"))?;
    Ok(Said { context, text, message: Value::Object(message) })
}

fn text_of(parts: Option<&Value>) -> Result<String, Fault> {
    let parts = parts.and_then(Value::as_array).filter(|parts| (1..=PARTS_MAX).contains(&parts.len()));
    let parts =
        parts.ok_or_else(|| Fault::param("message.parts", &format!("must be a list of 1 to {PARTS_MAX} parts")))?;
    let mut texts = Vec::with_capacity(parts.len());
    for part in parts {
        // Older versions of the protocol said `type`.
        let kind = part.get("kind").or_else(|| part.get("type")).and_then(Value::as_str);
        match (kind, part.get("text").and_then(Value::as_str)) {
            (Some("text"), Some(text)) => texts.push(text),
            (Some("text"), None) => return Err(Fault::param("message.parts", "has a part of text without `text`")),
            (Some("file" | "data"), _) => {
                return Err(Fault::new(Fault::CONTENT_TYPE, "this agent takes parts of kind `text` alone"));
            }
            _ => return Err(Fault::param("message.parts", "has a part whose `kind` is not `text`")),
        }
    }
    let text = texts.join("\n");
    match text.len() {
        0 => Err(Fault::param("message.parts", "must hold some text")),
        1..=TEXT_MAX_BYTES => Ok(text),
        bytes => {
            Err(Fault::param("message.parts", &format!("has {bytes} bytes of text, and {TEXT_MAX_BYTES} are the most")))
        }
    }
}

fn check_configuration(configuration: Option<&Value>) -> Result<(), Fault> {
    let Some(configuration) = configuration.filter(|configuration| !configuration.is_null()) else { return Ok(()) };
    if configuration.get("pushNotificationConfig").is_some_and(|config| !config.is_null()) {
        return Err(Fault::new(Fault::NO_PUSH, "nobody is notified of tasks: send without `pushNotificationConfig`"));
    }
    let modes = configuration.get("acceptedOutputModes").and_then(Value::as_array);
    let takes_text = |mode: &Value| mode.as_str().is_some_and(|mode| mode.starts_with("text") || mode == "*/*");
    match modes {
        Some(modes) if !modes.is_empty() && !modes.iter().any(takes_text) => {
            Err(Fault::new(Fault::CONTENT_TYPE, "this agent answers with text/plain alone: accept it"))
        }
        _ => Ok(()),
    }
}

/// A part of text.
pub(crate) fn part(text: &str) -> Value {
    json!({ "kind": "text", "text": text })
}

/// A message of an agent's.
pub(crate) fn answer(id: &str, context: &ContextId, text: &str, metadata: Option<Value>) -> Value {
    let mut message = json!({
        "kind": "message",
        "role": "agent",
        "messageId": id,
        "contextId": context,
        "parts": [part(text)],
    });
    if let Some(metadata) = metadata {
        message["metadata"] = metadata;
    }
    message
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Said, TEXT_MAX_BYTES, read};
    use crate::a2a::rpc::Fault;

    fn said(message: &Value) -> Result<Said, Fault> {
        let Value::Object(params) = json!({ "message": message }) else { unreachable!("an object") };
        read(params)
    }

    fn with(field: &str, value: Value) -> Value {
        let mut message = json!({ "kind": "message", "role": "user", "messageId": "1",
            "parts": [{ "kind": "text", "text": "Hello." }] });
        message[field] = value;
        message
    }

    #[test]
    fn a_message_of_some_parts_is_one_text_of_its_context() {
        let parts = json!([{ "kind": "text", "text": "a" }, { "type": "text", "text": "b", "metadata": {} }]);
        let mut message = with("parts", parts);
        message["contextId"] = json!("a.*.>");
        let read = said(&message).unwrap();
        assert_eq!((read.text.as_str(), read.context.unwrap().as_str()), ("a\nb", "a.*.>"));
        assert_eq!(said(&with("contextId", Value::Null)).unwrap().context, None);
        assert_eq!(said(&with("taskId", Value::Null)).unwrap().text, "Hello.");
    }

    #[test]
    fn a_text_has_a_length_of_one_byte_to_the_limit() {
        let of = |length: usize| said(&with("parts", json!([{ "kind": "text", "text": "x".repeat(length) }])));
        assert_eq!(of(0).unwrap_err().code, Fault::INVALID_PARAMS);
        assert_eq!(of(TEXT_MAX_BYTES).unwrap().text.len(), TEXT_MAX_BYTES);
        assert_eq!(of(TEXT_MAX_BYTES + 1).unwrap_err().code, Fault::INVALID_PARAMS);
    }

    #[test]
    fn what_is_no_message_of_text_is_refused_by_its_field() {
        for (field, value, code) in [
            ("role", json!("agent"), Fault::INVALID_PARAMS),
            ("messageId", json!(""), Fault::INVALID_PARAMS),
            ("messageId", json!("x".repeat(257)), Fault::INVALID_PARAMS),
            ("messageId", Value::Null, Fault::INVALID_PARAMS),
            ("contextId", json!(""), Fault::INVALID_PARAMS),
            ("contextId", json!("x".repeat(10_000)), Fault::INVALID_PARAMS),
            ("contextId", json!("a\nb"), Fault::INVALID_PARAMS),
            ("contextId", json!(1), Fault::INVALID_PARAMS),
            ("taskId", json!("t"), Fault::TASK_NOT_FOUND),
            ("parts", json!([]), Fault::INVALID_PARAMS),
            ("parts", json!({}), Fault::INVALID_PARAMS),
            ("parts", json!([{ "kind": "text" }]), Fault::INVALID_PARAMS),
            ("parts", json!(["Hello."]), Fault::INVALID_PARAMS),
            ("parts", json!([{ "kind": "file", "file": { "bytes": "" } }]), Fault::CONTENT_TYPE),
            ("parts", json!([{ "kind": "data", "data": {} }]), Fault::CONTENT_TYPE),
        ] {
            let fault = said(&with(field, value.clone())).unwrap_err();
            assert_eq!(fault.code, code, "{field} {value}");
            assert!(fault.message.len() < 300, "{}", fault.message);
        }
        assert_eq!(said(&json!("Hello.")).unwrap_err().code, Fault::INVALID_PARAMS);
    }

    #[test]
    fn a_caller_that_takes_no_text_or_wants_to_be_notified_is_told_so() {
        let of = |configuration: &Value| {
            let params = json!({ "message": with("kind", json!("message")), "configuration": configuration });
            let Value::Object(params) = params else { unreachable!("an object") };
            read(params).map(|said| said.text).map_err(|fault| fault.code)
        };
        assert_eq!(of(&json!({ "acceptedOutputModes": ["image/png"] })), Err(Fault::CONTENT_TYPE));
        assert_eq!(
            of(&json!({ "acceptedOutputModes": ["image/png", "text/plain"], "blocking": true })).unwrap(),
            "Hello."
        );
        assert_eq!(of(&json!({ "acceptedOutputModes": [] })).unwrap(), "Hello.");
        assert_eq!(of(&json!({ "pushNotificationConfig": { "url": "http://a" } })), Err(Fault::NO_PUSH));
    }
}
