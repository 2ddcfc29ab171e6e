use super::{CommandRef, Draft, Fault, Line, MacKey, SealError, seal, seal_event, seal_unsealed, unsealed};
use crate::actor::Actor;
use crate::digest::Digest;
use crate::event::Recorded;
use crate::id::{CommandId, EventId, RealmId};
use crate::stream::{ChainId, Head, Log, Position, StreamId};
use crate::testing::world::World;
use crate::time::Timestamp;
use bytes::Bytes;
use serde_json::value::RawValue;
use uuid::Uuid;

const KEY: MacKey = MacKey::new([7; 32]);

fn draft(data: &str) -> Draft {
    Draft {
        id: EventId::new(Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001)),
        kind: "key.issued",
        schema: 1,
        realm: Some(RealmId::default_realm()),
        stream: StreamId::realm(&RealmId::default_realm()),
        version: 1,
        at: Timestamp::from_millis(1_795_169_730_123),
        actor: Actor::operator(),
        command: Some(CommandRef { id: CommandId::new("c-1").unwrap(), digest: Digest::of(b"body") }),
        part: (1, 1),
        cause: vec![Position::new(3)],
        data: RawValue::from_string(data.to_owned()).unwrap(),
    }
}

/// The bytes of a line are a contract with auditors: they must never change.
#[test]
fn a_line_has_these_bytes() {
    let (line, _) = seal(Log::Control, &Head::EMPTY, &draft(r#"{"a":1}"#), &KEY).unwrap();
    let text = std::str::from_utf8(line.bytes()).unwrap();
    let expected = concat!(
        r#"{"id":"01990000-0000-7000-8000-000000000001","type":"key.issued","schema":1,"log":"control","position":1,"#,
        r#""realm":"default","stream":"realm-default","version":1,"at":"2026-11-20T10:15:30.123Z","#,
        r#""actor":{"kind":"operator","id":"master"},"command":"c-1","#,
        r#""command_digest":"230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5","part":[1,1],"cause":[3],"data":{"a":1},"#,
        r#""prev":"0000000000000000000000000000000000000000000000000000000000000000","mac":""#,
    );
    assert!(text.starts_with(expected), "{text}");
    assert_eq!(text.len(), expected.len() + 66);
}

#[test]
fn lines_follow_one_another() {
    let (first, head) = seal(Log::Control, &Head::EMPTY, &draft("{}"), &KEY).unwrap();
    let (second, end) = seal(Log::Control, &head, &draft("{}"), &KEY).unwrap();
    let chain = ChainId::control();
    assert_eq!(first.prev(), Some(Digest::ZERO));
    assert_eq!(second.prev(), Some(first.hash()));
    let (_, head) = first.check(Log::Control, &chain, &Head::EMPTY, Some(&KEY)).unwrap();
    assert_eq!(second.check(Log::Control, &chain, &head, Some(&KEY)).unwrap().1, end);
}

#[test]
fn every_flipped_bit_of_a_line_is_found() {
    let (line, end) = seal(Log::Control, &Head::EMPTY, &draft(r#"{"name":"x"}"#), &KEY).unwrap();
    for at in 0..line.bytes().len() * 8 {
        let mut bytes = line.bytes().to_vec();
        bytes[at / 8] ^= 1 << (at % 8);
        let changed = Line::from_bytes(Bytes::from(bytes));
        assert!(changed.check(Log::Control, &ChainId::control(), &Head::EMPTY, Some(&KEY)).is_err(), "bit {at}");
        assert_ne!(changed.hash(), end.hash);
    }
}

#[test]
fn a_line_of_another_place_chain_or_secret_is_refused() {
    let (line, head) = seal(Log::Control, &Head::EMPTY, &draft("{}"), &KEY).unwrap();
    let chain = ChainId::control();
    let check = |log, head: Head, key: MacKey| line.check(log, &chain, &head, Some(&key)).unwrap_err();
    assert_eq!(check(Log::Control, Head::EMPTY, MacKey::new([8; 32])), Fault::Forged);
    assert!(matches!(check(Log::Control, head, KEY), Fault::Position { .. }));
    assert!(matches!(check(Log::Activity, Head::EMPTY, KEY), Fault::Elsewhere(_)));
    let other = Head { position: Position::START, hash: Digest::of(b"another") };
    assert_eq!(check(Log::Control, other, KEY), Fault::Chain);
}

/// The same event, once sealed of a draft and once of what is recorded.
fn both_ways(head: &Head) -> (Line, Line) {
    let recorded = World::small().history()[0].clone();
    let draft = Draft {
        id: recorded.id,
        kind: recorded.event.kind(),
        schema: recorded.event.schema(),
        realm: recorded.realm.clone(),
        stream: recorded.stream.clone(),
        version: recorded.version,
        at: recorded.at,
        actor: recorded.actor.clone(),
        command: recorded.command.clone(),
        part: recorded.part,
        cause: vec![Position::new(3)],
        data: RawValue::from_string(recorded.event.to_data().unwrap()).unwrap(),
    };
    let (read, end) = seal(Log::Control, head, &draft, &KEY).unwrap();
    let (known, known_end) = seal_event(head, recorded, &[Position::new(3)], &KEY).unwrap();
    assert_eq!(end, known_end);
    (read, known)
}

#[test]
fn a_line_that_was_sealed_of_an_event_has_the_same_bytes_and_answers_the_same() {
    let head = Head { position: Position::new(6), hash: Digest::of(b"before") };
    let (read, known) = both_ways(&head);
    assert_eq!(read, known);
    assert!(read.known(&KEY).is_none() && known.known(&KEY).is_some());
    let said = known.known(&KEY).unwrap().recorded();
    assert_eq!(Recorded::decode(&read.envelope().unwrap()).unwrap(), *said);
    assert_eq!((read.hash(), read.prev()), (known.hash(), known.prev()));
    let other_key = MacKey::new([8; 32]);
    for key in [&KEY, &other_key] {
        assert_eq!(read.is_authentic(key), known.is_authentic(key));
    }
    let elsewhere = Head { position: Position::new(7), hash: head.hash };
    let after_another = Head { position: head.position, hash: Digest::of(b"another") };
    let chains = [ChainId::control(), ChainId::writer(&crate::id::WriterId::new("w").unwrap())];
    for log in [Log::Control, Log::Activity] {
        for chain in &chains {
            for head in [&head, &elsewhere, &after_another] {
                for key in [None, Some(&KEY), Some(&other_key)] {
                    let checked = |line: &Line| line.check(log, chain, head, key).map(|(_, end)| end);
                    assert_eq!(checked(&read), checked(&known), "{log} {chain} {head:?}");
                    let is_known = known.known_at(log, chain, head, key).is_some();
                    assert_eq!(is_known, checked(&read).is_ok(), "{log} {chain} {head:?}");
                }
            }
        }
    }
}

#[test]
fn an_event_over_the_limit_is_not_written() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(super::LINE_MAX_BYTES));
    assert!(matches!(seal(Log::Control, &Head::EMPTY, &draft(&long), &KEY), Err(SealError::TooLong { .. })));
}

#[test]
fn a_line_that_waited_unsealed_has_the_bytes_of_one_that_did_not() {
    let mut recorded = World::new().history()[0].clone();
    recorded.position = Position::new(1);
    let cause = [Position::new(3)];
    let (expected, end) = seal_event(&Head::EMPTY, recorded.clone(), &cause, &KEY).unwrap();
    let bytes = unsealed(&recorded, &cause, &recorded.event.to_bytes().unwrap()).unwrap();
    for remembered in [Some(Box::new(recorded.clone())), None] {
        let is_remembered = remembered.is_some();
        let (line, after) = seal_unsealed(&Head::EMPTY, bytes.clone(), remembered, &KEY).unwrap();
        assert_eq!((line.bytes(), after), (expected.bytes(), end));
        assert_eq!(line.known(&KEY).is_some(), is_remembered);
    }
    // Sealed at another place than it was written for, it remembers nothing that its bytes do not say.
    let (moved, _) = seal_unsealed(&end, bytes, Some(Box::new(recorded)), &KEY).unwrap();
    assert!(moved.known(&KEY).is_none());
}
