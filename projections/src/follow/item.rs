//! What a fold gets to see of a line.

use tallygate_core::control::{CommandRecord, Control, Needs};
use tallygate_core::envelope::{CommandRef, Envelope};
use tallygate_core::event::Recorded;
use tallygate_core::stream::{Position, StreamId};
use tallygate_core::time::Timestamp;

use super::chain::Followed;

/// A true line: an event, or one that this version cannot read.
#[derive(Debug)]
pub(crate) enum Item {
    /// An event.
    Event(Box<Recorded>),
    /// A whole and true event that this version does not know.
    Undecodable(Box<Undecodable>),
}

/// What is known of an event that cannot be read: all but what happened.
#[derive(Debug)]
pub(crate) struct Undecodable {
    stream: StreamId,
    position: Position,
    at: Timestamp,
    command: Option<CommandRef>,
    part: (u16, u16),
}

impl Item {
    /// Reads the event of a line, and says why if that cannot be done.
    pub(crate) fn read(line: &Followed<'_>) -> Self {
        match line {
            Followed::Known(recorded) => Self::Event(Box::new((*recorded).clone())),
            Followed::Read(envelope) => Self::decode(envelope),
        }
    }

    fn decode(envelope: &Envelope<'_>) -> Self {
        match Recorded::decode(envelope) {
            Ok(recorded) => Self::Event(Box::new(recorded)),
            Err(error) => {
                tracing::error!(
                    log = %envelope.log, position = %envelope.position, stream = %envelope.stream,
                    reason = &error as &dyn std::error::Error,
                    "an event cannot be read by this version: what its stream is about is closed"
                );
                Self::Undecodable(Box::new(Undecodable {
                    stream: envelope.stream.clone(),
                    position: envelope.position,
                    at: envelope.at,
                    command: envelope
                        .command
                        .clone()
                        .zip(envelope.command_digest)
                        .map(|(id, digest)| CommandRef { id, digest }),
                    part: envelope.part,
                }))
            }
        }
    }

    /// The position of the last event of its command.
    pub(crate) fn end_of_command(&self) -> Position {
        let (position, (part, of)) = match self {
            Self::Event(recorded) => (recorded.position, recorded.part),
            Self::Undecodable(line) => (line.position, line.part),
        };
        position.plus(u64::from(of.saturating_sub(part)))
    }

    /// When it was decided.
    pub(crate) fn at(&self) -> Timestamp {
        match self {
            Self::Event(recorded) => recorded.at,
            Self::Undecodable(line) => line.at,
        }
    }

    /// Part i of n of its command.
    pub(crate) fn part(&self) -> (u16, u16) {
        match self {
            Self::Event(recorded) => recorded.part,
            Self::Undecodable(line) => line.part,
        }
    }

    /// The rows of partial tables that it touches.
    pub(crate) fn needs(&self) -> Needs {
        match self {
            Self::Event(recorded) => recorded.needs(),
            Self::Undecodable(_) => Needs::default(),
        }
    }

    /// Folds it into the control state: the one function for following, rebuilding and looking back.
    pub(crate) fn evolve(&self, control: &mut Control) {
        match self {
            Self::Event(recorded) => control.evolve(recorded),
            Self::Undecodable(line) => line.evolve(control),
        }
    }
}

impl Undecodable {
    fn evolve(&self, control: &mut Control) {
        control.quarantine(self.stream.clone(), self.position);
        // The command was carried out, whatever it did: its id must not be carried out again.
        if let Some(command) = &self.command {
            let first = Position::new(self.position.get().saturating_sub(u64::from(self.part.0.saturating_sub(1))));
            let record = CommandRecord { digest: command.digest, first, last: self.position };
            control.commands.put(command.id.clone(), record);
        }
    }
}
