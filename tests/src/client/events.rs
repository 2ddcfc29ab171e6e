//! An answer that comes event by event.

use anyhow::{Context as _, Result};
use reqwest::header::HeaderMap;
use serde_json::Value;

/// Longer events are a bug of whoever sends them. In bytes.
const EVENT_MAX_BYTES: usize = 4 * 1024 * 1024;

/// Server-sent events as they come. Dropping this hangs up.
#[derive(Debug)]
pub struct Events {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    response: reqwest::Response,
    waiting: Waiting,
}

impl Events {
    pub(super) fn new(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        Self { status, headers: response.headers().clone(), response, waiting: Waiting::default() }
    }

    /// The data of the next event; none at the end of the answer. `[DONE]` is an event like any other.
    ///
    /// # Errors
    /// When the answer breaks off: a reset, a missing end, or bytes after the last blank line.
    pub async fn next(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(data) = self.waiting.take_event() {
                return Ok(Some(data));
            }
            anyhow::ensure!(self.waiting.bytes.len() <= EVENT_MAX_BYTES, "an event is over {EVENT_MAX_BYTES} bytes");
            let Some(chunk) = self.response.chunk().await.context("the stream broke off")? else {
                let rest = String::from_utf8_lossy(&self.waiting.bytes);
                anyhow::ensure!(rest.trim().is_empty(), "the stream ended within an event: {rest}");
                return Ok(None);
            };
            self.waiting.push(&chunk);
        }
    }

    /// Every event to the end, as JSON; `[DONE]` is left out.
    ///
    /// # Errors
    /// When the answer breaks off, or an event is no JSON.
    pub async fn rest(&mut self) -> Result<Vec<Value>> {
        let mut events = Vec::new();
        while let Some(data) = self.next().await? {
            if data != "[DONE]" {
                events.push(serde_json::from_str(&data).with_context(|| format!("no JSON: {data}"))?);
            }
        }
        Ok(events)
    }
}

/// Bytes that came and were not taken yet. They are searched once each, however small the pieces they come in.
#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    searched: usize,
}

impl Waiting {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes the first whole event off the front: its `data:` lines joined by line feeds. Comments are skipped.
    fn take_event(&mut self) -> Option<String> {
        loop {
            let Some(end) = self.bytes[self.searched..].windows(2).position(|pair| pair == b"\n\n") else {
                self.searched = self.bytes.len().saturating_sub(1);
                return None;
            };
            let event: Vec<u8> = self.bytes.drain(..self.searched + end + 2).collect();
            self.searched = 0;
            let text = String::from_utf8_lossy(&event).into_owned();
            let data = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim_start);
            let data: Vec<&str> = data.collect();
            if !data.is_empty() {
                return Some(data.join("\n"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Waiting;

    #[test]
    fn events_are_taken_whole_and_comments_skipped() {
        let mut waiting = Waiting::default();
        waiting.push(b": hello\n\ndata: 1\ndata: 2\n\nevent: x\ndata: 3\n\ndata: 4\n");
        assert_eq!(waiting.take_event().as_deref(), Some("1\n2"));
        assert_eq!(waiting.take_event().as_deref(), Some("3"));
        assert_eq!(waiting.take_event(), None);
        waiting.push(b"\ndata:5");
        assert_eq!(waiting.take_event().as_deref(), Some("4"));
        assert_eq!(waiting.bytes, b"data:5");
    }
}
