//! Errors in this dialect: as a body, and as an event of a stream that has already begun.

use bytes::Bytes;
use serde::Serialize;
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::{Kind, Said};

use crate::provider::error_body;

/// The event that ends a stream.
pub const DONE: &str = "data: [DONE]\n\n";

/// An error as clients of this dialect read it. All four fields are always there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorObject<'a> {
    /// For people.
    pub message: &'a str,
    /// The class of error: `invalid_request_error`, `server_error`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// The field at fault.
    pub param: Option<&'a str>,
    /// For programs.
    pub code: Option<&'a str>,
}

impl ErrorObject<'_> {
    /// `{"error":{…}}`.
    #[must_use]
    pub fn body(&self) -> String {
        #[derive(Serialize)]
        struct Wrapped<'a> {
            error: &'a ErrorObject<'a>,
        }
        // Texts alone always serialise.
        serde_json::to_string(&Wrapped { error: self }).unwrap_or_default()
    }

    /// The end of a stream that has begun: the error as an event, and the marker of the end.
    #[must_use]
    pub fn last_events(&self) -> Bytes {
        Bytes::from(format!("data: {}\n\n{DONE}", self.body()))
    }
}

/// The error in an answer whose status was 2xx, if there is one: a member `error` that is not null. `status` is that
/// of the answer.
pub(in crate::dialect) fn within_answer(json: &[u8], status: u16) -> Failure {
    let said = Said { status, content_type: None, request_id: None, body: Bytes::copy_from_slice(json) };
    match error_body::code(json) {
        Some(code) => Failure::told(said, None, Some(&code)),
        // The status says that all is well, so it cannot say what is wrong.
        None => Failure { said: Some(Box::new(said)), ..Failure::new(Kind::ServerError) },
    }
}

#[cfg(test)]
mod tests {
    use super::{ErrorObject, within_answer};
    use tallygate_core::port::provider::failure::Kind;

    #[test]
    fn an_error_has_all_four_fields() {
        let error = ErrorObject { message: "a \"b\"", kind: "server_error", param: None, code: Some("c") };
        assert_eq!(error.body(), r#"{"error":{"message":"a \"b\"","type":"server_error","param":null,"code":"c"}}"#);
        assert!(error.last_events().ends_with(b"}}\n\ndata: [DONE]\n\n"));
    }

    #[test]
    fn an_error_within_an_answer_is_classified_by_its_code() {
        assert_eq!(within_answer(br#"{"error":{"code":429}}"#, 200).kind, Kind::RateLimited);
        assert_eq!(within_answer(br#"{"error":{"message":"x"}}"#, 200).kind, Kind::ServerError);
    }
}
