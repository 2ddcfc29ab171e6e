use std::collections::BTreeMap;

use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};
use uuid::Uuid;

use super::frame::{self, End};
use super::record::{FORMAT, Record, Unreadable};
use super::{Circumstances, Encoder, Journal, Recovery};
use crate::activity::Charge;
use crate::id::{EventId, RequestId, WriterId};
use crate::lease::allot::Policy;
use crate::lease::decide::Opening;
use crate::lease::event::Evidence;
use crate::lease::recovery::{Memory, Use};
use crate::lease::slices::{Entry, Hold, Moment};
use crate::lease::{Epoch, Root, SliceLedger};
use crate::money::NanoUsd;
use crate::scope::Scope;
use crate::stream::Position;
use crate::testing::samples::{id, key_id};
use crate::time::{Period, Timestamp};

const HOST: &str = "boot-1";
const MOMENT: Moment = Moment { at: Timestamp::from_millis(1_000), ms: 1 };

fn usd(nano: i64) -> NanoUsd {
    NanoUsd::new(nano)
}

fn gateway() -> WriterId {
    id("gw-1")
}

fn request(number: u128) -> RequestId {
    RequestId::new(Uuid::from_u128(number))
}

fn total() -> Charge {
    Charge { scope: Scope::Gateway, period: Period::Total, window: Timestamp::from_millis(0) }
}

/// A ledger with a slice of the gateway's total, and its budgets.
fn ledger() -> (SliceLedger, Vec<crate::budget::Budget>) {
    let limit = crate::budget::BudgetLimit {
        period: Period::Total,
        anchor: Timestamp::from_millis(0),
        limit_nano_usd: usd(1_000_000),
    };
    let set = Position::new(5);
    let mark =
        crate::aggregate::Mark { position: set, at: Timestamp::from_millis(0), by: crate::actor::Actor::operator() };
    let trail = crate::aggregate::Trail::born(&mark);
    let budget = crate::budget::Budget {
        scope: Scope::Gateway,
        realm: None,
        limits: vec![limit.clone()],
        reclaim_after_seconds: None,
        named: None,
        rates: crate::limits::Limits::default(),
        told_at_nano_usd: None,
        terms: crate::budget::Terms::default(),
        carried: Vec::new(),
        set,
        trail,
    };
    let mut ledger = SliceLedger::new(gateway(), Policy { least: usd(1_000), ..Policy::default() });
    let opening = Opening::new(&budget, &limit, usd(0), usd(10_000));
    ledger.ask(&Root::Gateway, opening);
    ledger.heard(1);
    for number in 1.. {
        let id = EventId::new(Uuid::from_u128(number));
        let Some(proposal) = ledger.propose(&Root::Gateway, &Memory::default(), id, MOMENT) else { break };
        let position = proposal.after.plus(1);
        let entry = Entry { id, position, at: MOMENT.at, event: &proposal.event };
        ledger.apply(&Root::Gateway, entry, 1).unwrap();
    }
    (ledger, vec![budget])
}

/// A journal of one run: three requests, of which the first is settled, the second released, and the third runs; and a
/// fourth whose end is unknown.
fn run() -> (Vec<u8>, SliceLedger) {
    let (bytes, ledger, _) = written();
    (bytes, ledger)
}

fn written() -> (Vec<u8>, SliceLedger, Encoder) {
    let (mut ledger, budgets) = ledger();
    let place = |ledger: &mut SliceLedger| -> Hold { ledger.place(budgets.iter(), usd(100), MOMENT).unwrap() };
    let mut journal = Encoder::begin(&gateway(), 1, HOST);
    journal.joined(&Root::Gateway, ledger.epoch(&Root::Gateway).unwrap());
    let holds: Vec<Hold> = (0..4).map(|_| place(&mut ledger)).collect();
    for (number, hold) in (1..).zip(&holds) {
        journal.held(&ledger, hold, request(number));
    }
    let mut holds = holds.into_iter();
    let mut next = || holds.next().unwrap();
    let settled = next();
    journal.settled(&settled, usd(60), Position::new(8), b"settled");
    ledger.settle(settled, usd(60), 1);
    let released = next();
    journal.released(&released);
    ledger.release(released);
    // The third runs.
    std::mem::forget(next());
    let unknown = next();
    journal.suspended(&unknown, usd(10), Position::new(9), b"unknown");
    ledger.suspend(unknown, usd(10), 1);
    journal.happened(Position::new(10), b"refused");
    (journal.take(), ledger, journal)
}

