//! A whole answer.

use super::{Part, Raw, Text};
use crate::usage::Usage;

/// A whole answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// The upstream's id of it.
    pub id: Option<String>,
    /// The model that answered, as the upstream names it.
    pub model: Option<String>,
    /// The answers: one, unless more were asked for.
    pub choices: Vec<Choice>,
    /// What it used, if the upstream told.
    pub used: Option<Used>,
    /// The class of service that it was served in.
    pub service_tier: Option<String>,
}

/// What an upstream told of what a call used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// The tokens, as far as they were told.
    pub usage: Usage,
    /// Whether that is all of it. What was told in the middle of a stream, or with a part missing, is not.
    pub is_final: bool,
}

/// One of the answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// What it says, in order.
    pub parts: Vec<Part>,
    /// Why it ended.
    pub ending: Ending,
    /// Probabilities of its tokens, as its dialect writes them.
    pub logprobs: Option<Raw>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ending {
    /// In a word that every dialect has.
    pub finish: Finish,
    /// The stop sequence that ended it, where that is known.
    pub stop_sequence: Option<Text>,
    /// The upstream's own word where it says more than `finish`.
    pub told: Option<String>,
}

impl From<Finish> for Ending {
    fn from(finish: Finish) -> Self {
        Self { finish, stop_sequence: None, told: None }
    }
}

/// Why an answer ended, in a word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Finish {
    /// It was complete.
    #[default]
    Stop,
    /// A stop sequence came.
    StopSequence,
    /// The limit of output was reached.
    Length,
    /// The context window was full.
    ContextFull,
    /// It calls tools.
    ToolCalls,
    /// The provider's filter, or the model itself, refused to go on.
    Filtered,
    /// The provider paused a long turn, which the client may have continued.
    Paused,
}
