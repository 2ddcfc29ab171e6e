//! The agent-to-agent protocol, as the gateway speaks it for its agents: JSON-RPC calls, messages of text, the control
//! messages that swap a conversation's model or prompt, and what is remembered of a conversation.
//!
//! Nothing here knows of HTTP or of the pipeline: `http/a2a.rs` serves it.

pub(crate) mod rpc;
pub(crate) mod message;
pub(crate) mod control_message;
pub(crate) mod conversations;
pub(crate) mod keeping;
