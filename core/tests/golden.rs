//! Bytes that must never change: the data of every event type that was ever written, and the canonical body of every
//! command, whose digest makes the same id give the same receipt for ever.
//!
//! A file of `golden/events` is named `<type>.<schema>.json` or `<type>.<schema>.<what>.json`. A released file is never
//! edited: a new schema gets new files, and an upcaster for the old ones. One of `golden/commands` is named
//! `<command>.json` or `<command>.<what>.json`.

#![allow(clippy::disallowed_methods, reason = "the files of a test are read by the test")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;
use tallygate_core::command::{Command, Request};
use tallygate_core::digest::Digest;
use tallygate_core::event::Event;

/// The files of a folder without `.json`, and their texts without the line feed at the end.
fn files(folder: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(folder);
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let name = name.strip_suffix(".json").unwrap_or_else(|| panic!("{name} is no .json file"));
        let text = text.strip_suffix('\n').unwrap_or_else(|| panic!("{name} ends without a line feed"));
        files.insert(name.to_owned(), text.to_owned());
    }
    files
}

/// `deployment.added.1.minimal` is schema 1 of the type `deployment.added`.
fn type_and_schema(name: &str) -> (String, u16) {
    let mut parts = name.splitn(4, '.');
    let mut part = || parts.next().unwrap_or_else(|| panic!("{name} is not <type>.<schema>"));
    let kind = format!("{}.{}", part(), part());
    (kind, part().parse().unwrap_or_else(|_| panic!("{name} has no schema")))
}

#[test]
fn stored_bytes_of_every_event_still_decode_and_the_newest_are_written_the_same() {
    let newest: BTreeMap<&str, u16> = Event::types().collect();
    for (name, text) in files("events") {
        let (kind, schema) = type_and_schema(&name);
        let event = Event::decode(&kind, schema, &text).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!((event.kind(), event.schema()), (kind.as_str(), newest[kind.as_str()]), "{name}");
        if schema == newest[kind.as_str()] {
            assert_eq!(event.to_data().unwrap(), text, "{name}");
        }
    }
}

#[test]
fn every_schema_of_every_type_has_a_file_and_every_file_a_type() {
    let written: BTreeSet<(String, u16)> = files("events").keys().map(|name| type_and_schema(name)).collect();
    let known: BTreeSet<(String, u16)> =
        Event::types().flat_map(|(kind, newest)| (1..=newest).map(move |schema| (kind.to_owned(), schema))).collect();
    assert_eq!(written, known);
}

#[test]
fn every_patch_has_a_file_where_some_fields_did_not_change() {
    let names = files("events");
    for (kind, schema) in Event::types().filter(|(kind, _)| kind.ends_with(".revised") && *kind != "price.revised") {
        assert!(names.contains_key(&format!("{kind}.{schema}.minimal")), "{kind}");
    }
}

/// `RevisePrice.whole` is another sample of `RevisePrice`.
fn command_of(file: &str) -> &str {
    file.split_once('.').map_or(file, |(name, _)| name)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GoldenCommand {
    sent: Box<RawValue>,
    canonical: Box<RawValue>,
    digest: Digest,
}

#[test]
fn every_command_has_its_canonical_body_and_its_digest_for_ever() {
    let files = files("commands");
    for (file, text) in &files {
        let name = command_of(file);
        let golden: GoldenCommand = serde_json::from_str(text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let body = format!(r#"{{"id":"c-1","type":"{name}","data":{}}}"#, golden.sent);
        let command = Request::parse(body.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error:?}")).command;
        assert_eq!(serde_json::to_string(&command).unwrap(), golden.canonical.get(), "{file}");
        assert_eq!(command.digest(), golden.digest, "{name}");
        // Anyone can make the digest from the canonical body alone.
        assert_eq!(Digest::of(golden.canonical.get().as_bytes()), golden.digest, "{name}");
    }
    let written: BTreeSet<&str> = files.keys().map(|file| command_of(file)).collect();
    assert_eq!(written, Command::NAMES.iter().copied().collect());
}
