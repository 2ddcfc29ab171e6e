//! Where a chain was after each of its last lines: what other gateways' word for it is compared with.

use std::collections::VecDeque;

use tallygate_core::digest::Digest;
use tallygate_core::stream::{Head, Position};

/// How many are remembered: gateways that follow one log are far less apart. 160 KiB.
const HEADS_MAX: usize = 4_096;

/// The last heads of a chain, in order.
#[derive(Debug, Default)]
pub(crate) struct RecentHeads(VecDeque<Head>);

impl RecentHeads {
    /// Those of a chain of which only the last is known.
    pub(crate) fn from_head(head: Head) -> Self {
        Self(VecDeque::from([head]))
    }

    /// Takes the next one, and forgets the oldest beyond the limit.
    pub(crate) fn push(&mut self, head: Head) {
        if self.0.len() == HEADS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(head);
    }

    /// Takes the ones that follow.
    pub(crate) fn append(&mut self, next: &Self) {
        for head in &next.0 {
            self.push(*head);
        }
    }

    /// The hash of the true line at a position; none for one that is not remembered.
    pub(crate) fn hash_at(&self, position: Position) -> Option<Digest> {
        let index = self.0.binary_search_by_key(&position, |head| head.position).ok()?;
        self.0.get(index).map(|head| head.hash)
    }
}

#[cfg(test)]
mod tests {
    use tallygate_core::digest::Digest;
    use tallygate_core::stream::{Head, Position};

    use super::{HEADS_MAX, RecentHeads};

    #[test]
    fn the_last_heads_are_known_and_older_ones_and_those_to_come_are_not() {
        let head = |number: u64| Head { position: Position::new(number), hash: Digest::of(&number.to_be_bytes()) };
        let (mut heads, mut next) = (RecentHeads::default(), RecentHeads::default());
        let last = HEADS_MAX as u64 + 10;
        (1..=20).for_each(|number| heads.push(head(number)));
        (21..=last).for_each(|number| next.push(head(number)));
        heads.append(&next);
        let known = |number: u64| heads.hash_at(Position::new(number)).is_some();
        assert_eq!([10, 11, last, last + 1].map(known), [false, true, true, false]);
        assert_eq!(heads.hash_at(Position::new(15)), Some(head(15).hash));
    }
}
