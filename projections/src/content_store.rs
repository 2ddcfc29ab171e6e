//! The content store: what people said, as the gateway that heard it remembers it beyond its own end.
//!
//! Prompts and answers enter no event, so no log can make these rows again: a store that cannot be trusted is set aside, and
//! what it held is forgotten. Whoever keeps a content seals it first; here it is bytes under a digest, of which nobody who
//! reads the disk learns whose they are.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tallygate_core::digest::Digest;

use crate::row_codec::RowTable;
use crate::row_key::RowKey;
use crate::store::{Layout, Settings, SharedStore, Store, StoreError, WriterThread, Writes};

/// The most memory for pages, in bytes: rows are read at the start alone.
const CACHE_BYTES: u64 = 1024 * 1024;
/// Rows are written when so many bytes of them are in memory, or after some seconds.
const WRITE_BYTES: usize = 4 * 1024 * 1024;

/// A content under its name.
pub type Content = (Digest, Vec<u8>);

pub(crate) const CONTENTS: RowTable<Content> = RowTable::new(64, 1, "contents");

pub(crate) const LAYOUT: Layout =
    Layout { name: "content", tables: &[(CONTENTS.id, CONTENTS.schema)], events: Vec::new };

/// Where contents are kept. Dropping it writes what is in memory, and waits for that.
#[derive(Debug)]
pub struct ContentStore {
    store: SharedStore,
    /// The disk takes nothing: what it has stays as it is.
    is_given_up: AtomicBool,
    _writer: WriterThread,
}

impl ContentStore {
    /// Opens the store in a folder, or makes one, and reads all that was kept, each content under its name. Blocks while it
    /// reads.
    ///
    /// # Errors
    /// [`StoreError`], when the folder is another process's or the disk fails.
    pub fn open(dir: &Path) -> Result<(Self, Vec<Content>), StoreError> {
        let settings = Settings { layout: LAYOUT, cache_bytes: CACHE_BYTES, write_bytes: WRITE_BYTES };
        let store = Store::open(dir, &settings, |store| read(store).map(drop))?.store;
        let kept = read(&store)?;
        let store = Arc::new(store);
        let writer = WriterThread::start(Arc::clone(&store))?;
        Ok((Self { store, is_given_up: AtomicBool::new(false), _writer: writer }, kept))
    }

    /// Keeps a content under a name, in the place of what was there. It is on disk some seconds later. Microseconds.
    pub fn keep(&self, name: Digest, content: Vec<u8>) {
        self.put(|writes| write(&name, Some(content), writes));
    }

    /// Forgets what is kept under a name.
    pub fn forget(&self, name: &Digest) {
        self.put(|writes| write(name, None, writes));
    }

    fn put(&self, put: impl FnOnce(&mut Writes) -> Result<(), StoreError>) {
        if self.is_given_up.load(Ordering::Relaxed) {
            return;
        }
        let mut writes = Writes::default();
        match self.store.check_room().and_then(|()| put(&mut writes)) {
            Ok(()) => self.store.apply(writes),
            Err(error) => {
                self.is_given_up.store(true, Ordering::Relaxed);
                tracing::error!(%error, "what is said is kept no more: it ends with this process");
                self.store.give_up();
            }
        }
    }
}

/// Writes a content under a name, or removes what is there.
pub(crate) fn write(name: &Digest, content: Option<Vec<u8>>, writes: &mut Writes) -> Result<(), StoreError> {
    let Some(content) = content else {
        writes.remove(key(name));
        return Ok(());
    };
    writes.put(&CONTENTS, key(name), &(*name, content))
}

fn key(name: &Digest) -> RowKey {
    RowKey::of(&CONTENTS).fixed(name.as_bytes())
}

fn read(store: &Store) -> Result<Vec<Content>, StoreError> {
    let mut kept = Vec::new();
    crate::view::light::load(store, &CONTENTS, |row| kept.push(row))?;
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use tallygate_core::digest::Digest;

    use super::ContentStore;

    #[test]
    fn what_is_kept_is_there_after_it_was_closed_and_what_is_forgotten_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("content");
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let (store, kept) = ContentStore::open(&dir).unwrap();
        assert!(kept.is_empty());
        store.keep(one, b"first".to_vec());
        store.keep(other, b"second".to_vec());
        store.keep(one, b"third".to_vec());
        store.forget(&other);
        drop(store);
        let (store, kept) = ContentStore::open(&dir).unwrap();
        assert_eq!(kept, [(one, b"third".to_vec())]);
        drop(store);
        // What nobody can read is set aside, and forgotten.
        std::fs::write(dir.join("damaged"), "for a test").unwrap();
        assert!(ContentStore::open(&dir).unwrap().1.is_empty());
    }
}
