//! Errors for clients of this dialect. All four fields are always there.

use tallygate_core::conversation::{Cause, Problem};

use super::super::error::ErrorObject;
use crate::dialect::wire::ErrorAnswer;

pub(super) fn write(problem: &Problem) -> ErrorAnswer {
    let (status, kind, code) = words(problem.cause);
    let code = problem.code.as_deref().or(code);
    let error = ErrorObject { message: &problem.message, kind, param: problem.param.as_deref(), code };
    ErrorAnswer { status, body: error.body().into_bytes() }
}

/// Status, type and code.
const fn words(cause: Cause) -> (u16, &'static str, Option<&'static str>) {
    const INVALID: &str = "invalid_request_error";
    match cause {
        Cause::InvalidRequest => (400, INVALID, None),
        Cause::Unsupported => (400, INVALID, Some("unsupported_parameter")),
        Cause::ContextTooLong => (400, INVALID, Some("context_length_exceeded")),
        Cause::TooLarge => (413, INVALID, Some("request_too_large")),
        Cause::ContentFiltered => (400, INVALID, Some("content_policy_violation")),
        Cause::Unauthenticated => (401, INVALID, Some("invalid_api_key")),
        Cause::Forbidden => (403, INVALID, Some("model_not_allowed")),
        Cause::NotFound => (404, INVALID, Some("model_not_found")),
        Cause::Conflict => (409, "conflict", None),
        Cause::RateLimited => (429, "rate_limit_error", Some("rate_limit_exceeded")),
        Cause::QuotaExhausted => (429, "insufficient_quota", Some("insufficient_quota")),
        Cause::CredentialRefused => (502, "server_error", Some("upstream_auth_error")),
        Cause::Timeout => (504, "timeout", Some("timeout")),
        Cause::Overloaded => (503, "service_unavailable_error", Some("server_is_overloaded")),
        Cause::Malformed => (502, "server_error", Some("upstream_malformed")),
        Cause::ServerError => (500, "server_error", None),
    }
}

/// The code alone.
pub(super) fn code(problem: &Problem) -> Option<&str> {
    problem.code.as_deref().or(words(problem.cause).2)
}
