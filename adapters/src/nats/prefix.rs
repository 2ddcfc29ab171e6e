//! The first word of every subject and stream, so that several installations (and tests) can share one server.

use std::fmt;

/// The word that subjects begin with; streams begin with the same in capitals. `tallygate` unless told otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(String);

/// A word that cannot begin subjects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot begin NATS subjects: write 1 to 64 lower-case letters, digits, `_` or `-`, first a letter")]
pub struct InvalidPrefix(String);

impl Prefix {
    const MAX_BYTES: usize = 64;

    /// Parses a prefix.
    ///
    /// # Errors
    /// [`InvalidPrefix`] for anything but 1 to 64 lower-case letters, digits, `_` and `-` that begin with a letter.
    pub fn new(text: &str) -> Result<Self, InvalidPrefix> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if begins && text.len() <= Self::MAX_BYTES && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPrefix(text.chars().take(Self::MAX_BYTES).collect()))
        }
    }

    /// A subject under the prefix.
    #[must_use]
    pub fn subject(&self, rest: &str) -> String {
        format!("{}.{rest}", self.0)
    }

    /// The name of a stream: `TALLYGATE_CONTROL` for `control`.
    #[must_use]
    pub fn stream(&self, name: &str) -> String {
        format!("{}_{}", self.0, name).to_ascii_uppercase()
    }

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self("tallygate".to_owned())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Prefix;

    #[test]
    fn a_prefix_names_subjects_and_streams() {
        let prefix = Prefix::default();
        assert_eq!(prefix.subject("control.>"), "tallygate.control.>");
        assert_eq!(prefix.stream("control"), "TALLYGATE_CONTROL");
    }

    #[test]
    fn a_prefix_that_would_be_several_tokens_or_a_system_subject_is_refused() {
        let long = "x".repeat(65);
        for text in ["", "a.b", "$js", "A", "a b", "a*", ">", "1a", "_inbox", "é", &long] {
            assert!(Prefix::new(text).is_err(), "{text:?}");
        }
        assert!(Prefix::new("team-1_x").is_ok());
    }
}
