//! The one error that HTTP answers are made of: LiteLLM's envelope, with what a program can rely on beside it.
//!
//! ```json
//! {"error": {"message": "…", "type": "budget_exceeded", "param": null, "code": "422",
//!            "tallygate": {"code": "budget_exhausted", "doc": "docs/errors/budget_exhausted.md", "details": {…}}}}
//! ```
//!
//! `code` is the HTTP status as text, as LiteLLM has it. The stable code is `error.tallygate.code`, and the header
//! `x-tallygate-error`.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use tallygate_adapters::dialect::wire::{Dialect, ErrorAnswer};
use tallygate_adapters::provider::doors::Asks;
use tallygate_core::conversation::{Cause, Problem};
use tallygate_core::id::RequestId;
use tallygate_core::routing::Route;

use super::error_code::ErrorCode;

/// Tells the official client libraries not to try again what cannot succeed.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// The attempts of a request, and how each ended.
pub(crate) const ROUTE: HeaderName = HeaderName::from_static("x-tallygate-route");
const ERROR_CODE: HeaderName = HeaderName::from_static("x-tallygate-error");

/// An error as a client gets it.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    /// The stable code.
    pub(crate) code: &'static str,
    /// LiteLLM's `type`.
    pub(crate) kind: &'static str,
    /// The parameter that is wrong.
    pub(crate) param: Option<Box<str>>,
    pub(crate) message: String,
    /// The scope, numbers and positions behind it.
    pub(crate) details: Option<Box<Value>>,
    /// Seconds until it makes sense to try again, rounded up.
    pub(crate) retry_after_seconds: Option<u32>,
    /// The request, for its call id.
    pub(crate) request: Option<RequestId>,
    /// What few errors have.
    more: Option<Box<More>>,
}

/// What only errors of upstreams have, or those for clients of dialects of their own.
#[derive(Debug, Clone, Default)]
struct More {
    /// FastAPI's `detail`, beside the error: what LiteLLM's clients read where its framework answers.
    detail: Option<Value>,
    /// What an upstream's failure means.
    cause: Option<Cause>,
    /// The attempts of the request.
    route: Option<Box<str>>,
    /// The dialect that it is told in; none for LiteLLM's envelope.
    client: Option<&'static dyn Dialect>,
}

impl ApiError {
    /// An error with the status of its code, and the type that goes with the status.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::coded(code.as_str(), code.status(), message)
    }

    /// An error with a code that is not the gateway's own: a rejection of a command.
    pub(crate) fn coded(code: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            kind: type_of_status(status),
            param: None,
            message: message.into(),
            details: None,
            retry_after_seconds: None,
            request: None,
            more: None,
        }
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    pub(crate) fn param(mut self, param: impl Into<Box<str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    pub(crate) fn details(mut self, details: Value) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    /// The same error, with FastAPI's `detail` beside it.
    pub(crate) fn framework_detail(mut self, detail: Value) -> Self {
        self.more().detail = Some(detail);
        self
    }

    pub(crate) fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after_seconds = Some(after.as_millis().div_ceil(1_000).try_into().unwrap_or(u32::MAX));
        self
    }

    /// The same error, after these attempts.
    pub(crate) fn route(mut self, route: &Route) -> Self {
        if !route.is_empty() {
            self.more().route = Some(route.to_string().into());
        }
        self
    }

    /// The same error, as an upstream's failure.
    pub(crate) fn cause(mut self, cause: Cause) -> Self {
        self.more().cause = Some(cause);
        self
    }

    /// The same error, of this request and for a client of this dialect.
    pub(crate) fn of_request(mut self, request: RequestId, client: Option<&'static dyn Dialect>) -> Self {
        self.request = Some(request);
        if client.is_some() {
            self.more().client = client;
        }
        self
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_with(Box::default)
    }

    fn client(&self) -> Option<&'static dyn Dialect> {
        self.more.as_ref().and_then(|more| more.client)
    }

    /// The same error, for a client that asks for this.
    pub(crate) fn of_asker(mut self, asks: Asks) -> Self {
        self.more().client = asks.error_dialect();
        self
    }

    /// The error as a client of a dialect of its own is told of it.
    pub(crate) fn in_dialect(&self, client: &dyn Dialect) -> ErrorAnswer {
        let request = self.request.map(|request| request.to_string()).unwrap_or_default();
        client.write_problem(&self.problem(), &request)
    }

    /// What is wrong, in no dialect.
    pub(crate) fn problem(&self) -> Problem {
        let told = self.more.as_ref().and_then(|more| more.cause);
        let cause = told.unwrap_or_else(|| cause_of_status(self.status));
        Problem {
            param: self.param.as_deref().map(str::to_owned),
            code: Some(self.code.to_owned()),
            retry_after: self.retry_after_seconds.map(|seconds| Duration::from_secs(u64::from(seconds))),
            ..Problem::new(cause, self.message.as_str())
        }
    }

    /// The scope whose rule it was, as text.
    pub(crate) fn scope(&self) -> Option<&str> {
        self.details.as_ref()?.get("scope")?.as_str()
    }

    /// The body.
    pub(crate) fn body(&self) -> Value {
        let mut tallygate = json!({ "code": self.code, "doc": format!("docs/errors/{}.md", self.code) });
        if let Some(details) = &self.details {
            tallygate["details"] = (**details).clone();
        }
        let mut body = json!({ "error": {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.status.to_string(),
            "tallygate": tallygate,
        }});
        if let Some(detail) = self.more.as_ref().and_then(|more| more.detail.clone()) {
            body["detail"] = detail;
        }
        body
    }

    /// Whether the same request could succeed later.
    fn is_worth_a_retry(&self) -> bool {
        matches!(self.status, 408 | 409 | 429 | 500..=599) && self.code != ErrorCode::CommandIdReused.as_str()
    }
}

/// LiteLLM 1.109's `type` where nothing more is known.
const fn type_of_status(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "internal_server_error",
    }
}

/// What a refusal of the gateway's own means, by its status.
const fn cause_of_status(status: u16) -> Cause {
    match status {
        401 => Cause::Unauthenticated,
        403 => Cause::Forbidden,
        404 => Cause::NotFound,
        408 | 504 => Cause::Timeout,
        409 => Cause::Conflict,
        413 => Cause::TooLarge,
        // A budget is spent.
        402 | 422 => Cause::QuotaExhausted,
        429 => Cause::RateLimited,
        502 => Cause::Malformed,
        503 => Cause::Overloaded,
        400..=499 => Cause::InvalidRequest,
        _ => Cause::ServerError,
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, body) = match self.client() {
            Some(client) => {
                let told = self.in_dialect(client);
                (told.status, Body::from(told.body))
            }
            None => (self.status, Body::from(self.body().to_string())),
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ERROR_CODE, HeaderValue::from_static(self.code));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(id) = self.request.and_then(|request| HeaderValue::from_str(&request.to_string()).ok()) {
            if self.client().is_some() {
                headers.insert(HeaderName::from_static("request-id"), id.clone());
            }
            headers.insert(HeaderName::from_static("x-request-id"), id.clone());
            headers.insert(HeaderName::from_static("x-litellm-call-id"), id);
        }
        let route = self.more.as_ref().and_then(|more| more.route.as_deref());
        if let Some(Ok(route)) = route.map(HeaderValue::from_str) {
            headers.insert(ROUTE, route);
        }
        if !self.is_worth_a_retry() {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        response
    }
}
