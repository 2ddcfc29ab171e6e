//! The thread that writes a store to disk, every few seconds and when it is closed, off the path of the fold.

use std::thread::JoinHandle;
use std::time::Duration;

use super::{SharedStore, StoreError};

/// How long the rows of a fold may be in memory alone. What a kill loses is folded again on the next start.
const WRITE_EVERY: Duration = Duration::from_secs(3);
/// How long to wait before a disk that took nothing is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// The thread that writes a store. Dropping it writes once more, and waits for that.
#[derive(Debug)]
pub(crate) struct WriterThread {
    store: SharedStore,
    thread: Option<JoinHandle<()>>,
}

impl WriterThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the system gives no thread.
    pub(crate) fn start(store: SharedStore) -> Result<Self, StoreError> {
        let written = store.clone();
        let thread = std::thread::Builder::new()
            .name("views-write".to_owned())
            .spawn(move || write_until_stopped(&written))
            .map_err(|source| StoreError::Io {
                what: "starting the thread that writes",
                path: store.dir().to_owned(),
                source,
            })?;
        store.unwritten.set_written_by_thread(true);
        Ok(Self { store, thread: Some(thread) })
    }
}

fn write_until_stopped(store: &SharedStore) {
    crate::background::make_background();
    loop {
        let ends = store.unwritten.wait_until_wanted(WRITE_EVERY);
        // The store says what is wrong, once.
        let written = store.write_out();
        if ends || (written.is_err() && store.unwritten.wait_until_stopped(RETRY_EVERY)) {
            return;
        }
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        self.store.unwritten.stop();
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the thread that writes the views has panicked");
        }
        self.store.unwritten.set_written_by_thread(false);
    }
}
