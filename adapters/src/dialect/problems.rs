//! From failures and refusals to problems, which every dialect can tell its clients.

use serde_json::Value;
use tallygate_core::conversation::{Cause, Problem};
use tallygate_core::port::provider::Failure;

use super::rejection::{Reason, Rejection};

/// The longest text of an upstream that a client is told, in characters.
const MESSAGE_CHARS_MAX: usize = 2_000;

/// The problem that a failed call is to the client. It is told what the upstream said where that is about the request;
/// what concerns the gateway's own account there is told in neutral words.
#[must_use]
pub fn of_failure(failure: &Failure) -> Problem {
    let cause = Cause::of_failure(failure.kind);
    let is_about_request = matches!(
        cause,
        Cause::InvalidRequest | Cause::ContextTooLong | Cause::ContentFiltered | Cause::RateLimited | Cause::Overloaded
    );
    let told = failure.said.as_ref().filter(|_| is_about_request).and_then(|said| message(&said.body));
    let message = told.unwrap_or_else(|| failure.to_string());
    Problem { retry_after: failure.retry_after, ..Problem::new(cause, message) }
}

/// The problem that a refused request is.
#[must_use]
pub fn of_rejection(rejection: &Rejection) -> Problem {
    let cause = match rejection.reason {
        Reason::Unsupported | Reason::NotInline | Reason::NoOperation(_) => Cause::Unsupported,
        _ => Cause::InvalidRequest,
    };
    let param = Some(rejection.param.clone()).filter(|param| !param.is_empty());
    Problem { param, code: Some(rejection.code().to_owned()), ..Problem::new(cause, rejection.to_string()) }
}

/// The text for people in an upstream's error body, in whatever shape: `error.message`, `message`, `error` or `detail` as
/// a text, and a list around all of that.
#[must_use]
pub fn message(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let body = body.get(0).unwrap_or(&body);
    let error = body.get("error").filter(|error| error.is_object()).unwrap_or(body);
    let candidates = [error.get("message"), body.get("error"), body.get("message"), body.get("detail")];
    let text = candidates.into_iter().flatten().find_map(Value::as_str)?;
    Some(text.chars().take(MESSAGE_CHARS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::{message, of_failure};
    use tallygate_core::conversation::Cause;
    use tallygate_core::port::provider::Failure;
    use tallygate_core::port::provider::failure::Said;

    #[test]
    fn a_message_is_found_in_every_shape() {
        for body in [
            r#"{"error":{"message":"m","code":1}}"#,
            r#"[{"error":{"message":"m"}}]"#,
            r#"{"error":"m"}"#,
            r#"{"object":"error","message":"m"}"#,
            r#"{"detail":"m"}"#,
        ] {
            assert_eq!(message(body.as_bytes()).as_deref(), Some("m"), "{body}");
        }
        for body in ["", "<html>", "{}", r#"{"error":{}}"#, r#"{"detail":[{"loc":1}]}"#] {
            assert_eq!(message(body.as_bytes()), None, "{body}");
        }
        let long = format!(r#"{{"error":"{}"}}"#, "ä".repeat(9_000));
        assert_eq!(message(long.as_bytes()).unwrap().chars().count(), 2_000);
    }

    #[test]
    fn what_an_upstream_says_of_our_account_is_not_repeated() {
        let failed = |status, body: &str| {
            let said = Said { status, content_type: None, request_id: None, body: body.to_owned().into() };
            of_failure(&Failure::told(said, None, None))
        };
        let about_key = failed(401, r#"{"error":{"message":"Incorrect API key provided: sk-1234"}}"#);
        assert_eq!(about_key.cause, Cause::CredentialRefused);
        assert!(!about_key.message.contains("sk-1234"));
        assert_eq!(failed(400, r#"{"error":{"message":"bad `n`"}}"#).message.as_str(), "bad `n`");
    }
}