fn circumstances(host: &str, is_alone: bool, activity: u64) -> Circumstances<'_> {
    Circumstances { host, is_alone, activity: Position::new(activity) }
}

fn recover(bytes: &[u8], circumstances: Circumstances<'_>) -> Recovery {
    Recovery::of(&Journal::read(&gateway(), [bytes]), circumstances)
}

fn remembered(recovery: &Recovery) -> (Evidence, Use) {
    let boot = &recovery.memory[&Root::Gateway].boots[&Epoch::new(1)];
    (boot.evidence, boot.slices.get(&total()).copied().unwrap_or_default())
}

#[test]
fn a_killed_process_leaves_what_ran_what_was_spent_and_what_the_log_lacks() {
    let recovery = recover(&run().0, circumstances(HOST, true, 7));
    let used = Use { spent: usd(70), suspended: usd(90), open: usd(100) };
    assert_eq!(remembered(&recovery), (Evidence::Whole, used));
    assert_eq!(recovery.open.iter().map(|hold| hold.request).collect::<Vec<_>>(), [request(3)]);
    let expected = [(8, "settled"), (9, "unknown"), (10, "refused")];
    let expected = expected.map(|(position, said)| (Position::new(position), said.as_bytes().to_vec())).to_vec();
    assert_eq!((recovery.activity, recovery.unusable), (expected, 0));
}

#[test]
fn records_that_the_activity_log_has_are_not_appended_again() {
    let after = |activity| recover(&run().0, circumstances(HOST, true, activity)).activity;
    assert_eq!(after(8).iter().map(|(position, _)| position.get()).collect::<Vec<_>>(), [9, 10]);
    assert_eq!(after(10), []);
    // Behind a gap nothing can be appended: the chain has no such place.
    let behind = recover(&run().0, circumstances(HOST, true, 5));
    assert_eq!((behind.activity.len(), behind.unusable), (0, 3));
}

#[test]
fn a_run_is_whole_only_if_nothing_of_it_can_be_missing() {
    let (bytes, _) = run();
    let evidence = |circumstances| remembered(&recover(&bytes, circumstances)).0;
    assert_eq!(evidence(circumstances(HOST, true, 9)), Evidence::Whole);
    assert_eq!(evidence(circumstances("boot-2", true, 9)), Evidence::Partial, "the machine went down");
    assert_eq!(evidence(circumstances(HOST, false, 9)), Evidence::Partial, "its process may still run");
    assert_eq!(evidence(circumstances(HOST, true, 11)), Evidence::Partial, "the log has more than an old copy");
    let mut journal = Encoder::begin(&gateway(), 1, HOST);
    journal.joined(&Root::Gateway, Epoch::new(1));
    journal.ended();
    let ended = recover(&journal.take(), circumstances("boot-2", true, 9));
    assert_eq!(remembered(&ended).0, Evidence::Whole, "it ended in good order, and was synced then");
}

#[test]
fn a_segment_stands_for_those_before_it() {
    let (first, mut ledger, mut journal) = written();
    journal.next_segment(&ledger);
    let (_, budgets) = self::ledger();
    let hold = ledger.place(budgets.iter(), usd(50), MOMENT).unwrap();
    journal.held(&ledger, &hold, request(5));
    journal.settled(&hold, usd(40), Position::new(11), b"later");
    ledger.settle(hold, usd(40), 1);
    let second = journal.take();
    let read = |segments: &[&[u8]]| {
        let journal = Journal::read(&gateway(), segments.iter().copied());
        remembered(&Recovery::of(&journal, circumstances(HOST, true, 7)))
    };
    let all = (Evidence::Whole, Use { spent: usd(110), suspended: usd(90), open: usd(100) });
    assert_eq!(read(&[&first, &second]), all);
    assert_eq!(read(&[&second, &first]), all, "each says which one it is");
    assert_eq!(read(&[&second]), all, "the third request is in it again");
    let torn = &first[..first.len() - 1];
    assert_eq!(read(&[torn, &second]).0, Evidence::Partial, "only the last segment may be torn");
    let shorter = frame::read(&first);
    let shorter = &first[..first.len() - frame::HEADER_BYTES - shorter.payloads.last().unwrap().len()];
    assert_eq!(read(&[shorter, &second]).0, Evidence::Partial, "the end of one is missing");
    journal.next_segment(&ledger);
    let _ = journal.take();
    journal.next_segment(&ledger);
    assert_eq!(read(&[&first, &second, &journal.take()]).0, Evidence::Partial, "the segment between is missing");
}

