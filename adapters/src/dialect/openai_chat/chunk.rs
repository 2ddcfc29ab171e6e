//! One event of a stream, looked at no closer than it must be.
//!
//! Most events hold a few characters of text and nothing else that matters. Whether one holds more can be told by a
//! search for three names in quotes; within a text the quotes would be escaped, so no text can look like a name. Only an
//! event that matters is parsed.

use memchr::memmem;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::text_bytes;
use super::usage::Told;
use super::word::Word;

/// Searches, made once a stream.
pub(super) struct Search {
    usage: memmem::Finder<'static>,
    error: memmem::Finder<'static>,
    delta: memmem::Finder<'static>,
    finish: memmem::Finder<'static>,
}

/// What an event's data is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// A piece of the answer.
    Piece {
        /// Bytes of text in it.
        text_bytes: u64,
        /// Usage, if it tells any.
        usage: Option<Told>,
    },
    /// Usage and nothing else: no choices.
    UsageOnly(Told),
    /// `[DONE]`.
    Done,
    /// An error of the upstream.
    Error,
    /// Not of this dialect.
    Garbage,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(default, borrow)]
    usage: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<IgnoredAny>,
    #[serde(default)]
    choices: Option<Vec<IgnoredAny>>,
    #[serde(default, borrow)]
    service_tier: Word<'a>,
}

impl Search {
    pub(super) fn new() -> Self {
        Self {
            usage: memmem::Finder::new("\"usage\""),
            error: memmem::Finder::new("\"error\""),
            delta: memmem::Finder::new("\"delta\""),
            finish: memmem::Finder::new("\"finish_reason\""),
        }
    }

    /// What an event's data is.
    pub(super) fn read(&self, data: &[u8]) -> Chunk {
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            return Chunk::Done;
        }
        if data.first() != Some(&b'{') || data.last() != Some(&b'}') {
            return Chunk::Garbage;
        }
        let matters = has_value(&self.usage, data) || has_value(&self.error, data);
        let text_bytes = text_bytes::under(&self.delta, data);
        if !matters {
            return Chunk::Piece { text_bytes, usage: None };
        }
        let Ok(head) = serde_json::from_slice::<Head<'_>>(data) else { return Chunk::Garbage };
        if head.error.is_some() {
            return Chunk::Error;
        }
        let usage = head.usage.and_then(Told::read).filter(|usage| !usage.is_empty());
        let usage = usage.map(|usage| usage.served(head.service_tier.0.as_deref()));
        let has_choices = head.choices.is_none_or(|choices| !choices.is_empty());
        match usage {
            Some(usage) if !has_choices => Chunk::UsageOnly(usage),
            // Usage that tells nothing: not worth forwarding either, to a client that did not ask.
            None if !has_choices && head.usage.is_some() => Chunk::UsageOnly(Told::default()),
            usage => Chunk::Piece { text_bytes, usage },
        }
    }

    /// Whether a piece says why the answer ended.
    pub(super) fn finishes(&self, data: &[u8]) -> bool {
        has_value(&self.finish, data)
    }
}

/// Whether a name is followed by a value other than null, at any of its places.
fn has_value(name: &memmem::Finder<'_>, json: &[u8]) -> bool {
    name.find_iter(json).any(|at| {
        let rest = json.get(at + name.needle().len()..).unwrap_or_default();
        let value = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b':'));
        value.and_then(|at| rest.get(at)).is_some_and(|byte| *byte != b'n')
    })
}

#[cfg(test)]
mod tests {
    use super::{Chunk, Search};

    fn read(data: &str) -> Chunk {
        Search::new().read(data.as_bytes())
    }

    #[test]
    fn an_event_is_what_it_says() {
        assert_eq!(read(" [DONE] "), Chunk::Done);
        assert_eq!(
            read(r#"{"choices":[{"delta":{"content":"ab"}}],"usage":null}"#),
            Chunk::Piece { text_bytes: 2, usage: None }
        );
        assert!(matches!(
            read(r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#),
            Chunk::UsageOnly(_)
        ));
        assert!(matches!(read(r#"{"choices":[],"usage":{}}"#), Chunk::UsageOnly(_)));
        assert!(matches!(
            read(r#"{"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}"#),
            Chunk::Piece { usage: Some(_), .. }
        ));
        // The first event of some vendors has no choices, and no usage either.
        assert_eq!(read(r#"{"choices":[],"prompt_filter_results":[]}"#), Chunk::Piece { text_bytes: 0, usage: None });
        assert_eq!(read(r#"{"error":{"message":"m"},"choices":[]}"#), Chunk::Error);
        assert_eq!(read(r#"{"error":null,"choices":[{"delta":{}}]}"#), Chunk::Piece { text_bytes: 0, usage: None });
        for garbage in ["", "hello", "[]", "{", r#"{"usage":1"#, r#"{"usage":{},}"#, "[DONE]x"] {
            assert_eq!(read(garbage), Chunk::Garbage, "{garbage}");
        }
    }

    #[test]
    fn a_text_that_speaks_of_usage_or_errors_is_text() {
        let said = r#"{"choices":[{"delta":{"content":"{\"usage\":{\"prompt_tokens\":9},\"error\":{}}"}}]}"#;
        assert_eq!(read(said), Chunk::Piece { text_bytes: 46, usage: None });
        // A tool's own fields are no errors of the upstream.
        assert_eq!(
            read(r#"{"choices":[{"delta":{"content":"a","error":"x"}}]}"#),
            Chunk::Piece { text_bytes: 2, usage: None }
        );
    }
}
