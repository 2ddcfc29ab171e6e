//! What the proxy should have of one object: its fields, whether it is refused there, and what LiteLLM has no word for.

use serde_json::{Map, Value};

/// A team, a user or a key as the proxy should have it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wanted {
    /// The fields, by LiteLLM's names. A null takes away what is there.
    pub fields: Map<String, Value>,
    /// Whether its requests are to be refused.
    pub blocked: bool,
    /// Rules that LiteLLM has no field for. Without them it would be allowed more there than here.
    pub unsaid: Vec<String>,
}

impl Wanted {
    /// Whether it must be blocked there: because it is here, or because a rule of it cannot be said.
    #[must_use]
    pub const fn is_to_be_blocked(&self) -> bool {
        self.blocked || !self.unsaid.is_empty()
    }
}
