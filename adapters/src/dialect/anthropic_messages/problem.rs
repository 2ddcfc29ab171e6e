//! Errors for clients of this dialect.

use tallygate_core::conversation::{Cause, Problem};

use crate::dialect::json::writer::object;
use crate::dialect::wire::ErrorAnswer;

pub(super) fn write(problem: &Problem, request_id: &str) -> ErrorAnswer {
    let (status, kind) = words(problem.cause);
    let body = object(|body| {
        body.text("type", "error").object("error", |error| {
            error.text("type", kind).text("message", &problem.message);
        });
        if !request_id.is_empty() {
            body.text("request_id", request_id);
        }
    });
    ErrorAnswer { status, body }
}

const fn words(cause: Cause) -> (u16, &'static str) {
    match cause {
        Cause::InvalidRequest | Cause::Unsupported | Cause::ContextTooLong | Cause::ContentFiltered => {
            (400, "invalid_request_error")
        }
        Cause::TooLarge => (413, "request_too_large"),
        Cause::Unauthenticated => (401, "authentication_error"),
        Cause::Forbidden => (403, "permission_error"),
        Cause::NotFound => (404, "not_found_error"),
        Cause::Conflict => (409, "invalid_request_error"),
        Cause::RateLimited => (429, "rate_limit_error"),
        Cause::QuotaExhausted => (402, "billing_error"),
        Cause::Timeout => (504, "timeout_error"),
        Cause::Overloaded => (529, "overloaded_error"),
        Cause::CredentialRefused | Cause::Malformed => (502, "api_error"),
        Cause::ServerError => (500, "api_error"),
    }
}
