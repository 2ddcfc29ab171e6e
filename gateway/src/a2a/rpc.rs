//! The envelope: JSON-RPC 2.0, one call a request, and its errors by the protocol's numbers.

use serde_json::{Map, Value, json};

use crate::http::error::ApiError;

/// The longest method that is repeated in an error, in characters.
const METHOD_SHOWN_MAX: usize = 64;

/// A call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    /// Its id: text, a number, or null.
    pub(crate) id: Value,
    pub(crate) method: String,
    pub(crate) params: Map<String, Value>,
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    pub(crate) code: i32,
    pub(crate) message: String,
    pub(crate) data: Option<Value>,
}

/// A call that cannot be carried out, with the id to answer under.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unread {
    pub(crate) id: Value,
    pub(crate) fault: Fault,
}

impl Fault {
    /// The body is no JSON.
    pub(crate) const PARSE: i32 = -32_700;
    /// The JSON is no call.
    pub(crate) const INVALID_REQUEST: i32 = -32_600;
    /// There is no such method.
    pub(crate) const METHOD_NOT_FOUND: i32 = -32_601;
    /// The call says something that is not acceptable.
    pub(crate) const INVALID_PARAMS: i32 = -32_602;
    /// The gateway or an upstream failed.
    pub(crate) const INTERNAL: i32 = -32_603;
    /// The gateway refuses: its stable code stands in `data`.
    pub(crate) const REFUSED: i32 = -32_000;
    /// There is no such task.
    pub(crate) const TASK_NOT_FOUND: i32 = -32_001;
    /// Nobody is notified of tasks.
    pub(crate) const NO_PUSH: i32 = -32_003;
    /// The protocol has it, and this agent does not.
    pub(crate) const UNSUPPORTED: i32 = -32_004;
    /// Content that is no text.
    pub(crate) const CONTENT_TYPE: i32 = -32_005;
    /// There is no extended card.
    pub(crate) const NO_EXTENDED_CARD: i32 = -32_007;

    pub(crate) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// A parameter that is not acceptable.
    pub(crate) fn param(name: &str, why: &str) -> Self {
        Self { data: Some(json!({ "param": name })), ..Self::new(Self::INVALID_PARAMS, format!("`{name}` {why}")) }
    }

    /// The answer to a call that has no result.
    pub(crate) fn answer(&self, id: &Value) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(data) = &self.data {
            error["data"] = data.clone();
        }
        json!({ "jsonrpc": "2.0", "id": id, "error": error })
    }
}

impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Self {
        let code = if error.status >= 500 { Self::INTERNAL } else { Self::REFUSED };
        let mut data = json!({
            "code": error.code,
            "status": error.status,
            "doc": format!("docs/errors/{}.md", error.code),
        });
        if let Some(details) = &error.details {
            data["details"] = (**details).clone();
        }
        if let Some(seconds) = error.retry_after_seconds {
            data["retry_after_seconds"] = json!(seconds);
        }
        Self { code, message: error.message, data: Some(data) }
    }
}

/// The answer to a call that has a result.
pub(crate) fn answer(id: &Value, result: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

/// Reads a call.
///
/// # Errors
/// [`Unread`], with the id where one could be read.
pub(crate) fn read(body: &[u8]) -> Result<Call, Unread> {
    let no_json = |error: serde_json::Error| {
        let message = format!("the body is no JSON: line {}, column {}", error.line(), error.column());
        Unread { id: Value::Null, fault: Fault::new(Fault::PARSE, message) }
    };
    let value: Value = serde_json::from_slice(body).map_err(no_json)?;
    let Value::Object(mut fields) = value else {
        let message = "a call is a JSON object; batches are not served: send one call a request";
        return Err(Unread { id: Value::Null, fault: Fault::new(Fault::INVALID_REQUEST, message) });
    };
    let id = fields.remove("id");
    let shown = id.clone().filter(is_id).unwrap_or(Value::Null);
    let invalid = |message: &str| Unread { id: shown.clone(), fault: Fault::new(Fault::INVALID_REQUEST, message) };
    if fields.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(invalid("`jsonrpc` must be \"2.0\""));
    }
    if !id.as_ref().is_some_and(is_id) {
        return Err(invalid("`id` must be a text or a whole number: calls without an answer are not served"));
    }
    let Some(Value::String(method)) = fields.remove("method") else {
        return Err(invalid("`method` must be a text, such as \"message/send\""));
    };
    let params = match fields.remove("params") {
        None => Map::new(),
        Some(Value::Object(params)) => params,
        Some(_) => {
            let fault = Fault::new(Fault::INVALID_PARAMS, "`params` must be an object");
            return Err(Unread { id: shown, fault });
        }
    };
    Ok(Call { id: shown, method, params })
}

