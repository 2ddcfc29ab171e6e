//! From entries of the activity log, which holds a chain for each writer, to groups of events.

use foldhash::{HashMap, HashSet};
use tallygate_core::activity;
use tallygate_core::digest::Digest;
use tallygate_core::envelope::{Fault, Line, MacKey};
use tallygate_core::event::{Event, Recorded, Undecodable};
use tallygate_core::id::RealmId;
use tallygate_core::port::event_log::Entry;
use tallygate_core::stream::{ChainId, Log, Offset};
use tallygate_core::time::Timestamp;

use super::chain::{ChainTip, Followed};
use super::pump::{Group, Reader};
use super::recent_lines::RecentLines;
use super::{Damage, Misplaced};
use crate::metrics::LogMetrics;

/// Where the chains of all writers end.
pub(crate) type Tips = HashMap<ChainId, ChainTip>;

/// Something that happened: as much of its event as the views want.
#[derive(Debug)]
pub(crate) struct Happened {
    pub(crate) realm: Option<RealmId>,
    pub(crate) at: Timestamp,
    pub(crate) event: activity::Event,
}

impl Happened {
    /// What a line says has happened; none for an event that stands in no activity log, and says nothing that is
    /// counted.
    fn read(line: &Followed<'_>) -> Result<Option<Self>, Undecodable> {
        let (realm, at, event) = match line {
            Followed::Known(Recorded { realm, at, event, .. }) => (realm.clone(), *at, event.clone()),
            Followed::Read(envelope) => {
                let recorded = Recorded::decode(envelope)?;
                (recorded.realm, recorded.at, recorded.event)
            }
        };
        let Event::Activity(event) = event else { return Ok(None) };
        Ok(Some(Self { realm, at, event }))
    }
}

/// What happened, and where the log then ends.
#[derive(Debug)]
pub(crate) struct ActivityGroup {
    pub(crate) events: Vec<Happened>,
    /// The last entry.
    pub(crate) offset: Offset,
    /// SHA-256 of its last line.
    pub(crate) last_line: Digest,
    /// The chains that grew, and where they end.
    pub(crate) tips: Tips,
}

/// Checks lines and reads their events.
#[derive(Debug)]
pub(crate) struct ActivityReader {
    key: Option<MacKey>,
    metrics: LogMetrics,
    tips: Tips,
    /// What each chain has lately had.
    recent: HashMap<ChainId, RecentLines>,
    /// The chain of the last line: most likely that of the next.
    last: Option<ChainId>,
    /// The tips that the entry which is being read has moved, as they were before it.
    moved: Vec<(ChainId, Option<ChainTip>)>,
}

impl ActivityReader {
    pub(crate) fn new(tips: Tips, key: Option<MacKey>, metrics: LogMetrics) -> Self {
        Self { key, metrics, tips, recent: HashMap::default(), last: None, moved: Vec::new() }
    }

    fn read_entries(&mut self, entries: &[Entry]) -> (Option<ActivityGroup>, Option<Damage>) {
        let mut grown = HashSet::default();
        let lines = entries.iter().map(|entry| entry.lines.len()).sum();
        let (mut events, mut end) = (Vec::with_capacity(lines), None);
        let mut damage = None;
        for entry in entries {
            // An entry is folded whole or not at all.
            let folded = events.len();
            self.moved.clear();
            let read =
                entry.lines.iter().try_for_each(|line| self.read_line(line, entry.offset, &mut events, &mut grown));
            if let Err(what) = read {
                events.truncate(folded);
                self.move_back();
                damage = Some(Damage { log: Log::Activity, offset: entry.offset, what: Misplaced::Line(what) });
                break;
            }
            end = entry.lines.last().map(|line| (entry.offset, line)).or(end);
        }
        let group = end.map(|(offset, line)| ActivityGroup {
            events,
            offset,
            last_line: line.hash(),
            tips: grown.into_iter().filter_map(|chain| Some((chain.clone(), *self.tips.get(&chain)?))).collect(),
        });
        (group, damage)
    }

