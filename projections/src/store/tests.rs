use std::fs;
use std::path::{Path, PathBuf};

use super::open::Opened;
use super::{Condition, Layout, Settings, Store, StoreError, Writes};
use crate::row_codec::RowTable;
use crate::row_key::RowKey;

const TABLE: RowTable<u64> = RowTable::new(1, 1, "numbers");
const LAYOUT: Layout = Layout { name: "test", tables: &[(1, 1)], events: || vec![("it.happened", 1)] };
const SETTINGS: Settings = Settings { layout: LAYOUT, cache_bytes: 1024 * 1024, write_bytes: 1024 * 1024 };

fn key(number: u64) -> RowKey {
    RowKey::of(&TABLE).number(number)
}

fn open_with(dir: &Path, layout: Layout) -> Opened {
    Store::open(dir, &Settings { layout, ..SETTINGS }, |_| Ok(())).unwrap()
}

/// A store with the rows 0 to 9, closed.
fn filled(dir: &Path) {
    let store = open_with(dir, LAYOUT).store;
    let mut writes = Writes::default();
    for number in 0..10 {
        writes.put(&TABLE, key(number), &number).unwrap();
    }
    store.apply(writes);
    store.write_out().unwrap();
}

fn rows(store: &Store) -> usize {
    store.scan(&RowKey::of(&TABLE)).map(|row| row.map(|_| ())).collect::<Result<Vec<()>, _>>().unwrap().len()
}

fn set_aside(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.to_string_lossy().contains(".bad-")).collect();
    found.sort();
    found
}

#[test]
fn rows_are_there_again_after_a_close() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("views");
    filled(&dir);
    let opened = open_with(&dir, LAYOUT);
    assert!(opened.set_aside.is_none());
    assert_eq!(rows(&opened.store), 10);
    assert_eq!(opened.store.get(&TABLE, &key(7)).unwrap(), Some(7));
    let backwards: Vec<u64> = opened
        .store
        .scan_back(&RowKey::of(&TABLE))
        .map(|row| opened.store.decode(&TABLE, &row.unwrap().1).unwrap())
        .collect();
    assert_eq!(backwards, (0..10).rev().collect::<Vec<_>>());
}

#[test]
fn a_store_that_is_open_is_not_opened_again_and_not_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("views");
    let _open = open_with(&dir, LAYOUT);
    assert!(matches!(Store::open(&dir, &SETTINGS, |_| Ok(())), Err(StoreError::InUse(_))));
    assert!(set_aside(&dir).is_empty());
}

#[test]
fn a_store_of_other_tables_or_schemas_is_set_aside() {
    for tables in [&[(1, 2)][..], &[(1, 1), (2, 1)], &[]] {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("views");
        filled(&dir);
        let opened = open_with(&dir, Layout { tables, ..LAYOUT });
        assert_eq!(rows(&opened.store), 0);
        assert_eq!(set_aside(&dir), [opened.set_aside.unwrap().path]);
    }
}

#[test]
fn a_store_that_was_folded_by_who_knew_other_events_is_set_aside() {
    for events in [|| vec![("it.happened", 2)], || vec![("it.happened", 1), ("it.ended", 1)], Vec::new] {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("views");
        filled(&dir);
        let opened = open_with(&dir, Layout { events, ..LAYOUT });
        assert_eq!(rows(&opened.store), 0);
        assert!(opened.set_aside.unwrap().why.contains("other events"));
    }
}

#[test]
fn a_row_of_an_unknown_schema_sets_the_store_aside_when_it_is_met_in_use_too() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("views");
    let store = open_with(&dir, LAYOUT).store;
    let mut writes = Writes::default();
    writes.put(&RowTable::<u64>::new(1, 9, "of the future"), key(1), &1).unwrap();
    store.apply(writes);
    store.write_out().unwrap();
    assert!(matches!(store.get(&TABLE, &key(1)), Err(StoreError::Row(_))));
    assert!(matches!(store.get(&TABLE, &key(2)), Err(StoreError::Damaged { .. })), "nothing is trusted any more");
    drop(store);
    let opened = open_with(&dir, LAYOUT);
    assert!(opened.set_aside.unwrap().why.contains("schema Some(9)"));
    assert_eq!(rows(&opened.store), 0);
}

