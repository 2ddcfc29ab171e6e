//! What a model sees of a request, whatever format it came in.

use serde_json::Value;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) model: String,
    /// The instructions, in order.
    pub(super) system: Vec<String>,
    /// The text of the last turn of the user.
    pub(super) text: String,
    /// What tools said since the model last spoke; while there is any, the model answers it.
    pub(super) results: Vec<String>,
    /// The images of the whole conversation.
    pub(super) images: usize,
    pub(super) tools: Vec<Tool>,
    pub(super) choice: Choice,
    /// Whether several tools may be called at once.
    pub(super) parallel: bool,
    /// The form that the answer must have.
    pub(super) shape: Option<Shape>,
    pub(super) reasons: bool,
    pub(super) stops: Vec<String>,
    /// The most tokens of the answer; here a word is a token.
    pub(super) output_max: Option<u64>,
    pub(super) streams: bool,
    /// Whether a stream tells its usage.
    pub(super) tells_usage: bool,
    /// The items before the answer, where the format keeps them for later.
    pub(super) kept: Option<Vec<Value>>,
}

/// A tool that is offered, with the schema of its arguments.
#[derive(Debug, Clone)]
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) schema: Value,
}

/// What the caller says of calling tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Choice {
    #[default]
    Free,
    Never,
    Always,
    One(String),
}

/// A form of answers.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    /// Any JSON object.
    Json,
    /// JSON of this schema.
    Schema(Value),
}
