//! The task that decides commands, one batch after another.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tallygate_core::command::{Command, Context, Request};
use tallygate_core::control::{Control, Needs};
use tallygate_core::envelope::{Line, MacKey, PARTS_MAX, seal_event};
use tallygate_core::id::VendorId;
use tallygate_core::plan::{Circumstances, Planned, plan};
use tallygate_core::port::clock::{Clock, Ids};
use tallygate_core::port::event_log::{AppendError, Batch, EventLog};
use tallygate_core::price::PriceList;
use tallygate_core::rights;
use tallygate_core::stream::{ChainId, Head, Position};
use tallygate_projections::{DecisionState, Health, Views};

use super::{Pending, Queue, Receipt, Refused};
use crate::declarations::Declarations;
use crate::http::error_code::ErrorCode;
use crate::sabotage::Sabotage;

pub(super) const STOPPED: &str =
    "the gateway stopped before it could say what became of the command: send it again under the same id";
/// How many commands are decided in a row. Few cause more than three events, and an append holds a thousand.
const BATCH_MAX: usize = 128;
/// How often a batch is decided again since other gateways moved the log, before its commands are refused.
const CONTENTION_MAX: usize = 50;
/// How often an append whose answer was lost is asked about again.
const AMBIGUITY_MAX: usize = 5;
/// How long to wait for this gateway's own views.
const CATCH_UP: Duration = Duration::from_secs(10);

/// Decides and appends.
pub(crate) struct Decider {
    pub(crate) views: Views,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) mac: MacKey,
    pub(crate) vendors: Arc<BTreeSet<VendorId>>,
    pub(crate) prices: Arc<PriceList>,
    pub(crate) declarations: Arc<Declarations>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
}

/// A command with what was decided.
struct Decided {
    pending: Pending,
    outcome: Result<Receipt, Refused>,
}

/// How one attempt at a batch ended.
enum Attempt {
    /// The events are in the log up to here.
    Appended(Position),
    /// There was nothing to append.
    Nothing,
    /// The log has moved to here.
    Moved(Position),
    /// Refused, for all whose events were to be appended.
    Failed(Refused),
}