#[test]
fn a_new_run_of_the_same_process_stands_for_what_could_not_be_written() {
    let (_, ledger, mut journal) = written();
    journal.next_run(&ledger, 2);
    let bytes = journal.take();
    let used = Use { spent: usd(70), suspended: usd(90), open: usd(100) };
    assert_eq!(remembered(&recover(&bytes, circumstances(HOST, true, 9))), (Evidence::Whole, used));
}

#[test]
fn what_an_earlier_segment_left_behind_the_end_is_not_looked_at() {
    let (before, _) = run();
    let mut journal = Encoder::begin(&gateway(), 9, HOST);
    journal.happened(Position::new(9), b"now");
    let now = journal.take();
    for cut in 0..before.len() {
        let reused = [now.as_slice(), &frame::TERMINATOR, &before[cut..]].concat();
        assert_eq!(frame::read(&reused), frame::read(&now), "cut at {cut}");
        // Without the terminator the leftover is never taken for a record.
        let unended = [now.as_slice(), &before[cut..]].concat();
        assert_eq!(frame::read(&unended).payloads, frame::read(&now).payloads, "cut at {cut}");
    }
}

#[test]
fn a_later_run_does_not_hide_an_earlier_one() {
    let (first, _) = run();
    let mut journal = Encoder::begin(&gateway(), 2, HOST);
    journal.happened(Position::new(11), b"of the second");
    let second = journal.take();
    let read = Journal::read(&gateway(), [first.as_slice(), second.as_slice()]);
    let recovery = Recovery::of(&read, circumstances(HOST, true, 7));
    assert_eq!(remembered(&recovery).0, Evidence::Whole);
    assert_eq!(recovery.activity.len(), 4);
}

#[test]
fn a_journal_of_another_gateway_is_not_believed() {
    let journal = Journal::read(&id("gw-2"), [run().0.as_slice()]);
    assert_eq!((journal.strange, journal.runs.len()), (1, 0));
    assert_eq!(Journal::read(&gateway(), [b"#!/bin/sh, no journal".as_slice()]).strange, 1);
    assert_eq!(Journal::read(&gateway(), [b"".as_slice()]).strange, 0);
}

/// What is believed of a cut or changed journal is never less than what it held: a hold whose record is there in full is
/// open or ended as it says.
#[test]
fn a_journal_cut_at_any_byte_ends_with_its_last_whole_record() {
    let (bytes, _) = run();
    let frame::Segment { payloads: records, end, .. } = frame::read(&bytes);
    assert_eq!((records.len(), end), (11, End::Whole));
    for cut in 0..bytes.len() {
        let frame::Segment { payloads: kept, end, .. } = frame::read(&bytes[..cut]);
        assert_eq!(kept, records[..kept.len()], "cut at {cut}");
        let whole: usize = kept.iter().map(|record| frame::HEADER_BYTES + record.len()).sum();
        match end {
            End::Whole => assert_eq!(whole, cut),
            End::Torn { at } => assert!(at == whole && whole < cut, "cut at {cut}"),
            End::Damaged { .. } => panic!("cut at {cut}"),
        }
        let journal = Journal::read(&gateway(), [&bytes[..cut]]);
        assert_eq!(journal.strange, 0, "cut at {cut}");
    }
}

#[test]
fn every_flipped_bit_of_a_journal_is_found() {
    let (bytes, _) = run();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let frame::Segment { payloads: records, end, .. } = frame::read(&changed);
        let End::Damaged { at, .. } = end else { panic!("bit {bit}: {end:?}") };
        assert!(at <= bit / 8 && records.len() < 11, "bit {bit}");
        let recovery = recover(&changed, circumstances(HOST, true, 7));
        let boots = recovery.memory.values().flat_map(|memory| memory.boots.values());
        assert!(boots.into_iter().all(|boot| boot.evidence == Evidence::Partial), "bit {bit}");
    }
}

