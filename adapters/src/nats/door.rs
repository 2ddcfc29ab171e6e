//! What both command doors do alike: who asks, calling the handler, and the headers of an answer.

use std::sync::Arc;

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::service::{NATS_SERVICE_ERROR, NATS_SERVICE_ERROR_CODE};
use bytes::Bytes;
use tallygate_core::actor::{Actor, ActorKind};
use tallygate_core::port::command_door::{CommandHandler, Outcome, Reply, Submission};

/// The name of the actor of commands that come in over NATS. Who may publish commands is decided by the permissions of
/// the NATS account; a message does not prove its sender, so none is recorded.
const ACTOR_ID: &str = "nats";

/// The actor of commands that come in over NATS.
pub(super) fn actor() -> Actor {
    Actor { kind: ActorKind::Service, id: ACTOR_ID.to_owned() }
}

/// The id that the sender gave to the message.
pub(super) fn message_id(headers: Option<&HeaderMap>) -> Option<String> {
    Some(headers?.get(NATS_MESSAGE_ID)?.as_str().to_owned())
}

/// Calls the handler on a task of its own: a command that was begun is brought to its end though the door closes, and a
/// panic ends that command only.
pub(super) async fn call(handler: &Arc<dyn CommandHandler>, submission: Submission) -> Reply {
    let handler = Arc::clone(handler);
    let handled = tokio::spawn(async move { handler.handle(submission).await }).await;
    handled.unwrap_or_else(|error| {
        tracing::error!(%error, "a command's handler failed");
        let body = br#"{"error":{"code":"internal","message":"the gateway failed; the command may be sent again"}}"#;
        Reply::failed(Outcome::Retry, "internal", Bytes::from_static(body))
    })
}

/// The headers that NATS services mark a failure with; none for a receipt.
pub(super) fn reply_headers(reply: &Reply) -> HeaderMap {
    let code = match reply.outcome {
        Outcome::Accepted => return HeaderMap::new(),
        Outcome::Malformed => "400",
        Outcome::Refused => "409",
        Outcome::Retry => "503",
    };
    let mut headers = HeaderMap::new();
    headers.insert(NATS_SERVICE_ERROR, reply.code);
    headers.insert(NATS_SERVICE_ERROR_CODE, code);
    headers
}
