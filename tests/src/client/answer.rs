//! A whole answer.

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    pub(super) async fn read(response: reqwest::Response) -> Result<Self> {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        Ok(Self { status, headers, body: response.bytes().await? })
    }

    /// The same answer, if it has this status.
    ///
    /// # Errors
    /// When it has another. The text holds the body.
    pub fn expect(self, status: u16) -> Result<Self> {
        if self.status != status {
            bail!("status {}, expected {status}: {}", self.status, self.text());
        }
        Ok(self)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none. The text holds the body.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("no JSON: {}", self.text()))
    }

    /// One value of a JSON body, by pointer: `/error/code`. Null when it is not there.
    ///
    /// # Errors
    /// When the body is no JSON.
    pub fn at(&self, pointer: &str) -> Result<Value> {
        Ok(self.json()?.pointer(pointer).cloned().unwrap_or_default())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