#[test]
fn records_that_are_missing_doubled_or_moved_are_found() {
    let (bytes, _) = run();
    let mut pieces: Vec<&[u8]> = Vec::new();
    let mut rest = bytes.as_slice();
    for record in frame::read(&bytes).payloads {
        let (piece, after) = rest.split_at(frame::HEADER_BYTES + record.len());
        pieces.push(piece);
        rest = after;
    }
    let is_damaged = |pieces: &[&[u8]]| matches!(frame::read(&pieces.concat()).end, End::Damaged { .. });
    for at in 1..pieces.len() - 1 {
        let mut missing = pieces.clone();
        missing.remove(at);
        assert!(is_damaged(&missing), "{at} missing");
        let mut doubled = pieces.clone();
        doubled.insert(at, pieces[at]);
        assert!(is_damaged(&doubled), "{at} doubled");
        let mut moved = pieces.clone();
        moved.swap(at, at + 1);
        assert!(is_damaged(&moved), "{at} moved");
    }
}

/// The bytes of a journal are read by the next version too.
#[test]
fn a_record_has_these_bytes() {
    let bytes = |record: &Record<'_>| {
        let mut payload = Vec::new();
        record.write(&mut payload);
        payload.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    assert_eq!(FORMAT, 1);
    let held = Record::Held { number: 7, request: request(0x0102), amount: usd(258), serials: vec![1, 2].into() };
    let expected = "03070000000000000010000000000000000000000000000000000001020201000000000000020100000002000000";
    assert_eq!(bytes(&held), expected);
    assert_eq!(bytes(&Record::Released { number: 1 }), "050100000000000000");
    let begun = Record::Begun { gateway: gateway(), run: 1, segment: 2, previous: 3, host: "h" };
    let expected = "0001000000000000000400000067772d310100000000000000020000000000000003000000000000000100000068";
    assert_eq!(bytes(&begun), expected);
}

fn account() -> impl Strategy<Value = Charge> {
    let scope = (0_u8..3, any::<u8>()).prop_map(|(kind, number)| match kind {
        0 => Scope::Gateway,
        1 => Scope::Realm(id(&format!("realm-{number}"))),
        _ => Scope::Key(key_id(number.into())),
    });
    let period = (0_u8..3, 1_u32..99).prop_map(|(kind, length)| match kind {
        0 => Period::Total,
        1 => Period::Seconds(length.into()),
        _ => Period::Months(length),
    });
    (scope, period, any::<i64>()).prop_map(|(scope, period, at)| Charge {
        scope,
        period,
        window: Timestamp::from_millis(at),
    })
}

proptest! {
    #[test]
    fn a_record_is_read_as_it_was_written(
        account in account(), serial: u32, number: u64, amount: i64, other: i64,
        serials in prop::collection::vec(any::<u32>(), 0..80), text in "[a-z]{0,9}",
    ) {
        let (activity, position) = (text.as_bytes(), Position::new(number));
        let root = Root::Realm(id("acme"));
        for record in [
            Record::Begun { gateway: gateway(), run: number, segment: serial, previous: serial, host: &text },
            Record::Joined { root: root.clone(), epoch: Epoch::new(number) },
            Record::Account { serial, root, epoch: Epoch::new(number), account },
            Record::Total { serial, spent: usd(amount), suspended: usd(other) },
            Record::Held { number, request: request(number.into()), amount: usd(amount), serials: (&serials).into() },
            Record::Settled { number, cost: usd(amount), serials: (&serials).into(), position, activity },
            Record::Released { number },
            Record::Suspended {
                number, cost: usd(amount), rest: usd(other), serials: (&serials).into(), position, activity,
            },
            Record::Happened { position, activity },
            Record::Ended,
        ] {
            let mut payload = Vec::new();
            record.write(&mut payload);
            prop_assert_eq!(&Record::read(&payload), &Ok(record));
            payload.push(0);
            prop_assert_eq!(Record::read(&payload), Err(Unreadable));
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Record::read(&bytes);
        prop_assert!(frame::read(&bytes).payloads.is_empty());
        let journal = Journal::read(&gateway(), [bytes.as_slice()]);
        prop_assert_eq!(Recovery::of(&journal, circumstances(HOST, true, 0)).memory, BTreeMap::new());
    }
}
