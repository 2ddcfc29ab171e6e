//! One chain of the lease log, as far as it was read: where it ends, and which lines it has lately had.
//!
//! An own line is applied when its append is answered, and comes again when the log is read. What comes a third time, or
//! was never awaited, somebody published again: the same bytes, since nobody without the gateways' secret can make
//! others, and no harm. Other bytes at a place that is taken are damage.

use std::collections::VecDeque;

use tallygate_core::digest::Digest;
use tallygate_core::envelope::Line;
use tallygate_core::stream::Position;
use tallygate_projections::ChainTip;

/// How many of a chain's last lines are remembered. An older place is believed to be a repetition: whoever wrote beside
/// the chain there finds out from its newer lines.
const RECENT_MAX: usize = 1_024;

/// See the module.
#[derive(Debug)]
pub(super) struct ReadChain {
    pub(super) tip: ChainTip,
    /// How far the log was read: an own line is ahead of it until it comes.
    read: Position,
    /// The beginning of each hash of the last lines.
    recent: VecDeque<u64>,
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
        Self { tip, read, recent: VecDeque::new() }
    }

    /// How far the log was read.
    pub(super) const fn read(&self) -> Position {
        self.read
    }

    /// The chain has grown by a line.
    pub(super) fn grew_by(&mut self, line: &Line, was_read: bool) {
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(beginning(&line.hash()));
        if was_read {
            self.read = self.tip.head().position;
        }
    }

    /// Reads a true line that says a place which the chain has passed.
    pub(super) fn pass(&mut self, line: &Line, position: Position) -> Passed {
        if self.recent(position).is_some_and(|known| known != beginning(&line.hash())) {
            return Passed::Rival;
        }
        if position <= self.read {
            return Passed::Repeated;
        }
        self.read = position;
        Passed::Awaited
    }

    /// What is remembered of the line at a place.
    fn recent(&self, position: Position) -> Option<u64> {
        let head = self.tip.head();
        if position == head.position {
            return Some(beginning(&head.hash));
        }
        let back = usize::try_from(head.position.get().checked_sub(position.get())?).ok()?;
        self.recent.get(self.recent.len().checked_sub(back + 1)?).copied()
    }
}

fn beginning(hash: &Digest) -> u64 {
    hash.as_bytes().first_chunk().copied().map_or(0, u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use tallygate_core::stream::{Log, Position};
    use tallygate_core::testing::chain_writer::ChainWriter;
    use tallygate_projections::ChainTip;

    use super::{Passed, RECENT_MAX, ReadChain};

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

    #[test]
    fn so_many_lines_are_remembered_and_no_more() {
        let mut writer = ChainWriter::new(Log::Lease, "acme");
        let mut chain = ReadChain::at(ChainTip::START, Position::START);
        for _ in 0..=RECENT_MAX {
            grow(&mut chain, &mut writer, true);
        }
        let other = writer.batch(1).lines.remove(0);
        assert_eq!(chain.recent.len(), RECENT_MAX);
        assert_eq!(chain.pass(&other, Position::new(2)), Passed::Rival);
        assert_eq!(chain.pass(&other, Position::new(1)), Passed::Repeated);
    }
}
