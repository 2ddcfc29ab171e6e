//! Whole answers: what they used, and what must change in them.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::memmem;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use tallygate_core::port::provider::Failure;
use tallygate_core::port::provider::failure::Kind;
use tallygate_core::usage::Usage;

use super::error;
use super::operation::Operation;
use super::request::Request;
use super::text_bytes;
use super::usage::Told;
use super::word::Word;
use crate::dialect::metering::{self, Metered};

/// A whole answer, read.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// For the client: the upstream's bytes.
    pub body: Bytes,
    /// What the call used.
    pub metered: Metered,
    /// The upstream's id of the answer.
    pub id: Option<String>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({} bytes, {:?})", self.body.len(), self.metered)
    }
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(default, borrow)]
    id: Word<'a>,
    #[serde(default, borrow)]
    usage: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<IgnoredAny>,
    #[serde(default, borrow)]
    service_tier: Word<'a>,
}

/// Reads a whole answer with a 2xx status. The model keeps the name that the upstream has for it, as with LiteLLM.
///
/// # Errors
/// A [`Failure`] when the answer is an error after all, or no JSON object: [`Kind::Protocol`].
pub fn read(request: &Request, status: u16, body: &Bytes) -> Result<Answer, Failure> {
    let garbage = || Failure::new(Kind::Protocol);
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(garbage());
    }
    let head: Head<'_> = serde_json::from_slice(body).map_err(|_| garbage())?;
    if head.error.is_some() {
        return Err(error::within_answer(body, status));
    }
    let told = head.usage.and_then(Told::read).unwrap_or_default().served(head.service_tier.0.as_deref());
    let told = match request.operation() {
        Operation::Chat => told,
        _ => told.without_completion(),
    };
    // What the upstream told need not be counted.
    let written = || metering::estimate(text_bytes::under(&memmem::Finder::new("\"message\""), body));
    let output = if told.tells_output() { 0 } else { written() };
    Ok(Answer {
        body: body.clone(),
        metered: told.metered(request.input().estimate(), output),
        id: head.id.0.map(Cow::into_owned),
    })
}

/// What an answer that somebody kept says it used; none if it does not say.
#[must_use]
pub fn told(body: &[u8]) -> Option<Usage> {
    let head: Head<'_> = serde_json::from_slice(body).ok()?;
    let told = head.usage.and_then(Told::read)?;
    (!told.is_empty()).then(|| told.without_completion().served(head.service_tier.0.as_deref()).metered(0, 0).usage)
}

#[cfg(test)]
mod tests;
