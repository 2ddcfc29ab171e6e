//! From a command to the events that will be written: decided on a state, numbered, and folded into that state, so that
//! the next command of a queue is decided on what this one leaves.

use crate::actor::Actor;
use crate::command::{Command, Context, Rejection, Request, TOGETHER_MAX, decide};
use crate::control::{Change, Control};
use crate::envelope::{CommandRef, PARTS_MAX};
use crate::event::Recorded;
use crate::id::EventId;
use crate::port::clock::Ids;
use crate::rights;
use crate::stream::{Log, Position};

/// What a plan is made from besides the state: who asks, and where the log ends.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// Who asks.
    pub actor: &'a Actor,
    /// The position that the first event will follow.
    pub after: Position,
    /// The moment, and the vendors.
    pub context: Context<'a>,
}

/// An event that will be written, by [`crate::envelope::seal_event`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The event as readers will see it.
    pub recorded: Recorded,
    /// Positions of the events that decided.
    pub cause: Vec<Position>,
}

/// Plans a command, and folds its events into the state. When the command is refused the state is as before.
///
/// # Errors
/// [`Rejection`].
pub fn plan(
    state: &mut Control,
    request: &Request,
    circumstances: &Circumstances<'_>,
    ids: &dyn Ids,
) -> Result<Vec<Planned>, Rejection> {
    let mut planner = Planner { request, circumstances, ids, planned: Vec::new() };
    match &request.command {
        Command::Together(together) => {
            let commands = together.commands();
            if commands.len() > TOGETHER_MAX {
                return Err(Rejection::TooManyTogether);
            }
            let mut scratch = state.clone();
            for command in commands {
                rights::check(&scratch, circumstances.actor, command)?;
                match decide(&scratch, command, &circumstances.context) {
                    Ok(changes) => planner.fold(&mut scratch, changes)?,
                    Err(rejection) if rejection.is_no_change() => {}
                    Err(rejection) => return Err(rejection),
                }
            }
            if planner.planned.is_empty() {
                return Err(Rejection::NothingTogether);
            }
            *state = scratch;
        }
        command => {
            rights::check(state, circumstances.actor, command)?;
            let changes = decide(state, command, &circumstances.context)?;
            planner.fold(state, changes)?;
        }
    }
    Ok(planner.finish(state))
}

struct Planner<'a> {
    request: &'a Request,
    circumstances: &'a Circumstances<'a>,
    ids: &'a dyn Ids,
    planned: Vec<Planned>,
}

impl Planner<'_> {
    fn fold(&mut self, state: &mut Control, changes: Vec<Change>) -> Result<(), Rejection> {
        if self.planned.len() + changes.len() > PARTS_MAX {
            return Err(Rejection::TooManyTogether);
        }
        for change in changes {
            let version = state.version(&change) + 1;
            let recorded = Recorded {
                id: EventId::new(self.ids.uuid()),
                log: Log::Control,
                position: self.circumstances.after.plus(self.planned.len() as u64 + 1),
                realm: change.realm,
                stream: change.stream,
                version,
                at: self.circumstances.context.now,
                actor: self.circumstances.actor.clone(),
                // The command is noted with its last event, when it is known how many there are.
                command: None,
                part: (1, 1),
                event: change.event,
            };
            state.evolve(&recorded);
            self.planned.push(Planned { recorded, cause: change.cause });
        }
        Ok(())
    }

    fn finish(mut self, state: &mut Control) -> Vec<Planned> {
        let command = CommandRef { id: self.request.id.clone(), digest: self.request.command.digest() };
        let parts = u16::try_from(self.planned.len()).unwrap_or(u16::MAX);
        for (part, planned) in (1..).zip(&mut self.planned) {
            planned.recorded.command = Some(command.clone());
            planned.recorded.part = (part, parts);
        }
        if let Some(last) = self.planned.last() {
            state.note_command(&last.recorded);
        }
        self.planned
    }
}

#[cfg(test)]
mod tests;
