//! Tools that a model may call.

use super::{CachePoint, Raw, Text};

/// One tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<Text>,
    /// What it takes, or who runs it.
    pub kind: ToolKind,
    /// Whether every call must fit the schema.
    pub strict: Option<bool>,
    /// Whether the prompt up to here shall be cached.
    pub cache: Option<CachePoint>,
}

/// What a tool takes, or who runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolKind {
    /// Run by the client, called with JSON of this schema.
    Function {
        /// The schema; none if it takes nothing.
        parameters: Option<Raw>,
    },
    /// Run by the client, called with text.
    Free {
        /// The grammar of the text, where one is given.
        format: Option<Raw>,
    },
    /// Run by the provider. No other dialect has the same.
    Hosted {
        /// The dialect.
        dialect: &'static str,
        /// As it was written there.
        raw: Raw,
    },
}

/// Whether a tool must be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// As the model sees fit.
    Auto,
    /// None may be.
    None,
    /// One must be.
    Required,
    /// This one must be.
    Named(String),
    /// Only these may be.
    Among {
        /// The tools.
        names: Vec<String>,
        /// Whether one of them must be.
        required: bool,
    },
}
