//! One chain of the lease log, as far as it was read: where it ends, and which lines it has lately had.
//!
//! An own line is applied when its append is answered, and comes again when the log is read. What comes a third time, or
//! was never awaited, somebody published again.

use tallygate_core::envelope::Line;
use tallygate_core::stream::Position;
use tallygate_projections::{ChainTip, RecentLines};

/// See the module.
#[derive(Debug)]
pub(super) struct ReadChain {
    pub(super) tip: ChainTip,
    /// How far the log was read: an own line is ahead of it until it comes.
    read: Position,
    recent: RecentLines,
}

/// What a line at a place that was passed already is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// An own line, which is read for the first time.
    Awaited,
    /// A line that was published again.
    Repeated,
    /// Another line than the one that the chain has there.
    Rival,
}

impl ReadChain {
    /// As far as it was known once.
    pub(super) const fn at(tip: ChainTip, read: Position) -> Self {
        Self { tip, read, recent: RecentLines::new() }
    }

    /// How far the log was read.
    pub(super) const fn read(&self) -> Position {
        self.read
    }

    /// The chain has grown by a line.
    pub(super) fn grew_by(&mut self, line: &Line, was_read: bool) {
        self.recent.push(&line.hash());
        if was_read {
            self.read = self.tip.head().position;
        }
    }

    /// Reads a true line that says a place which the chain has passed.
    pub(super) fn pass(&mut self, line: &Line, position: Position) -> Passed {
        if !self.recent.has_had(&self.tip.head(), position, &line.hash()) {
            return Passed::Rival;
        }
        if position <= self.read {
            return Passed::Repeated;
        }
        self.read = position;
        Passed::Awaited
    }
}

#[cfg(test)]
mod tests {
    use tallygate_core::stream::{Log, Position};
    use tallygate_core::testing::chain_writer::ChainWriter;
    use tallygate_projections::ChainTip;

    use super::{Passed, ReadChain};

    fn grow(chain: &mut ReadChain, writer: &mut ChainWriter, was_read: bool) -> tallygate_core::envelope::Line {
        let line = writer.batch(1).lines.remove(0);
        assert!(chain.tip.follow(Log::Lease, &writer.chain(), &line, None).unwrap().is_some());
        chain.grew_by(&line, was_read);
        line
    }

    #[test]
    fn an_own_line_is_awaited_once_and_the_same_bytes_later_are_a_repetition_and_others_damage() {
        let mut writer = ChainWriter::new(Log::Lease, "acme");
        let mut chain = ReadChain::at(ChainTip::START, Position::START);
        let first = grow(&mut chain, &mut writer, true);
        let rival = writer.rival(1).batch(1).lines.remove(0);
        let own = grow(&mut chain, &mut writer, false);
        assert_eq!(chain.pass(&rival, Position::new(2)), Passed::Rival);
        assert_eq!(chain.pass(&own, Position::new(2)), Passed::Awaited);
        assert_eq!(chain.pass(&own, Position::new(2)), Passed::Repeated);
        assert_eq!(chain.pass(&first, Position::new(1)), Passed::Repeated);
        assert_eq!(chain.pass(&rival, Position::new(1)), Passed::Rival);
    }
}
