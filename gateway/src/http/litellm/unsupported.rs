//! Fields of LiteLLM's that are not built yet. What would change who may do what, or what it costs, is refused by name:
//! a limit that was accepted and is not kept is worse than none.

use serde_json::Value;

use super::fields::Fields;
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;

/// Refuses fields that say something. Null, false and empty values say nothing: clients send them routinely.
///
/// # Errors
/// [`ErrorCode::ParameterUnsupported`], naming the first such field.
pub(super) fn refuse(fields: &Fields<'_>, names: &[&str]) -> Result<(), ApiError> {
    for name in names {
        if fields.raw(name).is_some() && !says_nothing(&fields.value(name)?) {
            return Err(not_supported(&fields.place(name).join(".")));
        }
    }
    Ok(())
}

/// The error for a field that says something and is not supported.
pub(super) fn not_supported(place: &str) -> ApiError {
    let message = format!("`{place}` is not supported yet: leave it out, since it would have no effect");
    ApiError::new(ErrorCode::ParameterUnsupported, message).param(place)
}

/// Whether a value is what a client sends when it has nothing to say.
pub(super) fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::refuse;
    use crate::http::litellm::fields::Fields;

    #[test]
    fn what_says_nothing_passes_and_what_says_something_is_named() {
        for value in ["null", "false", "\"\"", "[]", "{}"] {
            let body = format!(r#"{{"soft_budget":{value}}}"#);
            refuse(&Fields::read(body.as_bytes()).unwrap(), &["soft_budget"]).unwrap();
        }
        refuse(&Fields::read(b"{}").unwrap(), &["soft_budget"]).unwrap();
        for value in ["0", "1.5", "true", "\"x\"", "[1]", r#"{"a":1}"#] {
            let body = format!(r#"{{"soft_budget":{value}}}"#);
            let error = refuse(&Fields::read(body.as_bytes()).unwrap(), &["soft_budget"]).unwrap_err();
            assert_eq!((error.status, error.code), (400, "parameter_unsupported"), "{value}");
            assert_eq!(error.param.as_deref(), Some("soft_budget"));
        }
    }
}