#[test]
fn a_first_read_that_fails_sets_the_store_aside() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("views");
    filled(&dir);
    let first = |store: &Store| match rows(store) {
        0 => Ok(()),
        _ => Err(store.damage("rows that cannot be")),
    };
    let opened = Store::open(&dir, &SETTINGS, first).unwrap();
    assert_eq!((rows(&opened.store), set_aside(&dir).len()), (0, 1));
}

#[test]
fn files_that_are_no_store_are_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("views");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("conf"), "this is no configuration of sled's, whatever it is").unwrap();
    let opened = open_with(&dir, LAYOUT);
    assert!(opened.set_aside.is_some());
    assert_eq!(rows(&opened.store), 0);
}

#[test]
fn only_the_newest_of_those_that_were_set_aside_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("views");
    let mut expected = Vec::new();
    for round in 0..5_u16 {
        filled(&dir);
        // The schema that the store has now is none of these.
        let tables: &'static [(u8, u16)] = if round % 2 == 0 { &[(7, 7)] } else { &[(8, 8)] };
        expected.push(open_with(&dir, Layout { tables, ..LAYOUT }).set_aside.unwrap().path);
        fs::remove_dir_all(&dir).unwrap();
    }
    expected.sort();
    assert_eq!(set_aside(&dir), expected[2..]);
}

/// Rows of all sizes over the ten rows of a store, some removed, one written twice.
fn many_writes() -> Writes {
    let mut writes = Writes::default();
    writes.put(&TABLE, key(20), &1).unwrap();
    for number in 10..5_000_u64 {
        writes.put(&TABLE, key(number), &(number << (number % 50))).unwrap();
    }
    (0..5).for_each(|number| writes.remove(key(number)));
    writes
}

fn content(store: &Store) -> Vec<(Vec<u8>, u64)> {
    let decoded = |row: Result<super::StoredRow, StoreError>| {
        let (key, value) = row.unwrap();
        let number = store.decode(&TABLE, &value).unwrap();
        (key, number)
    };
    store.scan_tables().map(decoded).collect()
}

fn backwards(store: &Store) -> Vec<Vec<u8>> {
    store.scan_back(&RowKey::of(&TABLE)).map(|row| row.unwrap().0).collect()
}

#[test]
fn many_rows_are_together_even_after_a_crash_in_their_midst() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    filled(&whole);
    let store = open_with(&whole, LAYOUT).store;
    store.apply(many_writes());
    let expected = content(&store);
    assert_eq!((expected.len(), store.get(&TABLE, &key(20)).unwrap()), (4_995, Some(20 << 20)));
    for applied in [0, 1, 700, 4_995] {
        let dir = folder.path().join(format!("crashed-{applied}"));
        filled(&dir);
        let crashed = open_with(&dir, LAYOUT).store;
        crashed.apply(many_writes());
        crashed.write_out_and_crash(applied);
        drop(crashed);
        let opened = open_with(&dir, LAYOUT);
        assert!(opened.set_aside.is_none());
        assert_eq!(content(&opened.store), expected, "after {applied} rows");
        // The journal was forgotten: what is changed now is not undone by it.
        let mut writes = Writes::default();
        writes.remove(key(20));
        opened.store.apply(writes);
        opened.store.write_out().unwrap();
        drop(opened);
        assert_eq!(open_with(&dir, LAYOUT).store.get(&TABLE, &key(20)).unwrap(), None);
    }
}

#[test]
fn a_write_that_was_not_finished_and_has_no_journal_sets_the_store_aside() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("views");
    filled(&dir);
    let crashed = open_with(&dir, LAYOUT).store;
    crashed.apply(many_writes());
    crashed.write_out_and_crash(700);
    drop(crashed);
    fs::write(dir.join("journal"), "").unwrap();
    let opened = open_with(&dir, LAYOUT);
    assert!(opened.set_aside.unwrap().why.contains("not finished"));
    assert_eq!(rows(&opened.store), 0);
}

