//! Syncing a store every few seconds, and when it is closed, off the path of the fold.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{SharedStore, StoreError};

/// How long the rows of a fold may be lost to a loss of power. What is lost is folded again on the next start.
const SYNC_EVERY: Duration = Duration::from_secs(3);

/// The thread that syncs a store. Dropping it syncs once more, and waits for that.
#[derive(Debug)]
pub(crate) struct SyncThread {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl SyncThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the system gives no thread.
    pub(crate) fn start(store: SharedStore) -> Result<Self, StoreError> {
        let dir = store.dir().to_owned();
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("views-sync".to_owned())
            .spawn(move || sync_until(&stopped, &store))
            .map_err(|source| StoreError::Io { what: "starting the thread that syncs", path: dir, source })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

fn sync_until(stopped: &Receiver<()>, store: &SharedStore) {
    loop {
        let ends = !matches!(stopped.recv_timeout(SYNC_EVERY), Err(RecvTimeoutError::Timeout));
        if let Err(error) = store.sync() {
            tracing::error!(%error, dir = %store.dir().display(), "the views could not be synced");
        }
        if ends {
            return;
        }
    }
}

impl Drop for SyncThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the thread that syncs the views has panicked");
        }
    }
}
