//! Which models a key or a realm may call: a type, never an empty list that means everything.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{InvalidId, ModelName};

/// The most patterns in one set. A realm with more models than this wants a wildcard.
pub const PATTERNS_MAX: usize = 1_000;

/// A model's public name, or a pattern in which each `*` stands for any run of characters: `openai/*`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelPattern(ModelName);

/// The models that may be called.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allowed {
    /// Every model, now and later.
    All,
    /// The models that match one of these; none at all when there are none.
    Only(BTreeSet<ModelPattern>),
}

impl ModelPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// [`InvalidId`] when the text could not be a model's name.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
        ModelName::new(text).map(Self)
    }

    /// The pattern that is just one name.
    #[must_use]
    pub const fn exactly(name: ModelName) -> Self {
        Self(name)
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it holds a wildcard.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.as_str().contains('*')
    }

    /// Whether a name matches, to the letter and in its own case. Takes time linear in the name for each star.
    #[must_use]
    pub fn matches(&self, name: &ModelName) -> bool {
        let (pattern, name) = (self.as_str(), name.as_str());
        let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
        let Some(mut left) = name.strip_prefix(head) else { return false };
        let Some((middle, tail)) = rest.rsplit_once('*') else { return left.ends_with(rest) };
        for piece in middle.split('*') {
            match left.find(piece) {
                Some(at) => left = &left[at + piece.len()..],
                None => return false,
            }
        }
        left.ends_with(tail)
    }
}

impl Allowed {
    /// No model at all.
    #[must_use]
    pub const fn none() -> Self {
        Self::Only(BTreeSet::new())
    }

    /// Whether it holds more than [`PATTERNS_MAX`] names and patterns: no key and no realm may have such a set.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        matches!(self, Self::Only(patterns) if patterns.len() > PATTERNS_MAX)
    }

    /// Whether everything that another set allows is surely allowed by this one: never said of a set that allows more.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Only(patterns), Self::All) => patterns.contains("*"),
            // A pattern that matches another's text, stars and all, matches whatever those stars stand for.
            (Self::Only(patterns), Self::Only(others)) => {
                others.iter().all(|other| patterns.iter().any(|pattern| pattern.matches(&other.0)))
            }
        }
    }

    /// What this set and another one both surely allow: never more than either. Of two patterns that overlap, and of which
    /// none is within the other, nothing is left.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        let (Self::Only(own), Self::Only(others)) = (self, other) else {
            return if *self == Self::All { other.clone() } else { self.clone() };
        };
        let covered = |pattern: &&ModelPattern, by: &BTreeSet<ModelPattern>| by.iter().any(|by| by.matches(&pattern.0));
        let of_own = own.iter().filter(|pattern| covered(pattern, others));
        Self::Only(of_own.chain(others.iter().filter(|pattern| covered(pattern, own))).cloned().collect())
    }

    /// Whether a model may be called by this name.
    #[must_use]
    pub fn allows(&self, name: &ModelName) -> bool {
        match self {
            Self::All => true,
            // Most sets are exact names: look there before trying each pattern.
            Self::Only(patterns) => {
                patterns.contains(name.as_str())
                    || patterns.iter().any(|pattern| pattern.is_wildcard() && pattern.matches(name))
            }
        }
    }
}

impl std::borrow::Borrow<str> for ModelPattern {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for ModelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ModelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ModelPattern({:?})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::{Allowed, ModelPattern};
    use crate::id::ModelName;
    use proptest::prelude::{prop_assert_eq, proptest};

    fn matches(pattern: &str, name: &str) -> bool {
        ModelPattern::new(pattern).unwrap().matches(&ModelName::new(name).unwrap())
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        assert!(matches("openai/*", "openai/gpt-5"));
        assert!(matches("*", "anything"));
        assert!(matches("*gpt*mini", "openai/gpt-5-mini"));
        assert!(matches("a*a", "aa") && !matches("a*a", "a"));
        assert!(!matches("openai/*", "OpenAI/gpt-5"));
        assert!(!matches("openai/*", "anthropic/x"));
        assert!(!matches("gpt-5", "gpt-5-mini"));
    }

    #[test]
    fn an_empty_set_allows_nothing() {
        assert!(!Allowed::none().allows(&ModelName::new("x").unwrap()));
        assert!(Allowed::All.allows(&ModelName::new("x").unwrap()));
    }

    fn set(patterns: &[&str]) -> Allowed {
        Allowed::Only(patterns.iter().map(|text| ModelPattern::new(text).unwrap()).collect())
    }

    #[test]
    fn a_set_covers_another_when_it_has_each_of_its_patterns_or_a_wider_one() {
        assert!(Allowed::All.covers(&Allowed::All) && set(&["*"]).covers(&Allowed::All));
        assert!(set(&["a*", "b"]).covers(&set(&["ab*", "a", "b"])) && set(&[]).covers(&set(&[])));
        assert!(!set(&["a"]).covers(&Allowed::All) && !set(&["a"]).covers(&set(&["a*"])));
        assert!(!set(&["a*c"]).covers(&set(&["a*"])) && !set(&["a"]).covers(&set(&["b"])));
    }

    /// The textbook definition, exponential but plainly right.
    fn by_definition(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|skip| by_definition(rest, &name[skip..])),
            Some((byte, rest)) => name.first() == Some(byte) && by_definition(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn what_a_covered_set_allows_the_covering_one_allows(one in "[ab*]{1,4}", other in "[ab*]{1,4}", name in "[ab]{1,5}") {
            let (one, other, name) = (set(&[&one]), set(&[&other]), ModelName::new(name).unwrap());
            proptest::prop_assert!(!one.covers(&other) || !other.allows(&name) || one.allows(&name));
        }

        #[test]
        fn what_is_within_two_sets_is_allowed_by_both(one in "[ab*]{1,4}", two in "[ab*]{1,4}", other in "[ab*]{1,4}", name in "[ab]{1,5}") {
            let (one, other, name) = (set(&[&one, &two]), set(&[&other]), ModelName::new(name).unwrap());
            let both = one.within(&other);
            proptest::prop_assert!(!both.allows(&name) || (one.allows(&name) && other.allows(&name)));
            prop_assert_eq!(one.within(&Allowed::All), one.clone());
            prop_assert_eq!(Allowed::All.within(&one), one);
        }

        #[test]
        fn matching_agrees_with_its_definition(pattern in "[ab*]{1,8}", name in "[ab]{1,10}") {
            prop_assert_eq!(matches(&pattern, &name), by_definition(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
