//! One event of an answer that streams.
//!
//! A stream is `Start`, then pieces, one `Finish` for each choice, at most a few `Usage` (the last one counts) and `End`.
//! Nothing follows `End`; a stream without one was cut. Within a choice, tool calls are numbered from 0 in the order in
//! which they begin; every call has one `CallStart` before its `CallArguments` and one `CallEnd` after them.

use super::{Ending, Raw, Seal, SealForm, Text, Used};

/// One event. `choice` says which answer it is about, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// The answer begins.
    Start {
        /// The upstream's id of it.
        id: Option<String>,
        /// The model that answers, as the upstream names it.
        model: Option<String>,
    },
    /// More text.
    Text {
        /// Which answer.
        choice: u32,
        /// The text.
        text: Text,
        /// Probabilities of its tokens, as the dialect writes them.
        logprobs: Option<Raw>,
    },
    /// More words for not answering.
    Refusal {
        /// Which answer.
        choice: u32,
        /// The words.
        text: Text,
    },
    /// More reasoning that is shown.
    Thought {
        /// Which answer.
        choice: u32,
        /// The text.
        text: Text,
    },
    /// What belongs to the reasoning so far, and closes it; alone it is reasoning that is not shown.
    Seal {
        /// Which answer.
        choice: u32,
        /// The seal.
        seal: Seal,
    },
    /// A tool call begins.
    CallStart {
        /// Which answer.
        choice: u32,
        /// Which call of it.
        call: u32,
        /// Its id.
        id: String,
        /// The tool.
        name: String,
        /// Whether its arguments are free text.
        is_free: bool,
        /// The mark of the reasoning that led to it.
        seal: Option<Seal>,
    },
    /// More of a call's arguments.
    CallArguments {
        /// Which answer.
        choice: u32,
        /// Which call of it.
        call: u32,
        /// The piece.
        text: Text,
    },
    /// A call's arguments are complete.
    CallEnd {
        /// Which answer.
        choice: u32,
        /// Which call of it.
        call: u32,
    },
    /// An answer has ended.
    Finish {
        /// Which answer.
        choice: u32,
        /// Why.
        ending: Ending,
    },
    /// What was used up to here, of everything.
    Usage(Used),
    /// The end.
    End,
}

impl Delta {
    /// Whether it is a seal that stands for reasoning of its own, not for text before it.
    #[must_use]
    pub const fn is_hidden_thought(&self) -> bool {
        matches!(self, Self::Seal { seal: Seal { form: SealForm::Redacted, .. }, .. })
    }
}
