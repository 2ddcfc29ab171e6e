//! Which lines a chain has lately had: what tells a line that was published again from a rival of the line at its place.
//!
//! Who may publish like a gateway can publish a true line once more: the same bytes, since nobody without the gateways'
//! secret can make others, and no harm. Other bytes at a place that is taken are damage.

use std::collections::VecDeque;

use tallygate_core::digest::Digest;
use tallygate_core::stream::{Head, Position};

/// How many of a chain's last lines are remembered. An older place is believed to be a repetition: whoever wrote beside
/// the chain there finds out from its newer lines.
const RECENT_LINES_MAX: usize = 1_024;

/// The last lines of one chain. 8 KiB at most.
#[derive(Debug, Clone, Default)]
pub struct RecentLines {
    /// The beginning of each one's hash.
    hashes: VecDeque<u64>,
}

impl RecentLines {
    /// None yet, or none that is remembered.
    #[must_use]
    pub const fn new() -> Self {
        Self { hashes: VecDeque::new() }
    }

    /// The chain has grown by a line of this hash.
    pub fn push(&mut self, hash: &Digest) {
        if self.hashes.len() == RECENT_LINES_MAX {
            self.hashes.pop_front();
        }
        self.hashes.push_back(beginning(hash));
    }

    /// Whether a true line that says a place which the chain has passed may be the one that stands there; false for a
    /// place that it has not passed, and for a rival. `head` is where the chain ends.
    #[must_use]
    pub fn has_had(&self, head: &Head, position: Position, hash: &Digest) -> bool {
        position <= head.position && self.at(head, position).is_none_or(|known| known == beginning(hash))
    }

    /// What is remembered of the line at a place.
    fn at(&self, head: &Head, position: Position) -> Option<u64> {
        if position == head.position {
            return Some(beginning(&head.hash));
        }
        let back = usize::try_from(head.position.get().checked_sub(position.get())?).ok()?;
        self.hashes.get(self.hashes.len().checked_sub(back + 1)?).copied()
    }
}

fn beginning(hash: &Digest) -> u64 {
    hash.as_bytes().first_chunk().copied().map_or(0, u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use tallygate_core::digest::Digest;
    use tallygate_core::stream::{Head, Position};

    use super::{RECENT_LINES_MAX, RecentLines};

    fn line(number: u64) -> Digest {
        Digest::of(&number.to_be_bytes())
    }

    #[test]
    fn the_last_lines_are_told_from_rivals_and_what_is_older_is_believed() {
        let mut recent = RecentLines::new();
        let last = RECENT_LINES_MAX as u64 + 5;
        (1..=last).for_each(|number| recent.push(&line(number)));
        let head = Head { position: Position::new(last), hash: line(last) };
        let had = |position, number| recent.has_had(&head, Position::new(position), &line(number));
        assert_eq!([last, 6].map(|place| had(place, place)), [true, true]);
        assert_eq!([last, 6].map(|place| had(place, 0)), [false, false], "rivals");
        assert!(had(5, 0), "not remembered any more");
        assert!(!had(last + 1, last + 1), "the chain has not come there yet");
    }

    #[test]
    fn the_end_of_a_chain_is_known_even_where_no_line_is_remembered() {
        let head = Head { position: Position::new(9), hash: line(9) };
        let had = |position, number| RecentLines::new().has_had(&head, Position::new(position), &line(number));
        assert_eq!([had(9, 9), had(9, 8), had(8, 0)], [true, false, true]);
    }
}
