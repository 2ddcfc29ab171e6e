//! Why a connection ends, as the agent is told.

use axum::extract::ws::{CloseFrame, close_code};

/// Closed since another connection of the agent is newer.
const REPLACED: u16 = 4_000;
/// Closed since the token is none, or none any more.
const UNAUTHORIZED: u16 = 4_001;
/// Closed since nothing was heard.
const IDLE: u16 = 4_008;

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goodbye {
    /// The agent has closed it, or it broke.
    Gone,
    /// A newer connection of the agent.
    Replaced,
    /// No token, or none of an agent.
    Unknown,
    /// The agent has another token now, or was removed.
    TokenEnded,
    /// Nothing was heard for too long.
    Idle,
    /// More messages than an agent has to send.
    Flood,
    /// A message that is none.
    Malformed,
    /// A message that is too long.
    TooLong,
    /// A message to the agent was not taken in time.
    Slow,
    /// Too many agents, or too many that have not said who they are.
    Full,
    /// The gateway stops.
    Stopping,
}

impl Goodbye {
    /// The word for it in records.
    pub(super) const fn word(self) -> &'static str {
        match self.said() {
            Some((_, word, _)) => word,
            None if matches!(self, Self::Slow) => "slow",
            None => "gone",
        }
    }

    /// The code that the connection is closed with, a word, and a sentence. None where nobody listens.
    const fn said(self) -> Option<(u16, &'static str, &'static str)> {
        Some(match self {
            Self::Gone | Self::Slow => return None,
            Self::Replaced => {
                (REPLACED, "replaced", "a newer connection of this agent has taken the place of this one")
            }
            Self::Unknown => (UNAUTHORIZED, "agent_unknown", "the token is no agent's"),
            Self::TokenEnded => (UNAUTHORIZED, "token_ended", "the token was replaced, or the agent removed"),
            Self::Idle => (IDLE, "idle", "nothing was heard of this agent for too long: answer pings"),
            Self::Flood => {
                (close_code::POLICY, "too_many_messages", "an agent sends at most 60 messages in 10 seconds")
            }
            Self::Malformed => (close_code::INVALID, "message_malformed", "a message is a JSON object with a `type`"),
            Self::TooLong => (close_code::SIZE, "message_too_long", "a message has at most 16384 bytes"),
            Self::Full => (close_code::AGAIN, "overloaded", "too many agents are connected: try again later"),
            Self::Stopping => (close_code::RESTART, "stopping", "the gateway stops: connect again"),
        })
    }

    /// The word and the sentence of the last message; none where nobody listens.
    pub(super) fn message(self) -> Option<(&'static str, &'static str)> {
        self.said().map(|(_, word, message)| (word, message))
    }

    /// The last frame.
    pub(super) fn frame(self) -> Option<CloseFrame> {
        self.said().map(|(code, word, _)| CloseFrame { code, reason: word.into() })
    }
}
