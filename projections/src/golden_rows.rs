//! A tripwire: the bytes of sample rows of every table. A changed layout must have a new schema number, or rows that
//! an older version wrote are read as something they are not.

mod control;
mod agents;
mod end_users;
mod sessions;
mod presets;
mod activity;
mod lease;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tallygate_core::digest::Digest;
use tallygate_core::envelope::Line;
use tallygate_core::lease::{AccountId, Root};
use tallygate_core::stream::{ChainId, Offset, Position};
use tallygate_core::testing::drive::block_on;
use tallygate_core::testing::samples::id;
use tallygate_core::time::Timestamp;

use crate::activity::block::SUMMARIES;
use crate::activity::told::TOLD;
use crate::content_store;
use crate::fold::{activity_rows, control_rows};
use crate::follow::activity_reader::ActivityGroup;
use crate::follow::chain::ChainTip;
use crate::follow::control_reader::ControlCheckpoint;
use crate::lease_books::{self, ChainMark};
use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Layout, META_TABLE, Settings, Store, StoredRow, Writes};
use crate::{rebuild_activity, rebuild_control};

/// Rows as text, key and value in hexadecimal digits, by the table's id.
type Rows = BTreeMap<u8, String>;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn open(dir: &Path, layout: Layout) -> Store {
    Store::open_as_it_is(dir, &Settings { layout, cache_bytes: 1024 * 1024, write_bytes: 1024 * 1024 }, &|_| Ok(()))
        .unwrap()
        .0
}

fn line((key, value): &StoredRow) -> String {
    format!("{} {}\n", hex(key), hex(value))
}

fn rows_of(store: &Store, rows: &mut Rows) {
    for row in store.scan_tables().map(Result::unwrap) {
        *rows.entry(row.0[0]).or_default() += &line(&row);
    }
}

/// What the store says about itself, but for its layout, which any new schema changes, and how often it was written.
fn meta_of(store: &Store) -> String {
    let meta = RowTable::<()>::new(META_TABLE, 1, "meta");
    let own = ["layout", "generation"].map(|name| RowKey::of(&meta).text(name).into_bytes());
    let rows = store.scan(&RowKey::of(&meta)).map(Result::unwrap);
    rows.filter(|(key, _)| !own.contains(key)).map(|row| line(&row)).collect()
}

/// A checkpoint behind a forged line.
fn checkpoint() -> ControlCheckpoint {
    let forged = Line::from_bytes(Bytes::from_static(b"a forged line"));
    let mut tip = ChainTip::START;
    tip.skip_foreign(&forged);
    ControlCheckpoint { offset: Offset::new(300), last_line: forged.hash(), tip }
}

/// Rows of the lease log's books, and their checkpoint.
fn lease_rows(rows: &mut Rows) -> String {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("lease"), lease_books::LAYOUT);
    let (book, ControlCheckpoint { offset, last_line, tip }) = (lease::lease_book(), checkpoint());
    let touched: Vec<AccountId> = book.accounts().map(|(account, _)| account.clone()).collect();
    let mark = ChainMark { tip, read: Position::new(2), is_readable: true };
    let mut writes = Writes::default();
    lease_books::rows::write_chain(&Root::Realm(id("acme")), &mark, &book, &touched, &mut writes).unwrap();
    lease_books::rows::write_checkpoint(offset, last_line, &mut writes).unwrap();
    store.apply(writes);
    rows_of(&store, rows);
    meta_of(&store)
}

/// What is kept of conversations.
fn content_rows(rows: &mut Rows) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("content"), content_store::LAYOUT);
    let mut writes = Writes::default();
    content_store::write(&Digest::of(b"name"), Some(b"content".to_vec()), &mut writes).unwrap();
    store.apply(writes);
    rows_of(&store, rows);
}

