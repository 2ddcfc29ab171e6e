//! Commands that are carried out together or not at all.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Command, Malformed};

/// The most commands in one [`Together`].
pub const TOGETHER_MAX: usize = 500;
pub(super) const TOGETHER: &str = "Together";

/// Commands that are one: decided in a row, each on what the one before would leave; all of them or none. One that
/// would change nothing is passed over, unless none changes anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Together(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WirePart", into = "Command")]
struct Part(Command);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePart {
    #[serde(rename = "type")]
    kind: String,
    data: Box<RawValue>,
}

impl TryFrom<WirePart> for Part {
    type Error = Malformed;
    fn try_from(wire: WirePart) -> Result<Self, Malformed> {
        // Before anything within is read: each level would be read by a parser of its own, so no parser's limit would
        // stop a body of ten thousand levels from using up the stack.
        if wire.kind == TOGETHER {
            return Err(Malformed::Nested);
        }
        Command::parse(&wire.kind, wire.data.get()).map(Self)
    }
}

impl From<Part> for Command {
    fn from(part: Part) -> Self {
        part.0
    }
}

impl Together {
    /// Takes commands together. Commands that are together already are taken one by one.
    #[must_use]
    pub fn new(commands: Vec<Command>) -> Self {
        let parts = commands.into_iter().flat_map(|command| match command {
            Command::Together(Self(parts)) => parts,
            command => vec![Part(command)],
        });
        Self(parts.collect())
    }

    /// The commands, in order.
    pub fn commands(&self) -> impl ExactSizeIterator<Item = &Command> {
        self.0.iter().map(|part| &part.0)
    }
}