    fn move_tip(&mut self, chain: ChainId, tip: ChainTip) {
        let before = self.tips.insert(chain.clone(), tip);
        self.moved.push((chain, before));
    }

    fn move_back(&mut self) {
        for (chain, before) in self.moved.drain(..).rev() {
            match before {
                Some(tip) => self.tips.insert(chain, tip),
                None => self.tips.remove(&chain),
            };
        }
    }

    fn tip(&self, chain: &ChainId) -> ChainTip {
        self.tips.get(chain).copied().unwrap_or(ChainTip::START)
    }

    fn read_line(
        &mut self,
        line: &Line,
        offset: Offset,
        events: &mut Vec<Happened>,
        grown: &mut HashSet<ChainId>,
    ) -> Result<(), Fault> {
        if self.key.as_ref().is_some_and(|key| !line.is_authentic(key)) {
            self.skip_forged(line, offset, grown);
            return Ok(());
        }
        let (chain, followed) = match self.follow(line) {
            Ok(followed) => followed,
            Err(fault) if self.is_repeated(line, &fault) => {
                self.skip_repeated(line, offset, grown);
                return Ok(());
            }
            Err(fault) => return Err(fault),
        };
        self.metrics.lines.inc();
        match Happened::read(&followed) {
            Ok(happened) => events.extend(happened),
            Err(error) => {
                self.metrics.undecodable.inc();
                let position = self.tip(&chain).end().position;
                tracing::error!(
                    log = "activity", %position, %chain, %offset,
                    reason = &error as &dyn std::error::Error,
                    "an event cannot be read by this version and is not counted"
                );
            }
        }
        if !grown.contains(&chain) {
            grown.insert(chain.clone());
        }
        self.last = Some(chain);
        Ok(())
    }

    /// Follows the chain of a true line.
    fn follow<'a>(&mut self, line: &'a Line) -> Result<(ChainId, Followed<'a>), Fault> {
        let chain = match self.last.take() {
            Some(last) => last,
            None => chain_of(line)?,
        };
        match self.follow_in(chain, line) {
            Err(Fault::Elsewhere(_)) => self.follow_in(chain_of(line)?, line),
            followed => followed,
        }
    }

    fn follow_in<'a>(&mut self, chain: ChainId, line: &'a Line) -> Result<(ChainId, Followed<'a>), Fault> {
        let mut tip = self.tip(&chain);
        let followed = tip.follow(Log::Activity, &chain, line, None)?.ok_or(Fault::Forged)?;
        match self.recent.get_mut(&chain) {
            Some(recent) => recent.push(&tip.head().hash),
            None => self.recent.entry(chain.clone()).or_default().push(&tip.head().hash),
        }
        self.move_tip(chain.clone(), tip);
        Ok((chain, followed))
    }

    /// Whether a true line has a fault because it was published again: its chain has it already, or another log.
    fn is_repeated(&self, line: &Line, fault: &Fault) -> bool {
        match fault {
            Fault::Position { found, .. } => chain_of(line).is_ok_and(|chain| {
                let head = self.tip(&chain).head();
                self.recent.get(&chain).unwrap_or(&RecentLines::new()).has_had(&head, *found, &line.hash())
            }),
            Fault::Elsewhere(_) => self.key.is_some(),
            _ => false,
        }
    }

    fn skip_repeated(&mut self, line: &Line, offset: Offset, grown: &mut HashSet<ChainId>) {
        self.metrics.repeated.inc();
        let chain = chain_of(line).ok();
        tracing::error!(log = "activity", %offset, ?chain, "a line that was published again is skipped");
        self.skip_foreign(line, chain, grown);
    }

    fn skip_forged(&mut self, line: &Line, offset: Offset, grown: &mut HashSet<ChainId>) {
        self.metrics.forged.inc();
        let chain = chain_of(line).ok();
        tracing::error!(log = "activity", %offset, ?chain, "a forged line is skipped");
        self.skip_foreign(line, chain, grown);
    }

    /// A foreign line takes a place in the chain that it names, if it names one.
    fn skip_foreign(&mut self, line: &Line, chain: Option<ChainId>, grown: &mut HashSet<ChainId>) {
        if let Some(chain) = chain.filter(|chain| self.tips.contains_key(chain)) {
            let mut tip = self.tip(&chain);
            tip.skip_foreign(line);
            grown.insert(chain.clone());
            self.move_tip(chain, tip);
        }
    }
}