fn is_id(id: &Value) -> bool {
    match id {
        Value::String(text) => text.len() <= 1_024,
        Value::Number(number) => number.is_i64() || number.is_u64(),
        _ => false,
    }
}

/// What a method that is not served is answered with.
pub(crate) fn unserved(method: &str) -> Fault {
    match method {
        "tasks/get" | "tasks/cancel" => {
            let message = "there is no such task: a message is answered at once, and no task is kept after its answer";
            Fault::new(Fault::TASK_NOT_FOUND, message)
        }
        "tasks/resubscribe" => {
            Fault::new(Fault::UNSUPPORTED, "a stream that broke off is not gone on with: send the message again")
        }
        "agent/getAuthenticatedExtendedCard" => {
            Fault::new(Fault::NO_EXTENDED_CARD, "this agent has one card: the one at its well-known path")
        }
        _ if method.starts_with("tasks/pushNotificationConfig/") => {
            Fault::new(Fault::NO_PUSH, "nobody is notified of tasks: use message/send or message/stream")
        }
        _ => {
            let shown: String = method.chars().take(METHOD_SHOWN_MAX).collect();
            let message = format!("there is no method `{shown}`: there are message/send and message/stream");
            Fault::new(Fault::METHOD_NOT_FOUND, message)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Fault, read, unserved};

    fn refused(body: &str) -> (Value, i32) {
        let unread = read(body.as_bytes()).unwrap_err();
        (unread.id, unread.fault.code)
    }

    #[test]
    fn a_call_is_read_with_its_id_method_and_parameters() {
        let call = read(br#"{"jsonrpc":"2.0","id":"a","method":"message/send","params":{"x":1}}"#).unwrap();
        assert_eq!((call.id, call.method.as_str(), &call.params["x"]), (json!("a"), "message/send", &json!(1)));
        let call = read(br#"{"jsonrpc":"2.0","id":7,"method":"m"}"#).unwrap();
        assert_eq!((call.id, call.params.len()), (json!(7), 0));
    }

    #[test]
    fn what_is_no_call_is_refused_by_the_protocols_number_under_its_id() {
        for (body, id, code) in [
            ("{", Value::Null, Fault::PARSE),
            ("\u{0}", Value::Null, Fault::PARSE),
            ("[]", Value::Null, Fault::INVALID_REQUEST),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"m"}]"#, Value::Null, Fault::INVALID_REQUEST),
            (r#"{"id":1,"method":"m"}"#, json!(1), Fault::INVALID_REQUEST),
            (r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#, json!(1), Fault::INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","method":"m"}"#, Value::Null, Fault::INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#, Value::Null, Fault::INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"m"}"#, Value::Null, Fault::INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1,"method":2}"#, json!(1), Fault::INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1,"method":"m","params":[]}"#, json!(1), Fault::INVALID_PARAMS),
        ] {
            assert_eq!(refused(body), (id, code), "{body}");
        }
    }

    #[test]
    fn methods_of_the_protocol_that_are_not_served_have_its_own_numbers() {
        for (method, code) in [
            ("tasks/get", -32_001),
            ("tasks/cancel", -32_001),
            ("tasks/pushNotificationConfig/set", -32_003),
            ("tasks/resubscribe", -32_004),
            ("agent/getAuthenticatedExtendedCard", -32_007),
            ("message/sent", -32_601),
        ] {
            assert_eq!(unserved(method).code, code, "{method}");
        }
        assert!(unserved(&"x".repeat(10_000)).message.len() < 200, "a long name is not repeated");
    }
}
