//! held = settled + released + suspense + open, counted from outside: over kills, with what the journal says after them.

use std::collections::BTreeMap;

use proptest::prelude::{Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use uuid::Uuid;

use super::{Desk, acme, budget, policy};
use crate::end_user::EndUserRef;
use crate::id::{EventId, RequestId};
use crate::journal::{Circumstances, Encoder, Journal, Recovery};
use crate::lease::recovery::Memory;
use crate::lease::slices::{Hold, SliceLedger};
use crate::lease::tests::{DAY, gateway};
use crate::lease::{Event, Root};
use crate::money::NanoUsd;
use crate::scope::Scope;
use crate::stream::Position;
use crate::tag::TagRef;
use crate::testing::samples::id;
use crate::time::Period;

const HOST: &str = "machine-1";

/// What may happen.
#[derive(Debug, Clone, Copy)]
enum Act {
    Place(i64),
    /// Of the holds that are open, which; and how many hundredths of what it held it cost.
    Settle(usize, i64),
    Release(usize),
    /// As `Settle`, and nobody knows whether that was all.
    Suspend(usize, i64),
    Work,
    Wait(u64),
    /// The process is killed. What is encoded and was not written with something else is lost.
    Kill,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0_i64..60).prop_map(Act::Place),
        4 => (0_usize..8, 0_i64..=100).prop_map(|(which, share)| Act::Settle(which, share)),
        2 => (0_usize..8).prop_map(Act::Release),
        1 => (0_usize..8, 0_i64..=100).prop_map(|(which, share)| Act::Suspend(which, share)),
        2 => prop::strategy::Just(Act::Work),
        1 => (1_u64..8_000).prop_map(Act::Wait),
        1 => prop::strategy::Just(Act::Kill),
    ]
}

/// Sums over all that was ever held, in nano-dollars of each account, as the world sees it and not the ledger.
#[derive(Debug, Default)]
struct World {
    held: i64,
    settled: i64,
    released: i64,
    suspended: i64,
    /// What settled requests cost: no more than they held.
    cost: i64,
}

/// A gateway with its journal, over its lives.
struct Lives {
    desk: Desk,
    encoder: Encoder,
    /// What was written, run by run.
    written: Vec<Vec<u8>>,
    memory: BTreeMap<Root, Memory>,
    open: Vec<Hold>,
    /// Released, and the record of it not written yet: a kill makes suspense of them.
    unwritten: i64,
    requests: u128,
    activity: u64,
    world: World,
}

impl Lives {
    fn begin() -> Self {
        let mut lives = Self {
            desk: Desk::new(),
            encoder: Encoder::begin(&gateway(1), 1, HOST),
            written: vec![Vec::new()],
            memory: BTreeMap::new(),
            open: Vec::new(),
            unwritten: 0,
            requests: 0,
            activity: 0,
            world: World::default(),
        };
        let end_user = |realm: Option<&str>| Scope::EndUser(EndUserRef { realm: realm.map(id), id: id("7") });
        let tag = |realm: Option<&str>| Scope::Tag(TagRef { realm: realm.map(id), name: id("prod") });
        lives.desk.budgets.extend([
            budget(Scope::Model(id("acme"), id("gpt")), &[(DAY, 900), (Period::Total, 4_000)], 7),
            budget(end_user(Some("acme")), &[(Period::Total, 800)], 8),
            budget(end_user(None), &[(DAY, 700)], 9),
            budget(tag(Some("acme")), &[(DAY, 650)], 10),
            budget(tag(None), &[(Period::Total, 750)], 11),
        ]);
        lives.desk.ask(10);
        lives.work();
        lives
    }

    fn write(&mut self) {
        let bytes = self.encoder.take();
        self.written.last_mut().unwrap().extend(bytes);
        self.unwritten = 0;
    }

    fn place(&mut self, amount: i64) {
        let Ok(hold) = self.desk.place(amount) else { return };
        self.requests += 1;
        self.encoder.held(&self.desk.ledger, &hold, RequestId::new(Uuid::from_u128(self.requests)));
        self.write();
        self.world.held += amount;
        self.open.push(hold);
    }

    fn settle(&mut self, which: usize, share: i64) {
        let hold = self.open.swap_remove(which);
        let amount = hold.amount().nano();
        let cost = amount * share / 100;
        self.activity += 1;
        self.encoder.settled(&hold, NanoUsd::new(cost), Position::new(self.activity), b"settled");
        assert_eq!(self.desk.settle(hold, cost), None);
        self.write();
        self.world.settled += amount;
        self.world.cost += cost;
    }

