//! What a client asks for.

use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::{Message, Raw, Text, Tool, ToolChoice};

/// A chat request. Numbers are carried as the client wrote them; ranges are the target's business.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The model, as the client names it.
    pub model: String,
    /// The messages, oldest first.
    pub messages: Vec<Message>,
    /// The tools that the model may call.
    pub tools: Vec<Tool>,
    /// Whether it must call one.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several at once.
    pub parallel_tools: Option<bool>,
    /// The most tokens of an answer, reasoning included.
    pub max_output_tokens: Option<u64>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Texts that end the answer.
    pub stop: Vec<Text>,
    /// How many answers are wanted.
    pub choices: Option<u64>,
    /// The form of the answer's text.
    pub format: Option<Format>,
    /// How much the model should reason.
    pub reasoning: Reasoning,
    /// The client's own user, for the provider's abuse detection.
    pub user: Option<Text>,
    /// Labels that a provider stores with the answer.
    pub metadata: Option<Raw>,
    /// The provider's class of service.
    pub service_tier: Option<String>,
    /// Whether the answer is wanted as a stream.
    pub streams: bool,
    /// Whether a stream shall end with its usage, in dialects where that is asked for.
    pub asks_for_usage: bool,
    /// Whether the client knows tools by the old name of functions, and one call an answer.
    pub old_functions: bool,
    /// Fields without a canonical form.
    pub extras: Extras,
}

/// How tokens are chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sampling {
    /// Zero is the most likely token always.
    pub temperature: Option<Number>,
    /// The share of probability that is chosen from.
    pub top_p: Option<Number>,
    /// The number of tokens that is chosen from.
    pub top_k: Option<u64>,
    /// The least probability, relative to the likeliest token's.
    pub min_p: Option<Number>,
    /// Makes choices repeatable.
    pub seed: Option<Number>,
    /// Penalty for what was said often.
    pub frequency_penalty: Option<Number>,
    /// Penalty for what was said at all.
    pub presence_penalty: Option<Number>,
    /// Biases by token, as an object.
    pub logit_bias: Option<Raw>,
    /// Whether the probabilities of tokens are wanted.
    pub logprobs: Option<bool>,
    /// Of how many tokens at each place.
    pub top_logprobs: Option<u64>,
}

/// The form of the answer's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Any text.
    Text,
    /// Any JSON object.
    Json,
    /// JSON of a schema.
    Schema(Schema),
}

/// A JSON schema for the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<Text>,
    /// The schema.
    pub schema: Raw,
    /// Whether every answer must fit it.
    pub strict: Option<bool>,
}

/// How much the model should reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reasoning {
    /// Whether at all; none if the client did not say.
    pub switch: Option<Switch>,
    /// How hard.
    pub effort: Option<Effort>,
    /// The wanted length of the summary, in the dialects that have one.
    pub summary: Option<String>,
}

/// Whether a model reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Not at all.
    Off,
    /// As it sees fit.
    Auto,
    /// For at most so many tokens.
    Budget(u64),
}

/// How hard a model reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// Not at all.
    None,
    /// As little as can be.
    Minimal,
    /// A little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// More than much.
    #[serde(rename = "xhigh")]
    ExtraHigh,
    /// All there is.
    Max,
}

impl Effort {
    /// Every effort, least first.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::ExtraHigh, Self::Max];

    /// The word that most dialects have for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::ExtraHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// The effort that a word means.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effort| effort.name() == name)
    }
}

/// Fields of a dialect's request that have no canonical form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extras {
    /// The dialect that they are of.
    pub dialect: &'static str,
    /// The fields in their order.
    pub fields: Vec<Extra>,
}

/// One field without a canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Raw,
}