impl Decider {
    /// Decides commands until the queue ends.
    pub(crate) async fn run(self, mut queue: Queue) {
        let mut batch = Vec::new();
        while queue.0.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let mut rest = std::mem::take(&mut batch);
            while !rest.is_empty() {
                rest = self.decide_batch(rest).await;
            }
        }
    }

    /// Decides a batch and answers it. Commands that did not fit into one append are given back.
    async fn decide_batch(&self, mut batch: Vec<Pending>) -> Vec<Pending> {
        for _ in 0..CONTENTION_MAX {
            let DecisionState { control, head } = match self.state(&batch) {
                Ok(state) => state,
                Err(refused) => return answer_all(batch, &refused),
            };
            let (decided, lines, rest) = self.plan_all(control, head, batch);
            if Sabotage::AnswerBeforeAppend.is_done() && decided.iter().all(registers_realm) {
                self.answer_before_append(decided, head.position, lines).await;
                return rest;
            }
            match self.append(head.position, lines).await {
                Attempt::Moved(actual) => {
                    batch = decided.into_iter().map(|decided| decided.pending).chain(rest).collect();
                    if let Err(refused) = self.catch_up(actual).await {
                        return answer_all(batch, &refused);
                    }
                }
                Attempt::Failed(refused) => {
                    answer(decided, head.position, Some(&refused));
                    return rest;
                }
                Attempt::Appended(position) => {
                    let late = self.catch_up(position).await.err();
                    answer(decided, head.position, late.as_ref());
                    return rest;
                }
                Attempt::Nothing => {
                    answer(decided, head.position, None);
                    return rest;
                }
            }
        }
        answer_all(
            batch,
            &Refused::gateway(ErrorCode::CommandContended, "other gateways kept changing the log: try again"),
        )
    }

    fn state(&self, batch: &[Pending]) -> Result<DecisionState, Refused> {
        if let Health::Recovering(why) = &*self.views.control.health().borrow() {
            // What would be appended now would not be enforced here until the views go on.
            return Err(Refused::gateway(ErrorCode::ViewsStopped, format!("the views wait for their store: {why}")));
        }
        let mut needs = Needs::default();
        for pending in batch {
            needs.commands.push(pending.request.id.clone());
            needs.extend(pending.request.command.needs());
            needs.extend(rights::needs(&pending.actor));
        }
        self.views
            .control
            .decision_state(&needs)
            .map_err(|error| Refused::gateway(ErrorCode::ViewsStopped, format!("the views cannot be read: {error}")))
    }

    /// Decides each command on what the one before leaves, until an append would be full.
    fn plan_all(
        &self,
        mut state: Control,
        mut head: Head,
        batch: Vec<Pending>,
    ) -> (Vec<Decided>, Vec<Line>, Vec<Pending>) {
        let mut decided = Vec::with_capacity(batch.len());
        let mut lines = Vec::new();
        let mut batch = batch.into_iter();
        for pending in batch.by_ref() {
            let outcome = self.plan_one(&mut state, &mut head, &mut lines, &pending);
            decided.push(Decided { pending, outcome });
            // One more command could cause as many events as an append may hold.
            if lines.len() >= PARTS_MAX / 2 {
                break;
            }
        }
        (decided, lines, batch.collect())
    }

    fn plan_one(
        &self,
        state: &mut Control,
        head: &mut Head,
        lines: &mut Vec<Line>,
        pending: &Pending,
    ) -> Result<Receipt, Refused> {
        if let Some(known) = known(state, &pending.request) {
            return known;
        }
        if let Some(why) = self.declarations.refusal(state, &pending.actor, &pending.request.command) {
            return Err(Refused::gateway(ErrorCode::DeclaredInFile, why));
        }
        let context = Context { now: self.clock.now(), vendors: &self.vendors, prices: &self.prices };
        let circumstances = Circumstances { actor: &pending.actor, after: head.position, context };
        let before = state.clone();
        let planned = plan(state, &pending.request, &circumstances, self.ids.as_ref()).map_err(Refused::rejected)?;
        match self.seal_all(head, planned) {
            Ok((sealed, end)) if lines.len() + sealed.len() <= PARTS_MAX => {
                let receipt = Receipt::new(pending.request.id.clone(), head.position.plus(1), end.position);
                lines.extend(sealed);
                *head = end;
                Ok(receipt)
            }
            Ok(_) => {
                *state = before;
                Err(Refused::gateway(ErrorCode::Overloaded, "too many events are being appended at once: try again"))
            }
            Err(refused) => {
                *state = before;
                Err(refused)
            }
        }
    }

    fn seal_all(&self, head: &Head, planned: Vec<Planned>) -> Result<(Vec<Line>, Head), Refused> {
        let mut head = *head;
        let mut lines = Vec::with_capacity(planned.len());
        for planned in planned {
            let (line, next) = seal_event(&head, planned.recorded, &planned.cause, &self.mac)
                .map_err(|error| Refused::gateway(ErrorCode::BodyTooLarge, error.to_string()))?;
            lines.push(line);
            head = next;
        }
        Ok((lines, head))
    }

    async fn append(&self, after: Position, lines: Vec<Line>) -> Attempt {
        if lines.is_empty() {
            return Attempt::Nothing;
        }
        let batch = Batch { chain: ChainId::control(), after, lines };
        for _ in 0..AMBIGUITY_MAX {
            match self.log.append(batch.clone()).await {
                Ok(head) => return Attempt::Appended(head.position),
                Err(AppendError::Conflict { actual, .. }) => return Attempt::Moved(actual),
                Err(AppendError::Ambiguous(error)) => tracing::warn!(%error, "asking again what became of an append"),
                Err(error @ AppendError::Unavailable(_)) => {
                    return Attempt::Failed(Refused::gateway(ErrorCode::LogUnavailable, chain_of(&error)));
                }
                Err(error @ AppendError::Invalid(_)) => return Attempt::Failed(Refused::internal(&error)),
            }
        }
        Attempt::Failed(Refused::gateway(
            ErrorCode::CommandOutcomeUnknown,
            "the log did not say whether it stored the command: send it again under the same id",
        ))
    }

    /// What must not be done. The moment in between is long enough for a client to believe it.
    async fn answer_before_append(&self, decided: Vec<Decided>, after: Position, lines: Vec<Line>) {
        answer(decided, after, None);
        tokio::time::sleep(Duration::from_millis(50)).await;
        if let Attempt::Appended(position) = self.append(after, lines).await {
            let _ = self.catch_up(position).await;
        }
    }

    async fn catch_up(&self, position: Position) -> Result<(), Refused> {
        match tokio::time::timeout(CATCH_UP, self.views.control.wait_for(position)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Refused::gateway(ErrorCode::ViewsStopped, error.to_string())),
            Err(_) => Err(Refused::gateway(
                ErrorCode::CommandOutcomeUnknown,
                "this gateway's views did not catch up in time: send the command again under the same id",
            )),
        }
    }
}

/// What the sabotage is done to: nothing else is looked for right after its answer.
const fn registers_realm(decided: &Decided) -> bool {
    matches!(decided.pending.request.command, Command::RegisterRealm(_))
}

/// The receipt of a command that was carried out before, or the refusal of another one under its id.
fn known(state: &Control, request: &Request) -> Option<Result<Receipt, Refused>> {
    let record = state.commands.get(&request.id)?;
    if record.digest == request.command.digest() {
        return Some(Ok(Receipt::new(request.id.clone(), record.first, record.last)));
    }
    let message = format!("another command was carried out under the id `{}`: choose another id", request.id);
    Some(Err(Refused::gateway(ErrorCode::CommandIdReused, message)))
}

/// Answers commands with what was decided, or with a refusal if their events did not make it. A receipt of events that
/// were in the log before stands in any case.
fn answer(decided: Vec<Decided>, after: Position, failed: Option<&Refused>) {
    for Decided { pending, outcome } in decided {
        let outcome = match (outcome, failed) {
            (Ok(receipt), Some(refused)) if receipt.position > after => Err(refused.clone()),
            (outcome, _) => outcome,
        };
        let _ = pending.answer.send(outcome);
    }
}

fn answer_all(batch: Vec<Pending>, refused: &Refused) -> Vec<Pending> {
    for pending in batch {
        let _ = pending.answer.send(Err(refused.clone()));
    }
    Vec::new()
}

/// An error with all its causes, on one line.
fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
