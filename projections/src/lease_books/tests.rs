use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};
use tallygate_core::actor::Actor;
use tallygate_core::envelope::{Line, seal_event};
use tallygate_core::event::{Event as AnyEvent, Recorded};
use tallygate_core::id::{EventId, WriterId};
use tallygate_core::lease::allot::Policy;
use tallygate_core::lease::slices::{Entry, Upkeep};
use tallygate_core::lease::{Book, Event, Root, SliceLedger};
use tallygate_core::port::event_log::{Batch, EventLog as _};
use tallygate_core::stream::{Head, Log, Offset, Position};
use tallygate_core::testing::chain_writer::TEST_MAC_KEY;
use tallygate_core::testing::lease_simulation::history;
use tallygate_core::testing::memory_log::MemoryLog;
use tallygate_core::testing::samples::id;
use tallygate_core::time::Timestamp;
use uuid::Uuid;

use super::{ChainMark, Kept, LeaseBooks};
use crate::follow::chain::{ChainTip, Followed};

/// Late enough that everything is due.
const LATER_MS: u64 = 1_000_000;

/// A lease log of what a simulated world wrote, chain by chain in turn.
async fn log_of(events: Vec<(Root, Timestamp, Event)>) -> MemoryLog {
    let log = MemoryLog::new(Log::Lease);
    let mut heads: BTreeMap<Root, Head> = BTreeMap::new();
    for (number, (root, at, event)) in (1..).zip(events) {
        let head = heads.entry(root.clone()).or_insert(Head::EMPTY);
        let recorded = Recorded {
            id: EventId::new(Uuid::from_u128(number)),
            log: Log::Lease,
            position: Position::START,
            realm: root.realm().cloned(),
            stream: root.stream(),
            version: head.position.plus(1).get(),
            at,
            actor: Actor::operator(),
            command: None,
            part: (1, 1),
            event: AnyEvent::Lease(event),
        };
        let (line, end) = seal_event(head, recorded, &[], &TEST_MAC_KEY).unwrap();
        log.append(Batch { chain: root.chain(), after: head.position, lines: vec![line] }).await.unwrap();
        *head = end;
    }
    log
}

/// Who follows the log, as the gateway does.
struct Reader {
    ledger: SliceLedger,
    tips: BTreeMap<Root, ChainTip>,
}

impl Reader {
    fn new() -> Self {
        let gateway: WriterId = id("a-new-boot");
        Self { ledger: SliceLedger::new(gateway, Policy::default()), tips: BTreeMap::new() }
    }

    fn restored(kept: Kept) -> Self {
        let mut reader = Self::new();
        for chain in kept.chains {
            reader.tips.insert(chain.root.clone(), chain.mark.tip);
            reader.ledger.restore(&chain.root, chain.book, 1);
        }
        reader
    }

    fn read(&mut self, line: &Line, books: Option<&LeaseBooks>) {
        let root = Root::of_stream(&line.envelope().unwrap().stream).unwrap();
        let tip = self.tips.entry(root.clone()).or_insert(ChainTip::START);
        let followed = tip.follow(Log::Lease, &root.chain(), line, Some(&TEST_MAC_KEY)).unwrap().unwrap();
        let recorded = match followed {
            Followed::Known(recorded) => recorded.clone(),
            Followed::Read(envelope) => Recorded::decode(&envelope).unwrap(),
        };
        let AnyEvent::Lease(event) = &recorded.event else { panic!("another event") };
        let touched = self.ledger.book(&root).unwrap_or(&Book::default()).touched(event);
        let entry = Entry { id: recorded.id, position: recorded.position, at: recorded.at, event };
        self.ledger.apply(&root, entry, 1).unwrap();
        if let (Some(books), Some(book)) = (books, self.ledger.book(&root)) {
            let mark = ChainMark { tip: *tip, read: tip.head().position, is_readable: true };
            books.keep(&root, &mark, book, &touched);
        }
    }

    /// Reads a log from an offset up to another, and keeps the books.
    fn read_all(&mut self, lines: &[Line], (from, to): (usize, usize), books: Option<&LeaseBooks>) {
        for (offset, line) in (1..).zip(lines).take(to).skip(from) {
            self.read(line, books);
            books.into_iter().for_each(|books| books.read_to(Offset::new(offset), line.hash()));
        }
    }

