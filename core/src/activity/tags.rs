//! The tags of a request.

use serde::{Deserialize, Serialize};

use crate::id::TagName;

/// The most tags of one request. Each is a row of what was spent, so there is a limit.
pub const TAGS_MAX: usize = 32;

/// What a request is told apart by: distinct words, in the order in which they were said, at most [`TAGS_MAX`].
///
/// Whatever a client sends is taken as far as it is a tag: a request is not refused for a word that nobody counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<TagName>")]
pub struct Tags(Vec<TagName>);

/// More than [`TAGS_MAX`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a request has at most {TAGS_MAX} tags, this one has {0}")]
pub struct TooMany(usize);

impl Tags {
    /// The words that are tags, each once, until there are [`TAGS_MAX`].
    #[must_use]
    pub fn of<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut tags = Self::default();
        for word in words {
            tags.add(word);
        }
        tags
    }

    /// Adds a word, if it is a tag, is not among them, and there is room.
    pub fn add(&mut self, word: &str) {
        if self.0.len() >= TAGS_MAX || self.has(word) {
            return;
        }
        self.0.extend(TagName::new(word));
    }

    /// Whether a word is among them.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        self.0.iter().any(|tag| tag.as_str() == word)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, TagName> {
        self.0.iter()
    }
}

impl TryFrom<Vec<TagName>> for Tags {
    type Error = TooMany;
    fn try_from(tags: Vec<TagName>) -> Result<Self, TooMany> {
        if tags.len() > TAGS_MAX { Err(TooMany(tags.len())) } else { Ok(Self(tags)) }
    }
}

impl<'a> IntoIterator for &'a Tags {
    type Item = &'a TagName;
    type IntoIter = std::slice::Iter<'a, TagName>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::{TAGS_MAX, Tags};

    #[test]
    fn tags_are_distinct_in_the_order_in_which_they_are_said_and_what_is_no_tag_is_left_out() {
        let tags = Tags::of(["b", "a", "b", "", " a", "x\ny", "a"]);
        assert_eq!(serde_json::to_string(&tags).unwrap(), r#"["b","a"]"#);
        assert!(tags.has("a") && !tags.has("x\ny"));
    }

    #[test]
    fn there_is_a_limit_for_what_is_taken_and_for_what_is_read() {
        let words: Vec<String> = (0..=TAGS_MAX).map(|number| number.to_string()).collect();
        let taken = Tags::of(words.iter().map(String::as_str));
        assert_eq!(taken.iter().count(), TAGS_MAX);
        assert_eq!(serde_json::from_str::<Tags>(&serde_json::to_string(&taken).unwrap()).unwrap(), taken);
        assert!(serde_json::from_str::<Tags>(&serde_json::to_string(&words).unwrap()).is_err());
    }
}
