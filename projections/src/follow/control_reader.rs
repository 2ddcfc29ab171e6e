//! From entries of the control log to groups of whole commands.

use serde::{Deserialize, Serialize};
use tallygate_core::digest::Digest;
use tallygate_core::envelope::{Fault, Line, MacKey};
use tallygate_core::port::event_log::Entry;
use tallygate_core::stream::{ChainId, Head, Log, Offset};

use super::chain::ChainTip;
use super::item::Item;
use super::pump::{Group, Reader};
use super::recent_heads::RecentHeads;
use super::recent_lines::RecentLines;
use super::{Damage, Misplaced};
use crate::metrics::LogMetrics;

/// How far a follower of the control log has come. It is written with the rows it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ControlCheckpoint {
    /// The entry of the last line.
    pub(crate) offset: Offset,
    /// SHA-256 of the last line, whoever put it there: it tells this log from another.
    pub(crate) last_line: Digest,
    /// Where the chain ends.
    pub(crate) tip: ChainTip,
}

impl ControlCheckpoint {
    pub(crate) const START: Self = Self { offset: Offset::START, last_line: Digest::ZERO, tip: ChainTip::START };

    /// The last true line.
    pub(crate) fn head(&self) -> Head {
        self.tip.head()
    }
}

/// Events of whole commands, and where they end.
#[derive(Debug)]
pub(crate) struct ControlGroup {
    pub(crate) items: Vec<Item>,
    /// Where the chain was after each of the last lines.
    pub(crate) heads: RecentHeads,
    pub(crate) checkpoint: ControlCheckpoint,
}

/// Checks lines, reads their events, and holds back a command until all of it is there: nobody ever acts on half of
/// one.
#[derive(Debug)]
pub(crate) struct ControlReader {
    chain: ChainId,
    key: Option<MacKey>,
    metrics: LogMetrics,
    /// Where the last line leads to.
    tip: ChainTip,
    /// Where the last whole command ends.
    whole: ControlCheckpoint,
    /// Whether `whole` was given out.
    given: bool,
    heads: RecentHeads,
    recent: RecentLines,
    ready: Vec<Item>,
    /// The first parts of a command whose last part is still to come.
    held_back: Vec<Item>,
}

impl ControlReader {
    pub(crate) fn new(from: ControlCheckpoint, key: Option<MacKey>, metrics: LogMetrics) -> Self {
        let (heads, ready, held_back) = (RecentHeads::default(), Vec::new(), Vec::new());
        Self {
            chain: ChainId::control(),
            key,
            metrics,
            tip: from.tip,
            whole: from,
            given: true,
            heads,
            recent: RecentLines::new(),
            ready,
            held_back,
        }
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// [`Damage`]: nothing may be folded from here on.
    pub(crate) fn push(&mut self, entry: &Entry) -> Result<(), Damage> {
        for line in &entry.lines {
            self.push_line(line, entry.offset)?;
        }
        Ok(())
    }

    fn push_line(&mut self, line: &Line, offset: Offset) -> Result<(), Damage> {
        let damage = |what| Damage { log: Log::Control, offset, what };
        match self.tip.follow(Log::Control, &self.chain, line, self.key.as_ref()) {
            Err(fault) if self.is_repeated(line, &fault) => {
                self.metrics.repeated.inc();
                self.tip.skip_foreign(line);
                let position = self.tip.end().position;
                tracing::error!(log = "control", %position, %offset, "a line that was published again is skipped");
            }
            Err(fault) => return Err(damage(Misplaced::Line(fault))),
            Ok(None) => {
                self.metrics.forged.inc();
                let position = self.tip.end().position;
                tracing::error!(log = "control", %position, %offset, "a forged line is skipped");
            }
            Ok(Some(followed)) => {
                self.metrics.lines.inc();
                self.heads.push(self.tip.head());
                self.recent.push(&self.tip.head().hash);
                let item = Item::read(&followed);
                if matches!(item, Item::Undecodable(_)) {
                    self.metrics.undecodable.inc();
                }
                self.hold(item).map_err(damage)?;
            }
        }
        if self.held_back.is_empty() {
            self.whole = ControlCheckpoint { offset, last_line: line.hash(), tip: self.tip };
            self.given = false;
        }
        Ok(())
    }

    /// Whether a true line has a fault because it was published again: it stands here already, or in another log.
    fn is_repeated(&self, line: &Line, fault: &Fault) -> bool {
        match fault {
            Fault::Position { found, .. } => self.recent.has_had(&self.tip.head(), *found, &line.hash()),
            Fault::Elsewhere(_) => self.key.is_some(),
            _ => false,
        }
    }

    fn hold(&mut self, item: Item) -> Result<(), Misplaced> {
        let (part, of) = item.part();
        let expected = self.held_back.last().map_or((1, of), |last| (last.part().0 + 1, last.part().1));
        if (part, of) != expected || part > of {
            return Err(Misplaced::Part { part, of, expected: expected.0, expected_of: expected.1 });
        }
        self.held_back.push(item);
        if part == of {
            self.ready.append(&mut self.held_back);
        }
        Ok(())
    }

    /// The whole commands that were read since the last time; none when there are none, and no foreign line either.
    pub(crate) fn take(&mut self) -> Option<ControlGroup> {
        if std::mem::replace(&mut self.given, true) {
            return None;
        }
        let heads = std::mem::take(&mut self.heads);
        Some(ControlGroup { items: std::mem::take(&mut self.ready), heads, checkpoint: self.whole })
    }
}

impl Reader for ControlReader {
    type Group = ControlGroup;

