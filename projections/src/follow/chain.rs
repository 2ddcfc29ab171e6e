//! Following one hash chain, line by line.

use serde::{Deserialize, Serialize};
use tallygate_core::envelope::{Envelope, Fault, Line, MacKey};
use tallygate_core::event::Recorded;
use tallygate_core::stream::{ChainId, Head, Log};

/// Where a reader stands in a chain.
///
/// A foreign line, one that is forged or was published again, is skipped. Whether it takes a place in the chain depends on
/// where it got in, so the next line of the chain may follow it or the last one of the chain: either shows that nothing was
/// lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainTip {
    /// The last true line.
    head: Head,
    /// The last line, when it is a foreign one.
    past_foreign: Option<Head>,
}

/// A true line at its place.
#[derive(Debug)]
pub enum Followed<'a> {
    /// This process sealed it: its event is at hand.
    Known(&'a Recorded),
    /// It was read from its bytes.
    Read(Box<Envelope<'a>>),
}

impl ChainTip {
    /// Before the first line.
    pub const START: Self = Self { head: Head::EMPTY, past_foreign: None };

    /// The end of the chain: what the next line is sealed to follow.
    #[must_use]
    pub fn end(&self) -> Head {
        self.past_foreign.unwrap_or(self.head)
    }

    /// The last true line.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// Takes the next line, and gives what is in it; nothing when it is forged. Without a key no line is found to be
    /// forged.
    ///
    /// # Errors
    /// The [`Fault`] of a line that is true and stands where it must not: the log is damaged.
    pub fn follow<'a>(
        &mut self,
        log: Log,
        chain: &ChainId,
        line: &'a Line,
        key: Option<&MacKey>,
    ) -> Result<Option<Followed<'a>>, Fault> {
        if self.past_foreign.is_none()
            && let Some(known) = line.known_at(log, chain, &self.head, key)
        {
            self.head = known.end();
            return Ok(Some(Followed::Known(known.recorded())));
        }
        let checked = match line.check(log, chain, &self.head, key) {
            Err(Fault::Position { .. } | Fault::Chain) if self.past_foreign.is_some() => {
                // The MAC was found right before the place was found wrong.
                line.check(log, chain, &self.end(), None)
            }
            checked => checked,
        };
        match checked {
            Ok((envelope, head)) => {
                *self = Self { head, past_foreign: None };
                Ok(Some(Followed::Read(Box::new(envelope))))
            }
            Err(Fault::Forged) => {
                self.skip_foreign(line);
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Takes a line that was found to be foreign.
    pub fn skip_foreign(&mut self, line: &Line) {
        self.past_foreign = Some(Head { position: self.end().position.plus(1), hash: line.hash() });
    }
}
