//! Doors through which commands come in, and what stands behind them.
//!
//! A door carries bytes: it knows the transport, and nothing of what commands mean. The handler reads the body (the one
//! of `POST /api/commands`: `{"id", "type", "data"}`), decides, appends, and answers with the same body that HTTP would
//! give. A door may hand the same command over again; the handler tells by the command's id that it was carried out.

use bytes::Bytes;

use crate::actor::Actor;
use crate::port::BoxFuture;

/// A command as a door received it: nothing of it was read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Who asks, as far as the transport knows.
    pub actor: Actor,
    /// The command's name as the address says it, such as `IssueKey`. A body that says another is to be refused.
    pub name: Option<String>,
    /// The id to take if the body has none. It is the same whenever the door hands over the same command. It comes from
    /// outside: it may be no valid id.
    pub fallback_id: Option<String>,
    /// The body, as it came.
    pub body: Bytes,
}

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is carried out, now or before: the body is its receipt. Final.
    Accepted,
    /// The domain said no. Final.
    Refused,
    /// It cannot be read, by this version or any. Final.
    Malformed,
    /// It was not decided: the log is away, or others were faster too often. The same command may be asked again.
    Retry,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What became of it.
    pub outcome: Outcome,
    /// The stable code of the error, as its page is named; empty when the command was accepted.
    pub code: &'static str,
    /// The receipt or the error, as JSON.
    pub body: Bytes,
}

impl Reply {
    /// The receipt of a command that was carried out.
    #[must_use]
    pub const fn accepted(receipt: Bytes) -> Self {
        Self { outcome: Outcome::Accepted, code: "", body: receipt }
    }

    /// Anything else.
    #[must_use]
    pub const fn failed(outcome: Outcome, code: &'static str, error: Bytes) -> Self {
        Self { outcome, code, body: error }
    }
}

/// What stands behind the doors.
pub trait CommandHandler: Send + Sync {
    /// Carries a command out, or says why not. Dropping the future leaves open whether it is carried out; handing the
    /// same command over again is always safe.
    fn handle(&self, submission: Submission) -> BoxFuture<'_, Reply>;
}