    fn read(&mut self, entries: &[Entry]) -> (Option<ControlGroup>, Option<Damage>) {
        let damage = entries.iter().find_map(|entry| self.push(entry).err());
        (self.take(), damage)
    }
}

impl Group for ControlGroup {
    fn append(&mut self, mut next: Self) {
        self.items.append(&mut next.items);
        self.heads.append(&next.heads);
        self.checkpoint = next.checkpoint;
    }

    fn len(&self) -> usize {
        self.items.len()
    }
}

#[cfg(test)]
mod tests {
    use tallygate_core::envelope::{Line, seal_event};
    use tallygate_core::port::event_log::Entry;
    use tallygate_core::stream::{Head, Log, Offset};
    use tallygate_core::testing::chain_writer::TEST_MAC_KEY;
    use tallygate_core::testing::world::World;

    use super::{ControlCheckpoint, ControlReader};
    use crate::follow::pump::Reader as _;
    use crate::metrics::Metrics;

    fn read(lines: impl Iterator<Item = Line>) -> String {
        let entries: Vec<Entry> =
            (1..).zip(lines).map(|(offset, line)| Entry { offset: Offset::new(offset), lines: vec![line] }).collect();
        let metrics = Metrics::new().unwrap().of(Log::Control);
        let mut reader = ControlReader::new(ControlCheckpoint::START, Some(TEST_MAC_KEY), metrics);
        let (group, damage) = reader.read(&entries);
        assert!(damage.is_none(), "{damage:?}");
        format!("{:?}", group.unwrap())
    }

    #[test]
    fn what_was_sealed_here_is_read_as_if_it_came_from_elsewhere() {
        let mut head = Head::EMPTY;
        let known: Vec<Line> = World::small()
            .history()
            .iter()
            .map(|recorded| {
                let (line, end) = seal_event(&head, recorded.clone(), &[], &TEST_MAC_KEY).unwrap();
                head = end;
                line
            })
            .collect();
        assert!(known.len() > 3 && known.iter().all(|line| line.known(&TEST_MAC_KEY).is_some()));
        let from_bytes = known.iter().map(|line| Line::from_bytes(line.bytes().clone()));
        assert_eq!(read(known.iter().cloned()), read(from_bytes));
    }
}
