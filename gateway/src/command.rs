//! The one path of commands, whatever door they came in by.
//!
//! A single task takes what is queued, decides it in a row on the state at the end of the control log, appends all of
//! it as one batch at the position it was decided at, waits until this gateway's own views have it, and answers. If the
//! log has moved, it catches up and decides again.

mod answer;
mod decider;
mod door;

pub(crate) use answer::{Receipt, Refused};
pub(crate) use door::Door;

use std::sync::Arc;

use tallygate_core::activity::{CommandRefused, Event};
use tallygate_core::actor::{Actor, ActorKind};
use tallygate_core::command::{Command, Request};
use tallygate_core::id::{CommandId, RealmId};
use tallygate_core::key::Key;
use tallygate_core::port::clock::Ids;
use tokio::sync::{mpsc, oneshot};

use crate::activity::{ActivityWriter, Happened};
use crate::http::error::ApiError;
use crate::http::error_code::ErrorCode;
use crate::standing::Standing;
pub(crate) use decider::Decider;

/// The most commands that wait for a decision. One more is refused, to be tried again.
const QUEUE_MAX: usize = 1_024;

/// A command that waits for its answer.
#[derive(Debug)]
struct Pending {
    actor: Actor,
    request: Request,
    answer: oneshot::Sender<Result<Receipt, Refused>>,
}

/// Takes commands in. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Commands {
    queue: mpsc::Sender<Pending>,
    standing: Arc<Standing>,
    activity: ActivityWriter,
    ids: Arc<dyn Ids>,
}

impl std::fmt::Debug for Decider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decider")
    }
}

/// What comes from [`Commands::channel`] to the decider.
#[derive(Debug)]
pub(crate) struct Queue(mpsc::Receiver<Pending>);

impl Commands {
    /// A queue, and the end where commands go in.
    pub(crate) fn channel(standing: Arc<Standing>, activity: ActivityWriter, ids: Arc<dyn Ids>) -> (Self, Queue) {
        let (queue, receiver) = mpsc::channel(QUEUE_MAX);
        (Self { queue, standing, activity, ids }, Queue(receiver))
    }

    /// Carries out a command. The answer comes when it is durable and this gateway enforces it.
    ///
    /// Cancellation: a command whose future is dropped may still be carried out.
    pub(crate) async fn submit(&self, actor: Actor, request: Request) -> Result<Receipt, Refused> {
        let (kind, id) = (request.command.name(), request.id.clone());
        let outcome = self.enqueue(actor.clone(), request).await;
        if let Err(refused) = &outcome {
            self.record(actor, Some(id), kind, refused);
        }
        outcome
    }

    /// Carries out a command that the gateway itself words, under a new id.
    pub(crate) async fn issue(&self, actor: Actor, command: impl Into<Command>) -> Result<Receipt, Refused> {
        let id = CommandId::new(self.ids.uuid().to_string()).map_err(|error| Refused::internal(&error))?;
        self.submit(actor, Request { id, command: command.into() }).await
    }

    /// Reads and carries out a command as it was sent.
    pub(crate) async fn submit_bytes(&self, actor: Actor, body: &[u8]) -> Result<Receipt, Refused> {
        match Request::parse(body) {
            Ok(request) => self.submit(actor, request).await,
            Err(malformed) => Err(self.unread(actor, malformed.to_string())),
        }
    }

    /// Records that something is no command, and words the answer. The words for the sender may quote what was sent, and
    /// in a wrong place that may be a secret: the record does not.
    pub(crate) fn unread(&self, actor: Actor, message: String) -> Refused {
        let unread = Refused::gateway(ErrorCode::CommandMalformed, "the command could not be read");
        self.record(actor, None, "", &unread);
        Refused { message, ..unread }
    }

    async fn enqueue(&self, actor: Actor, request: Request) -> Result<Receipt, Refused> {
        if let Some(why) = self.standing.divergence() {
            return Err(Refused::gateway(ErrorCode::Diverged, format!("this gateway has stopped serving: {why}")));
        }
        let (answer, answered) = oneshot::channel();
        if self.queue.try_send(Pending { actor, request, answer }).is_err() {
            return Err(Refused::gateway(ErrorCode::Overloaded, "too many commands wait for a decision: try again"));
        }
        answered.await.unwrap_or_else(|_| Err(Refused::gateway(ErrorCode::CommandOutcomeUnknown, decider::STOPPED)))
    }

    /// Records that a key asked for what only the operator may do. What it asked for was not read.
    pub(crate) fn denied(&self, key: &Key, error: &ApiError) {
        let actor = Actor { kind: ActorKind::Key, id: key.id.to_string() };
        self.denied_to(key.realm.clone(), actor, error);
    }

    /// The same for whoever asked, a key or somebody who signed in.
    pub(crate) fn denied_to(&self, realm: RealmId, actor: Actor, error: &ApiError) {
        if self.activity.has_room() {
            self.record_as(Some(realm), actor, refusal(None, "", error.code, &error.message));
        }
    }

    /// Records that somebody who is known could not sign in. What they sent is no part of it.
    pub(crate) fn sign_in_refused(&self, gateway: Actor, error: &ApiError, whose: &str) {
        if self.activity.has_room() {
            let message = format!("{}: {whose}", error.message);
            self.record_as(None, gateway, refusal(None, "StartSession", error.code, &message));
        }
    }

    fn record(&self, actor: Actor, command: Option<CommandId>, kind: &str, refused: &Refused) {
        self.record_as(None, actor, refusal(command, kind, refused.code, &refused.message));
    }

    fn record_as(&self, realm: Option<RealmId>, actor: Actor, refused: CommandRefused) {
        let event = Event::CommandRefused(refused);
        self.activity.record(Happened { realm, actor, cause: Vec::new(), event });
    }
}

fn refusal(command: Option<CommandId>, kind: &str, code: &str, message: &str) -> CommandRefused {
    let message = message.chars().take(512).collect();
    CommandRefused { command, kind: kind.to_owned(), code: code.to_owned(), message }
}
