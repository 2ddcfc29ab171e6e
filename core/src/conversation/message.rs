//! Messages and what they are made of.

use super::{Raw, Text};

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Instructions.
    System,
    /// Instructions, in the newer word of some dialects. Targets that know one word take both for it.
    Developer,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// Tools, with their results and nothing else.
    Tool,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// The name of who says it, where a dialect has one.
    pub name: Option<String>,
    /// What is said.
    pub parts: Vec<Part>,
}

impl Message {
    /// A message of some parts.
    #[must_use]
    pub fn new(role: Role, contents: impl IntoIterator<Item = Content>) -> Self {
        Self { role, name: None, parts: contents.into_iter().map(Part::from).collect() }
    }

    /// The calls that it makes.
    pub fn calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.parts.iter().filter_map(|part| match &part.content {
            Content::ToolCall(call) => Some(call),
            _ => None,
        })
    }

    /// The results that it brings.
    pub fn results(&self) -> impl Iterator<Item = &ToolResult> {
        self.parts.iter().filter_map(|part| match &part.content {
            Content::ToolResult(result) => Some(result),
            _ => None,
        })
    }
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub content: Content,
    /// Whether the prompt up to here shall be cached.
    pub cache: Option<CachePoint>,
}

impl From<Content> for Part {
    fn from(content: Content) -> Self {
        Self { content, cache: None }
    }
}

/// How long the prompt up to some place shall be cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CachePoint {
    /// As long as the provider sees fit, five minutes mostly.
    Default,
    /// Five minutes, asked for in so many words.
    FiveMinutes,
    /// One hour.
    OneHour,
}

/// What a part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text.
    Text(Text),
    /// The model's words for not answering.
    Refusal(Text),
    /// An image.
    Image {
        /// Where it is.
        source: Source,
        /// How closely it shall be looked at: a word of the dialect.
        detail: Option<String>,
    },
    /// Sound.
    Audio {
        /// Where it is.
        source: Source,
        /// Its format: `wav`, `mp3`.
        format: String,
    },
    /// A document.
    File {
        /// Where it is.
        source: Source,
        /// Its name.
        name: Option<Text>,
    },
    /// Reasoning.
    Thought(Thought),
    /// A call of a tool.
    ToolCall(ToolCall),
    /// The result of one.
    ToolResult(ToolResult),
    /// A part without a canonical form, as its dialect wrote it.
    Other {
        /// The dialect.
        dialect: &'static str,
        /// The word for its kind there.
        kind: String,
        /// All of it.
        raw: Raw,
    },
}

/// Where media are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Here.
    Base64 {
        /// Their media type, such as `image/png`.
        media_type: String,
        /// The bytes.
        data: Text,
    },
    /// Under an address.
    Url(Text),
    /// At the provider, by its id.
    Id(String),
    /// Here, as plain text.
    Plain(Text),
}

/// A piece of reasoning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thought {
    /// What is shown of it; empty if nothing is.
    pub text: Text,
    /// What its provider wants back with it.
    pub seal: Option<Seal>,
}

/// An opaque value by which a provider knows its own reasoning again. Only a target of the same form takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// Whose form it has.
    pub form: SealForm,
    /// The value.
    pub data: Text,
}

/// The forms of seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SealForm {
    /// A signature of the text beside it.
    Signature,
    /// The reasoning itself, unreadable, without text.
    Redacted,
    /// A mark on a part of the answer, often a tool call, that stands for the reasoning before it.
    Mark,
    /// The reasoning itself, encrypted, beside a summary.
    Ciphertext,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// Its id, by which the result refers to it.
    pub id: String,
    /// The tool.
    pub name: String,
    /// What it is called with: JSON as the model wrote it, perhaps not well-formed; plain text if `is_free`.
    pub arguments: Text,
    /// Whether the tool takes free text instead of JSON.
    pub is_free: bool,
    /// The mark of the reasoning that led to it.
    pub seal: Option<Seal>,
}

/// The result of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolResult {
    /// The call's id.
    pub call_id: String,
    /// The tool, where the dialect says it.
    pub name: Option<String>,
    /// The result: text, images, files.
    pub parts: Vec<Part>,
    /// Whether the tool failed.
    pub is_error: bool,
}