    /// It is written with whatever comes next.
    fn release(&mut self, which: usize) {
        let hold = self.open.swap_remove(which);
        self.world.released += hold.amount().nano();
        self.unwritten += hold.amount().nano();
        self.encoder.released(&hold);
        self.desk.ledger.release(hold);
    }

    fn suspend(&mut self, which: usize, share: i64) {
        let hold = self.open.swap_remove(which);
        let amount = hold.amount().nano();
        let cost = amount * share / 100;
        self.activity += 1;
        self.encoder.suspended(&hold, NanoUsd::new(cost), Position::new(self.activity), b"suspended");
        assert_eq!(self.desk.suspend(hold, cost), None);
        self.write();
        self.world.settled += cost;
        self.world.suspended += amount - cost;
        self.world.cost += cost;
    }

    /// Proposes, stores and reads until there is nothing more to say, in both chains.
    fn work(&mut self) {
        self.desk.ledger.heard(self.desk.now_ms);
        for root in [Root::Gateway, acme()] {
            for _ in 0..50 {
                self.desk.ids += 1;
                let id = EventId::new(Uuid::from_u128(self.desk.ids));
                let nothing = Memory::default();
                let memory = self.memory.get(&root).unwrap_or(&nothing);
                let moment = self.desk.moment();
                let Some(proposal) = self.desk.ledger.propose(&root, memory, id, moment) else { break };
                self.store(&root, proposal.id, proposal.event);
            }
        }
        self.write();
    }

    fn store(&mut self, root: &Root, id: EventId, event: Event) {
        let before = self.desk.ledger.epoch(root);
        self.desk.store(root, id, event);
        if let Some(epoch) = self.desk.ledger.epoch(root).filter(|epoch| before != Some(*epoch)) {
            self.encoder.joined(root, epoch);
        }
    }

    /// The process ends between two instructions; the next one reads the journal and the log, and winds up what it was.
    fn kill(&mut self) {
        // What was released and not written is open, as far as anybody can know.
        self.world.released -= self.unwritten;
        self.world.suspended += self.unwritten;
        self.world.suspended += self.open.iter().map(|hold| hold.amount().nano()).sum::<i64>();
        self.unwritten = 0;
        self.open.clear();
        let read = Journal::read(&gateway(1), self.written.iter().map(Vec::as_slice));
        let circumstances = Circumstances { host: HOST, is_alone: true, activity: Position::new(self.activity) };
        self.memory = Recovery::of(&read, circumstances).memory;
        self.encoder = Encoder::begin(&gateway(1), read.runs.keys().next_back().unwrap() + 1, HOST);
        self.written.push(Vec::new());
        self.desk.ledger = SliceLedger::new(gateway(1), policy());
        for root in [Root::Gateway, acme()] {
            let length = self.desk.chains.get(&root).map_or(0, Vec::len) as u64;
            for position in 1..=length {
                let before = self.desk.ledger.epoch(&root);
                self.desk.read(&root, position).unwrap();
                assert_eq!(before, self.desk.ledger.epoch(&root), "what an earlier process joined is not this one's");
            }
        }
        self.work();
    }

    fn open(&self) -> i64 {
        self.open.iter().map(|hold| hold.amount().nano()).sum()
    }
}

proptest! {
    #[test]
    fn held_is_settled_and_released_and_in_suspense_and_open_over_kills_too(
        acts in prop::collection::vec(act(), 0..120)
    ) {
        let mut lives = Lives::begin();
        for act in acts {
            match act {
                Act::Place(amount) => lives.place(amount),
                Act::Settle(which, share) if which < lives.open.len() => lives.settle(which, share),
                Act::Release(which) if which < lives.open.len() => lives.release(which),
                Act::Suspend(which, share) if which < lives.open.len() => lives.suspend(which, share),
                Act::Work => lives.work(),
                Act::Wait(ms) => lives.desk.wait(ms),
                Act::Kill => lives.kill(),
                Act::Settle(..) | Act::Release(_) | Act::Suspend(..) => {}
            }
            let World { held, settled, released, suspended, cost } = lives.world;
            prop_assert_eq!(held, settled + released + suspended + lives.open());
            // The books know the same, of every account: what was posted or waits to be, and what is in suspense.
            for slot in lives.desk.ledger.slots() {
                let chain = &lives.desk.ledger.chains[slot.chain as usize];
                let row = chain.book.account(&slot.account).unwrap();
                prop_assert_eq!(row.posted.nano() + slot.unreported.nano(), cost);
                prop_assert_eq!(row.suspense().nano() + slot.suspending.nano(), suspended);
                prop_assert_eq!(slot.held.nano(), lives.open());
                prop_assert!(cost + suspended + lives.open() <= slot.limit.nano());
            }
        }
    }
}
