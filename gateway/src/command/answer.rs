//! What a command is answered with.

use serde::Serialize;
use tallygate_core::command::Rejection;
use tallygate_core::id::CommandId;
use tallygate_core::stream::Position;

use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;

/// A command was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Receipt {
    /// The command.
    pub(crate) command: CommandId,
    /// The position of its last event: a consistency token.
    pub(crate) position: Position,
    /// The positions of its events.
    pub(crate) events: Vec<Position>,
}

/// A command was not carried out, or nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The stable code.
    pub(crate) code: &'static str,
    /// The HTTP status that goes with it.
    pub(crate) status: u16,
    /// In words.
    pub(crate) message: String,
    /// The rule, when it was the domain that said no.
    pub(crate) rejection: Option<Box<Rejection>>,
}

impl Receipt {
    pub(super) fn new(command: CommandId, first: Position, last: Position) -> Self {
        Self { command, position: last, events: (first.get()..=last.get()).map(Position::new).collect() }
    }
}

impl Refused {
    pub(super) fn gateway(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code: code.as_str(), status: code.status(), message: message.into(), rejection: None }
    }

    pub(super) fn internal(error: &dyn std::error::Error) -> Self {
        Self::gateway(ErrorCode::Internal, error.to_string())
    }

    pub(super) fn rejected(rejection: Rejection) -> Self {
        let code = rejection.code();
        let status = status_of(code);
        Self { code, status, message: rejection.to_string(), rejection: Some(Box::new(rejection)) }
    }

    /// Whether the same command may be tried again as it is: it was not for the domain to say no.
    pub(crate) const fn is_worth_a_retry(&self) -> bool {
        self.status >= 500
    }
}

/// What is not there is 404, what is there already is 409, what is beyond a key's rights is 403, what breaks a rule is 400. What this version cannot read
/// another one may: 503, to be tried again.
fn status_of(code: &str) -> u16 {
    if code == ErrorCode::Quarantined.as_str() {
        return ErrorCode::Quarantined.status();
    }
    let ends = |ends: &[&str]| ends.iter().any(|end| code.ends_with(end));
    if ends(&["_not_found", "_not_registered", "_unknown"]) {
        404
    } else if code == "no_change" || code.contains("_already_") || ends(&["_taken", "_in_use"]) {
        409
    } else if matches!(code, "not_permitted" | "rights_exceeded" | "session_refused") {
        403
    } else {
        400
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let error = Self::coded(refused.code, refused.status, refused.message);
        if refused.status == 503 { error.retry_after(std::time::Duration::from_secs(1)) } else { error }
    }
}
