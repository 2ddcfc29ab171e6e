//! The books of the lease log, kept on disk as they stood at an offset, so that a start reads only what follows.
//!
//! Rows like those of the views: each account, window and chain that a line changed is put into the store with it, and
//! the offset after them, so after a crash the rows are those of some moment that was. A row may be ahead of the offset:
//! lines that a gateway wrote itself are applied before they are read, and are known by their position when they come.
//!
//! Whoever follows the log calls; this module folds nothing. On any doubt (rows that cannot be read, a log that holds
//! another line at that offset, a version that knew other events) the rows are thrown away and the log is read from its
//! beginning.

pub(crate) mod rows;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tallygate_core::digest::Digest;
use tallygate_core::lease::{AccountId, Book, Root};
use tallygate_core::port::event_log::EventLog;
use tallygate_core::stream::{Log, Offset, Position};

use crate::follow::chain::ChainTip;
use crate::follow::checkpoint::{Mismatch, compare};
use crate::store::{Settings, SharedStore, Store, StoreError, WriterThread, Writes};
use crate::views::OpenError;

pub(crate) use rows::LAYOUT;

/// The most memory for pages, in bytes: rows are read at the start alone.
const CACHE_BYTES: u64 = 1024 * 1024;
/// Rows are written when so many bytes of them are in memory, or after some seconds.
const WRITE_BYTES: usize = 1024 * 1024;

/// Where books are kept. Dropping it writes what is in memory, and waits for that.
#[derive(Debug)]
pub struct LeaseBooks {
    store: SharedStore,
    /// The disk takes nothing: what it has is older, and stays as it is.
    is_given_up: AtomicBool,
    _writer: WriterThread,
}

/// How far a chain was followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainMark {
    /// Where it ends.
    pub tip: ChainTip,
    /// How far the log was read: own lines may be ahead of it.
    pub read: Position,
    /// Whether every event of it could be read. What follows one that could not is not in the book.
    pub is_readable: bool,
}

/// A chain as it was kept.
#[derive(Debug)]
pub struct KeptChain {
    /// Whose chain it is.
    pub root: Root,
    /// How far it was followed.
    pub mark: ChainMark,
    /// Its book.
    pub book: Book,
}

/// What was kept: every chain, as the log had them at an offset.
#[derive(Debug)]
pub struct Kept {
    /// The chains.
    pub chains: Vec<KeptChain>,
    /// Where to go on reading.
    pub offset: Offset,
}

impl LeaseBooks {
    /// Opens the folder of the books, and reads what was kept of this log.
    ///
    /// # Errors
    /// [`OpenError`], when the folder is another process's or the disk fails.
    pub async fn open(dir: PathBuf, log: &dyn EventLog) -> Result<(Self, Kept), OpenError> {
        let failed = |source| OpenError::Store { log: Log::Lease, source };
        let (store, (kept, last_line)) = blocking({
            let dir = dir.clone();
            move || {
                let store = Store::open(&dir, &settings(), |store| rows::read(store).map(drop))?.store;
                let kept = rows::read(&store)?;
                Ok((store, kept))
            }
        })
        .await?;
        let (store, kept) = match compare(log, kept.offset, last_line).await {
            Ok(()) => (store, kept),
            Err(error @ Mismatch::Log { .. }) => return Err(error.into()),
            Err(doubt) => {
                tracing::error!(%doubt, "the books of the lease log are of another log: it is read from its beginning");
                let nothing = Kept { chains: Vec::new(), offset: Offset::START };
                (blocking(move || begin_anew(store, &dir)).await?, nothing)
            }
        };
        let begins = kept.offset == Offset::START;
        let store = Arc::new(store);
        let writer = WriterThread::start(Arc::clone(&store)).map_err(failed)?;
        let books = Self { store, is_given_up: AtomicBool::new(false), _writer: writer };
        if begins {
            // Own lines may be kept before any is read.
            books.read_to(Offset::START, Digest::ZERO);
        }
        Ok((books, kept))
    }

    /// Keeps a chain as a line has left it, with the accounts that it changed ([`Book::touched`]). Microseconds.
    pub fn keep(&self, root: &Root, mark: &ChainMark, book: &Book, touched: &[AccountId]) {
        self.put(|writes| rows::write_chain(root, mark, book, touched, writes));
    }

    /// All up to an offset, whose last line has this hash, was read and kept.
    pub fn read_to(&self, offset: Offset, last_line: Digest) {
        self.put(|writes| rows::write_checkpoint(offset, last_line, writes));
    }

    /// What cannot be kept is read again at the next start, with all that follows it.
    fn put(&self, write: impl FnOnce(&mut Writes) -> Result<(), StoreError>) {
        if self.is_given_up.load(Ordering::Relaxed) {
            return;
        }
        let mut writes = Writes::default();
        let put = self.store.check_room().and_then(|()| write(&mut writes));
        match put {
            Ok(()) => self.store.apply(writes),
            Err(error) => {
                self.is_given_up.store(true, Ordering::Relaxed);
                tracing::error!(%error, "the books of the lease log are kept no more: the next start reads more of it");
                self.store.give_up();
            }
        }
    }
}

const fn settings() -> Settings {
    Settings { layout: LAYOUT, cache_bytes: CACHE_BYTES, write_bytes: WRITE_BYTES }
}

fn begin_anew(store: Store, dir: &Path) -> Result<Store, StoreError> {
    store.give_up();
    drop(store);
    Store::replace(dir, &settings())
}

async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, OpenError> {
    let called = tokio::task::spawn_blocking(call).await.map_err(|_| OpenError::Panicked { log: Log::Lease })?;
    called.map_err(|source| OpenError::Store { log: Log::Lease, source })
}

#[cfg(test)]
mod tests;
