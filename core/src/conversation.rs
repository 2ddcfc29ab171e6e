//! The canonical conversation: what a chat means, whatever wire format it came in or goes out by.
//!
//! A dialect decodes its own bytes into these types and encodes them from these types, so that N dialects need N modules
//! and no pair knows the other. Nothing here knows a wire format, a vendor, a key or a price.
//!
//! What is canonical:
//!
//! - **Turns.** Tool results are messages of their own with the role [`Role::Tool`]; a message of another role holds none.
//!   Instructions keep their place among the messages. Merging and hoisting is the target's business.
//! - **JSON is carried as written.** Schemas and arguments of tools are text ([`Raw`], [`Text`]): their members keep
//!   their order, which models see.
//! - **Nothing is lost silently.** What has no canonical form rides along in [`Request::extras`] or [`Content::Other`];
//!   a target that cannot say it drops it by name or refuses it by name.
//! - **Nothing is printed.** Prompt, answer, arguments and signatures are types whose `Debug` shows their length.
//!
//! Memory is bounded by the body that was decoded: each decoder is given whole, limited bytes, and [`LIMITS`] bounds the
//! counts.

mod raw;
mod text;
mod request;
mod message;
mod tool;
mod response;
mod delta;
mod problem;
mod gather;

pub use delta::Delta;
pub use gather::{Gather, TooLong, deltas};
pub use message::{CachePoint, Content, Message, Part, Role, Seal, SealForm, Source, Thought, ToolCall, ToolResult};
pub use problem::{Cause, Problem};
pub use raw::{NotJson, Raw};
pub use request::{Effort, Extra, Extras, Format, Reasoning, Request, Sampling, Schema, Switch};
pub use response::{Choice, Ending, Finish, Response, Used};
pub use serde_json::Number;
pub use text::Text;
pub use tool::{Tool, ToolChoice, ToolKind};

/// How many of something a conversation may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Messages of a request.
    pub messages: usize,
    /// Parts of a message.
    pub parts: usize,
    /// Tools of a request.
    pub tools: usize,
    /// Stop sequences.
    pub stops: usize,
    /// Answers to one prompt.
    pub choices: usize,
    /// Tool calls of one answer.
    pub calls: usize,
}

/// The limits that every decoder keeps. They are far above what any provider takes; they are there so that no body makes
/// a list without end.
pub const LIMITS: Limits =
    Limits { messages: 20_000, parts: 10_000, tools: 2_000, stops: 64, choices: 128, calls: 1_000 };

#[cfg(test)]
mod tests;
