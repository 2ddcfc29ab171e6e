//! What stands behind the NATS doors: the same path as HTTP's.

use bytes::Bytes;
use serde_json::Value;
use tallygate_core::command::{Command, Request};
use tallygate_core::id::CommandId;
use tallygate_core::port::BoxFuture;
use tallygate_core::port::command_door::{CommandHandler, Outcome, Reply, Submission};

use super::{Commands, Refused};
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;

/// Hands what comes in by a door to the one path of commands.
#[derive(Debug, Clone)]
pub(crate) struct Door(pub(crate) Commands);

impl CommandHandler for Door {
    fn handle(&self, submission: Submission) -> BoxFuture<'_, Reply> {
        Box::pin(async move {
            match read(&submission) {
                Ok(request) => match self.0.submit(submission.actor, request).await {
                    Ok(receipt) => Reply::accepted(serde_json::to_vec(&receipt).unwrap_or_default().into()),
                    Err(refused) => reply(refused),
                },
                Err(malformed) => reply(self.0.unread(submission.actor, malformed)),
            }
        })
    }
}

fn reply(refused: Refused) -> Reply {
    let outcome = if refused.is_worth_a_retry() {
        Outcome::Retry
    } else if refused.code == ErrorCode::CommandMalformed.as_str() {
        Outcome::Malformed
    } else {
        Outcome::Refused
    };
    let code = refused.code;
    let body = ApiError::from(refused).body().to_string();
    Reply::failed(outcome, code, Bytes::from(body))
}

/// Reads a submission. The body is that of `POST /api/commands`; where the address names the command, the body may be
/// its data alone, and where the transport gives an id, the body may have none.
///
/// # Errors
/// Why it is no command, in words for the sender: they may quote what was sent.
fn read(submission: &Submission) -> Result<Request, String> {
    let value: Value =
        serde_json::from_slice(&submission.body).map_err(|error| format!("a command is a JSON object: {error}"))?;
    let is_whole = value.get("type").is_some_and(Value::is_string) && value.get("data").is_some();
    let has_id = value.get("id").is_some();
    if is_whole && has_id {
        let request = Request::parse(&submission.body).map_err(|error| error.to_string())?;
        return match &submission.name {
            Some(name) if name != request.command.name() => {
                Err(format!("the subject says `{name}` and the body `{}`", request.command.name()))
            }
            _ => Ok(request),
        };
    }
    let id = submission.fallback_id.as_deref().ok_or("the command has no id")?;
    let id = CommandId::new(id).map_err(|error| error.to_string())?;
    let (name, data) = match (&submission.name, is_whole) {
        (_, true) => (value["type"].as_str().unwrap_or_default().to_owned(), value["data"].to_string()),
        (Some(name), false) => (name.clone(), value.to_string()),
        (None, false) => return Err("the command has no type".to_owned()),
    };
    let command = Command::parse(&name, &data).map_err(|error| error.to_string())?;
    Ok(Request { id, command })
}