/// Checkpoints of both logs.
fn checkpoints() -> [String; 2] {
    let folder = tempfile::tempdir().unwrap();
    let control = open(&folder.path().join("control"), control_rows::LAYOUT);
    let mut writes = Writes::default();
    control_rows::write_checkpoint(checkpoint(), Timestamp::from_millis(1_795_169_731_023), &mut writes).unwrap();
    control.apply(writes);
    let activity = open(&folder.path().join("activity"), activity_rows::LAYOUT);
    let ControlCheckpoint { offset, last_line, tip } = checkpoint();
    let tips = [(ChainId::writer(&id("gateway-1")), tip)].into_iter().collect();
    let mut writes = Writes::default();
    let group = ActivityGroup { events: Vec::new(), offset, last_line, tips };
    activity_rows::write_checkpoint(&group, &mut writes).unwrap();
    activity.apply(writes);
    [meta_of(&control), meta_of(&activity)]
}

fn samples_of_rows() -> Rows {
    let folder = tempfile::tempdir().unwrap();
    block_on(rebuild_control(&control::control_log(), None, folder.path())).unwrap();
    block_on(rebuild_activity(&activity::activity_log(), None, folder.path())).unwrap();
    let control = open(&folder.path().join("control"), control_rows::LAYOUT);
    let activity = open(&folder.path().join("activity"), activity_rows::LAYOUT);
    let mut rows = Rows::new();
    rows_of(&control, &mut rows);
    rows_of(&activity, &mut rows);
    for log in [agents::agents_log(), end_users::end_users_log(), sessions::sessions_log(), presets::presets_log()] {
        let folder = tempfile::tempdir().unwrap();
        block_on(rebuild_control(&log, None, folder.path())).unwrap();
        let mut others = Rows::new();
        rows_of(&open(&folder.path().join("control"), control_rows::LAYOUT), &mut others);
        for (table, found) in others {
            rows.entry(table).or_insert(found);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    block_on(rebuild_activity(&activity::elsewhere_log(), None, folder.path())).unwrap();
    let mut elsewhere = Rows::new();
    rows_of(&open(&folder.path().join("activity"), activity_rows::LAYOUT), &mut elsewhere);
    rows.extend(elsewhere.remove_entry(&TOLD.id));
    let (key, value) = activity::summary();
    rows.insert(SUMMARIES.id, format!("{key} {value}\n"));
    rows
}

const fn layouts() -> [Layout; 4] {
    [control_rows::LAYOUT, activity_rows::LAYOUT, lease_books::LAYOUT, content_store::LAYOUT]
}

fn tables() -> BTreeSet<(u8, u16)> {
    layouts().iter().flat_map(|layout| layout.tables).copied().filter(|(id, _)| *id != META_TABLE).collect()
}

/// The name and the schema of each golden file, and what it must hold.
fn golden_files() -> Vec<(String, u16, String)> {
    let mut rows = samples_of_rows();
    let lease = lease_rows(&mut rows);
    content_rows(&mut rows);
    let sample = |(id, schema)| {
        let found = rows.remove(&id).unwrap_or_else(|| panic!("no sample of table {id}"));
        (format!("{id:02}"), schema, found)
    };
    let mut files: Vec<_> = tables().into_iter().map(sample).collect();
    let [control, activity] = checkpoints();
    let checkpoints = [("00-control", control), ("00-activity", activity), ("00-lease", lease)];
    files.extend(checkpoints.map(|(name, rows)| (name.to_owned(), 1, rows)));
    files
}

fn path_of(name: &str, schema: u16) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/rows").join(format!("{name}.{schema}.txt"))
}

#[test]
fn rows_of_every_table_have_the_bytes_of_their_schema() {
    for (name, schema, found) in golden_files() {
        let path = path_of(&name, schema);
        if !path.exists() {
            std::fs::write(&path, &found).unwrap();
            panic!("{} was missing and is written now: read it, and run this test again", path.display());
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(
            found,
            expected,
            "the rows of table {name} are laid out anew: give it the schema {}, remove its golden file, and run this test \
             twice",
            schema + 1
        );
    }
}

#[test]
fn every_table_has_a_number_of_its_own() {
    let layouts = layouts();
    let of_tables: Vec<u8> = layouts.iter().flat_map(|layout| layout.tables).map(|(id, _)| *id).collect();
    let distinct: BTreeSet<u8> = of_tables.iter().copied().filter(|id| *id != META_TABLE).collect();
    assert_eq!(distinct.len(), of_tables.iter().filter(|id| **id != META_TABLE).count());
}
