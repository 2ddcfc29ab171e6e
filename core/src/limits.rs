//! Rate limits of a key or a realm.

use serde::{Deserialize, Serialize};

use crate::patch::Patch;

/// How much may go through in a minute or at once. None means no limit; zero refuses everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Requests in a minute.
    pub requests_per_minute: Option<u64>,
    /// Prompt and answer tokens in a minute.
    pub tokens_per_minute: Option<u64>,
    /// Requests at the same time.
    pub parallel_requests: Option<u32>,
}

impl Limits {
    /// These limits, and others where these say nothing.
    #[must_use]
    pub const fn or(self, others: Self) -> Self {
        const fn first<T: Copy>(one: Option<T>, other: Option<T>) -> Option<T> {
            if one.is_some() { one } else { other }
        }
        Self {
            requests_per_minute: first(self.requests_per_minute, others.requests_per_minute),
            tokens_per_minute: first(self.tokens_per_minute, others.tokens_per_minute),
            parallel_requests: first(self.parallel_requests, others.parallel_requests),
        }
    }
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Requests a minute.
    Requests,
    /// Tokens a minute.
    Tokens,
    /// Requests at the same time.
    Parallel,
}

impl Kind {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Requests, Self::Tokens, Self::Parallel];

    /// LiteLLM's name of it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Parallel => "max_parallel_requests",
        }
    }
}

/// A change of limits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsPatch {
    /// Requests in a minute.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub requests_per_minute: Patch<u64>,
    /// Prompt and answer tokens in a minute.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub tokens_per_minute: Patch<u64>,
    /// Requests at the same time.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub parallel_requests: Patch<u32>,
}

impl LimitsPatch {
    /// Whether nothing changes.
    #[must_use]
    pub const fn is_keep(&self) -> bool {
        self.requests_per_minute.is_keep() && self.tokens_per_minute.is_keep() && self.parallel_requests.is_keep()
    }

    /// The patch less what would change nothing.
    #[must_use]
    pub fn against(&self, current: &Limits) -> Self {
        Self {
            requests_per_minute: self.requests_per_minute.against(current.requests_per_minute.as_ref()),
            tokens_per_minute: self.tokens_per_minute.against(current.tokens_per_minute.as_ref()),
            parallel_requests: self.parallel_requests.against(current.parallel_requests.as_ref()),
        }
    }

    /// Applies the change.
    pub fn apply(&self, limits: &mut Limits) {
        self.requests_per_minute.apply(&mut limits.requests_per_minute);
        self.tokens_per_minute.apply(&mut limits.tokens_per_minute);
        self.parallel_requests.apply(&mut limits.parallel_requests);
    }
}
