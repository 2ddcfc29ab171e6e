//! A request as the upstream got it.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use hyper::http::request::Parts;
use serde_json::Value;

/// A request: everything that came.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The method, in capitals.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers in the order they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl Recorded {
    pub(crate) fn new(head: &Parts, body: Bytes) -> Self {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let header = |(name, value): (&hyper::http::HeaderName, &hyper::http::HeaderValue)| {
            (name.as_str().to_owned(), text(value.as_bytes()))
        };
        Self {
            method: head.method.to_string(),
            path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            headers: head.headers.iter().map(header).collect(),
            body,
        }
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).context("the upstream got a body that is no JSON")
    }

    /// The first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter of the query, as it is written.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.path.split_once('?')?;
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// The model that the body asks for.
    #[must_use]
    pub fn model(&self) -> Option<String> {
        Some(self.json().ok()?.get("model")?.as_str()?.to_owned())
    }
}