    /// All that follows from what it has read.
    fn says(&self) -> Vec<String> {
        let mut said = Vec::new();
        for root in self.tips.keys() {
            let book = self.ledger.book(root).unwrap();
            said.push(format!("{root} {:?} {book:?}", self.tips[root]));
            let silent = |gateway| self.ledger.silent_ms(root, gateway, LATER_MS);
            said.extend(book.gateways().map(|(gateway, _)| format!("{gateway} {:?}", silent(gateway))));
            for grace in [None, Some(5)] {
                let upkeep = Upkeep { gone_after_ms: 5, rest_ms: 5 };
                said.push(format!("{:?}", self.ledger.upkeep(root, &upkeep, |_| grace, LATER_MS)));
            }
        }
        said
    }
}

async fn open(folder: &Path, log: &MemoryLog) -> (LeaseBooks, Kept) {
    LeaseBooks::open(folder.join("lease"), log).await.unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_books_that_were_kept_and_the_rest_of_the_log_are_the_log_from_its_beginning(
        seed in 0_u64..100_000, first in 0_usize..1_000, second in 0_usize..1_000,
    ) {
        run(async {
            let log = log_of(history(seed)).await;
            let lines = log.lines();
            let mut cuts = [first, second].map(|cut| cut * lines.len() / 1_000);
            cuts.sort_unstable();
            let folder = tempfile::tempdir().unwrap();
            let mut from = 0;
            // Twice stopped, each time at another line.
            for to in cuts {
                let (books, kept) = open(folder.path(), &log).await;
                prop_assert_eq!(kept.offset, Offset::new(from as u64));
                let mut reader = Reader::restored(kept);
                reader.read_all(&lines, (from, to), Some(&books));
                from = to;
            }
            let (_books, kept) = open(folder.path(), &log).await;
            let mut resumed = Reader::restored(kept);
            resumed.read_all(&lines, (from, lines.len()), None);
            let mut anew = Reader::new();
            anew.read_all(&lines, (0, lines.len()), None);
            prop_assert_eq!(resumed.says(), anew.says());
            Ok(())
        })?;
    }
}

/// Books of the first lines of a log.
async fn kept_of(folder: &Path, log: &MemoryLog) -> Vec<Line> {
    let lines = log.lines();
    let (books, kept) = open(folder, log).await;
    assert_eq!((kept.chains.len(), kept.offset), (0, Offset::START));
    Reader::new().read_all(&lines, (0, lines.len()), Some(&books));
    lines
}

#[test]
fn books_of_another_log_or_a_longer_one_are_not_believed() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let log = log_of(history(1)).await;
        let lines = kept_of(folder.path(), &log).await;
        assert_eq!(open(folder.path(), &log).await.1.offset, Offset::new(lines.len() as u64));
        // One event less: the log ends before the books do.
        let mut events = history(1);
        events.pop();
        let (books, kept) = open(folder.path(), &log_of(events).await).await;
        assert_eq!((kept.chains.len(), kept.offset), (0, Offset::START));
        drop(books);
        assert_eq!(open(folder.path(), &log).await.1.chains.len(), 0, "nothing is left of them");

        let other = tempfile::tempdir().unwrap();
        let lines = kept_of(other.path(), &log).await;
        let mut events = history(2);
        assert!(events.len() >= lines.len());
        events.truncate(lines.len());
        let (_books, kept) = open(other.path(), &log_of(events).await).await;
        assert_eq!((kept.chains.len(), kept.offset), (0, Offset::START));
    });
}

#[test]
fn books_that_were_found_damaged_are_not_believed() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let log = log_of(history(3)).await;
        kept_of(folder.path(), &log).await;
        std::fs::write(folder.path().join("lease/damaged"), "for a test").unwrap();
        let (_books, kept) = open(folder.path(), &log).await;
        assert_eq!((kept.chains.len(), kept.offset), (0, Offset::START));
    });
}

#[test]
fn that_a_chain_cannot_be_read_and_how_far_it_was_read_is_kept() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let log = log_of(Vec::new()).await;
        let (books, _) = open(folder.path(), &log).await;
        let mark = ChainMark { tip: ChainTip::START, read: Position::new(7), is_readable: false };
        books.keep(&Root::Gateway, &mark, &Book::default(), &[]);
        drop(books);
        let (_books, kept) = open(folder.path(), &log).await;
        let found: Vec<_> = kept.chains.iter().map(|chain| (&chain.root, chain.mark)).collect();
        assert_eq!(found, [(&Root::Gateway, mark)]);
    });
}