#[test]
fn readers_see_the_same_before_while_and_after_rows_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("views");
    filled(&dir);
    let store = open_with(&dir, LAYOUT).store;
    store.apply(many_writes());
    let expected = content(&store);
    let keys_back: Vec<Vec<u8>> = expected.iter().rev().map(|(key, _)| key.clone()).collect();
    assert_eq!(backwards(&store), keys_back);
    store.unwritten.freeze();
    let mut writes = Writes::default();
    writes.put(&TABLE, key(3), &33).unwrap();
    store.apply(writes);
    assert_eq!(content(&store).len(), expected.len() + 1, "over rows that are being written");
    let mut writes = Writes::default();
    writes.remove(key(3));
    store.apply(writes);
    assert_eq!(content(&store), expected);
    store.write_out().unwrap();
    assert_eq!((content(&store), backwards(&store)), (expected.clone(), keys_back));
    let middle = store.scan_between(&key(100), &key(200)).map(|row| row.unwrap().0).collect::<Vec<_>>();
    assert_eq!(middle, (100..200).map(|number| key(number).into_bytes()).collect::<Vec<_>>());
    drop(store);
    assert_eq!(content(&open_with(&dir, LAYOUT).store), expected);
}

#[test]
fn rows_stay_in_memory_while_the_disk_takes_none_and_are_written_when_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("views");
    filled(&dir);
    let store = open_with(&dir, LAYOUT).store;
    let expected = {
        store.apply(many_writes());
        content(&store)
    };
    // Nothing can be written where a folder is in the way of the file that tries for room.
    fs::create_dir(dir.join("journal.room")).unwrap();
    store.pretend_that_sled_failed();
    for _ in 0..3 {
        assert!(matches!(store.write_out(), Err(StoreError::Io { .. })));
        assert!(matches!(*store.condition().borrow(), Condition::Failing(_)));
        assert_eq!(content(&store), expected, "all of it is read from memory and from what is still open");
    }
    fs::remove_dir(dir.join("journal.room")).unwrap();
    store.write_out().unwrap();
    assert!(matches!(*store.condition().borrow(), Condition::Well));
    assert_eq!(content(&store), expected);
    drop(store);
    let opened = open_with(&dir, LAYOUT);
    assert!(opened.set_aside.is_none());
    assert_eq!(content(&opened.store), expected);
}

#[test]
fn memory_for_rows_that_the_disk_does_not_take_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("views");
    let store = Store::open(&dir, &Settings { write_bytes: 64 * 1024, ..SETTINGS }, |_| Ok(())).unwrap().store;
    fs::create_dir(dir.join("journal.room")).unwrap();
    store.pretend_that_sled_failed();
    store.apply(many_writes());
    assert!(matches!(store.make_room(), Err(StoreError::Io { .. })), "it was tried to write them");
    store.apply(many_writes());
    assert!(matches!(store.make_room(), Err(StoreError::Waiting { .. })));
    fs::remove_dir(dir.join("journal.room")).unwrap();
    store.write_out().unwrap();
    store.make_room().unwrap();
}

#[test]
fn a_store_that_went_back_in_time_while_it_was_opened_again_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("views");
    filled(&dir);
    let store = open_with(&dir, LAYOUT).store;
    store.pretend_that_sled_failed();
    store.writing.lock().unwrap().generation += 5;
    store.apply(many_writes());
    assert!(matches!(store.write_out(), Err(StoreError::Damaged { .. })));
    assert!(matches!(*store.condition().borrow(), Condition::Lost(_)));
    assert!(store.get(&TABLE, &key(1)).is_err());
    store.give_up();
    let opened = open_with(&dir, LAYOUT);
    assert!(opened.set_aside.is_some(), "the folder may be opened again while the old store still is there");
}
