//! Errors of this dialect: a status as a word, and details.

use crate::provider::error_body::RETRY_INFO;
use std::time::Duration;

use tallygate_core::conversation::{Cause, Problem};
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::{Kind, Said};
use tallygate_core::port::provider::retry_after;

use crate::dialect::json::fields::{Fields, Place, Value};
use crate::dialect::json::writer::object;
use crate::dialect::wire::ErrorAnswer;
use crate::provider::error_body;

/// Details that are looked at.
const DETAILS_MAX: usize = 100;

#[derive(Debug, Default)]
struct Told {
    status: Option<u16>,
    kind: Option<Kind>,
    retry_after: Option<Duration>,
}

/// Reads an upstream's error.
pub(super) fn read(said: Said, retry_after: Option<Duration>) -> Failure {
    let told = error(&said.body).unwrap_or_default();
    let code = error_body::code(&said.body);
    let failure = Failure::told(said, retry_after.or(told.retry_after), code.as_deref());
    match told.kind {
        Some(kind) if failure.kind != Kind::ContextTooLong => Failure { kind, ..failure },
        _ => failure,
    }
}

/// The status within an error; none if there is no error.
pub(super) fn status(body: &[u8]) -> Option<u16> {
    // Answers have no such member, and are many.
    memchr::memmem::find(body, b"\"error\"")?;
    error(body).map(|told| told.status.unwrap_or(500))
}

fn error(body: &[u8]) -> Option<Told> {
    let text = std::str::from_utf8(body).ok()?.trim();
    let whole: &serde_json::value::RawValue = serde_json::from_str(text).ok()?;
    let value = Value::new(whole, &Place::Root);
    // Some endpoints put a list around it.
    let first = if value.is_list() {
        value.list(DETAILS_MAX, |item| Ok(item.json().to_owned())).ok()?.into_iter().next()?
    } else {
        text.to_owned()
    };
    let mut fields = Fields::parse(&first, &Place::Root).ok()?;
    let mut error = fields.told_fields("error")?;
    let mut told =
        Told { status: error.told_index("code").and_then(|code| u16::try_from(code).ok()), ..Told::default() };
    let word = error.told_text("status");
    let mut reason = None;
    let mut is_per_day = false;
    for raw in error.told_list("details").into_iter().take(DETAILS_MAX) {
        let Ok(mut detail) = Fields::parse(raw.get(), &Place::Root) else { continue };
        reason = detail.told_text("reason").or(reason);
        let delay = detail.told_text("retryDelay");
        let delay = delay
            .as_deref()
            .and_then(|delay| delay.strip_suffix('s'))
            .and_then(|s| retry_after::of(None, Some(s), None));
        told.retry_after = delay.or(told.retry_after);
        is_per_day |= detail.told_list("violations").iter().any(|violation| violation.get().contains("PerDay"));
    }
    told.kind = match (word.as_deref(), reason.as_deref()) {
        (_, Some("API_KEY_INVALID")) | (Some("PERMISSION_DENIED" | "UNAUTHENTICATED"), _) => Some(Kind::Unauthorized),
        // A limit by day does not pass by waiting a little.
        (Some("RESOURCE_EXHAUSTED"), _) if is_per_day => Some(Kind::QuotaExhausted),
        (Some("RESOURCE_EXHAUSTED"), _) => Some(Kind::RateLimited),
        (Some("NOT_FOUND"), _) => Some(Kind::NotFound),
        (Some("UNAVAILABLE"), _) => Some(Kind::Overloaded),
        (Some("DEADLINE_EXCEEDED" | "CANCELLED"), _) => Some(Kind::UpstreamTimeout),
        (Some("INTERNAL"), _) => Some(Kind::ServerError),
        (Some("INVALID_ARGUMENT" | "FAILED_PRECONDITION"), _) => Some(Kind::InvalidRequest),
        _ => None,
    };
    Some(told)
}

/// Writes an error for a client.
pub(super) fn write(problem: &Problem) -> ErrorAnswer {
    let (status, word) = words(problem.cause);
    let body = object(|body| {
        body.object("error", |error| {
            error.number("code", status).text("message", &problem.message).text("status", word);
            if let Some(wait) = problem.retry_after {
                error.list("details", |list| {
                    list.object(|detail| {
                        detail.text("@type", RETRY_INFO);
                        detail.text("retryDelay", &format!("{}s", wait.as_secs()));
                    });
                });
            }
        });
    });
    ErrorAnswer { status, body }
}

const fn words(cause: Cause) -> (u16, &'static str) {
    match cause {
        Cause::InvalidRequest | Cause::Unsupported | Cause::ContextTooLong | Cause::ContentFiltered => {
            (400, "INVALID_ARGUMENT")
        }
        Cause::TooLarge => (413, "INVALID_ARGUMENT"),
        Cause::Unauthenticated => (401, "UNAUTHENTICATED"),
        Cause::Forbidden => (403, "PERMISSION_DENIED"),
        Cause::NotFound => (404, "NOT_FOUND"),
        Cause::Conflict => (409, "ABORTED"),
        Cause::RateLimited | Cause::QuotaExhausted => (429, "RESOURCE_EXHAUSTED"),
        Cause::Timeout => (504, "DEADLINE_EXCEEDED"),
        Cause::Overloaded => (503, "UNAVAILABLE"),
        Cause::CredentialRefused | Cause::Malformed => (502, "INTERNAL"),
        Cause::ServerError => (500, "INTERNAL"),
    }
}