impl Reader for ActivityReader {
    type Group = ActivityGroup;

    fn read(&mut self, entries: &[Entry]) -> (Option<ActivityGroup>, Option<Damage>) {
        self.read_entries(entries)
    }
}

impl Group for ActivityGroup {
    fn append(&mut self, mut next: Self) {
        self.events.append(&mut next.events);
        (self.offset, self.last_line) = (next.offset, next.last_line);
        self.tips.extend(next.tips);
    }

    fn len(&self) -> usize {
        self.events.len()
    }
}

fn chain_of(line: &Line) -> Result<ChainId, Fault> {
    let envelope = line.envelope()?;
    Ok(ChainId::of(envelope.log, &envelope.stream))
}

#[cfg(test)]
mod tests {
    use tallygate_core::activity::{CommandRefused, Event};
    use tallygate_core::port::event_log::Entry;
    use tallygate_core::stream::{Log, Offset};
    use tallygate_core::testing::activity_writer::{ActivityWriter, Happened};
    use tallygate_core::testing::chain_writer::TEST_MAC_KEY;
    use tallygate_core::time::Timestamp;

    use super::{ActivityReader, Tips};
    use crate::follow::pump::Reader as _;
    use crate::metrics::Metrics;

    fn refused(number: usize) -> Happened {
        let code = format!("code-{number}");
        let (kind, message) = ("IssueKey".to_owned(), "no".to_owned());
        let event = Event::CommandRefused(CommandRefused { command: None, kind, code, message });
        Happened { realm: None, at: Timestamp::from_millis(1), event }
    }

    /// What is read of two chains, one with a forged line in it.
    fn read(remembers: bool) -> String {
        let of = |name| {
            let writer = ActivityWriter::new(name);
            if remembers { writer.remembering() } else { writer }
        };
        let (mut ours, mut theirs) = (of("ours"), of("theirs"));
        let happened: Vec<Happened> = (0..3).map(refused).collect();
        let mut before_forgery = ours.clone();
        let batches = [
            ours.batch(&happened),
            theirs.batch(&happened[..2]),
            {
                before_forgery.batch(&happened);
                before_forgery.forged(&happened[..1])
            },
            ours.batch(&happened[1..]),
            theirs.batch(&happened),
        ];
        let lines = batches.into_iter().flat_map(|batch| batch.lines);
        let entries: Vec<Entry> =
            (1..).zip(lines).map(|(offset, line)| Entry { offset: Offset::new(offset), lines: vec![line] }).collect();
        let metrics = Metrics::new().unwrap().of(Log::Activity);
        let mut reader = ActivityReader::new(Tips::default(), Some(TEST_MAC_KEY), metrics.clone());
        let (group, damage) = reader.read(&entries);
        assert_eq!((damage.map(|damage| damage.to_string()), metrics.forged.get(), metrics.lines.get()), (None, 1, 10));
        let mut group = group.unwrap();
        let mut tips: Vec<_> = std::mem::take(&mut group.tips).into_iter().collect();
        tips.sort_by(|(one, _), (other, _)| one.cmp(other));
        format!("{group:?} {tips:?}")
    }

    #[test]
    fn what_was_sealed_here_is_read_as_if_it_came_from_elsewhere() {
        assert_eq!(read(true), read(false));
    }
}
