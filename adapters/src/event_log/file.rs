//! The embedded event log: a folder of append-only segment files.
//!
//! # On disk
//!
//! A folder holds one log. A segment is called `<offset of its first line, 20 digits>.jsonl` and holds lines, each with
//! a line feed; nothing else, so `cat`, `jq` and `sha256sum` read it. An offset is the ordinal of a line in the log,
//! from 1; in control it equals the position. The chains of a log are interleaved in the order of their appends.
//! `lock` keeps a second process out. In activity `<first offset>.heads` tells where the chains ended before a segment;
//! it is only a hint, see [`Verify::LastSegment`].
//!
//! # Durability
//!
//! One thread writes. It takes all appends that wait, writes them, calls `fdatasync` once, and only then acknowledges
//! them and shows them to readers. What was acknowledged survives the loss of power, as far as the disk keeps what it
//! has synced. A folder is synced when a file is made in it.
//!
//! # When the disk fails
//!
//! - No room at a write: the segment is cut back to what is durable, and the appends are refused with
//!   [`Outage::Full`]. Later appends are tried again.
//! - Any other error of a write, or any error of a sync: the log is sealed. Nothing is acknowledged until it is opened
//!   again, and no sync is tried twice, since the second may succeed although the first lost pages. Appends that waited
//!   for that sync hear [`AppendError::Ambiguous`], later ones [`Outage::Sealed`]. What is durable can still be read.
//!
//! # Opening
//!
//! See [`FileLog::open`]. What a crash can leave at the end is cut off; any other change of a byte refuses to open.

mod catalog;
mod checkpoint;
mod disk;
mod folder;
mod header;
mod history;
mod open;
mod outage;
mod reader;
mod recent;
mod scan;
mod tail;
mod torn;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tallygate_core::envelope::MacKey;
use tallygate_core::port::event_log::{AppendError, Batch, BoxError, Entry, EventLog, LogError};
use tallygate_core::port::{BoxFuture, BoxStream};
use tallygate_core::stream::{ChainId, Head, Log, Offset};
use tokio::sync::{mpsc, oneshot};

pub use outage::Outage;

use catalog::Shared;
use disk::{Disk, RealDisk};
use reader::Reader;
use writer::{Answer, QUEUE_REQUESTS, Request};

/// A new segment is begun when one has grown to so many bytes, if nothing else is said.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// How a log is opened and kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// A new segment is begun when one has at least so many bytes. A segment grows beyond it by at most one group of
    /// appends.
    pub segment_bytes: u64,
    /// How much of an activity log is read when it is opened. Control and lease are always read whole.
    pub verify: Verify,
    /// Checks the MAC of the last line of every chain, the only ones that no other line vouches for. Without it a
    /// changed byte in those lines is found only if they no longer parse.
    pub mac_key: Option<MacKey>,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: SEGMENT_BYTES, verify: Verify::Whole, mac_key: None }
    }
}

/// How much of an activity log is read when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// Every line of every segment.
    Whole,
    /// The last segment. Damage in the ones before it stays unseen until it is read. Falls back to [`Self::Whole`] when
    /// the file that tells where the chains ended before that segment is missing or damaged.
    LastSegment,
}

/// A log in a folder. One process may have it open, once.
///
/// Methods must be called within a tokio runtime: reading the disk happens on its blocking threads.
#[derive(Debug)]
pub struct FileLog {
    log: Log,
    folder: PathBuf,
    shared: Arc<Shared>,
    queue: Mutex<Option<mpsc::Sender<Request>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl FileLog {
    /// Opens the log in a folder, which is made if it is not there. Blocks while it reads the log: for a million
    /// lines of half a kilobyte in the page cache 0.6 s, on a processor with instructions for SHA-256.
    ///
    /// It checks that every line is of this log and stands at its place, that every `prev` is the hash of the line
    /// before in the chain, that the last line of every chain can be read and carries the right MAC (given a key), and
    /// that no segment is missing between others. The end may look as a crash leaves it: a line without a line feed,
    /// zero bytes, or a command of which only the first parts are there. That was never acknowledged and is cut off,
    /// with a warning.
    ///
    /// # Errors
    /// - [`LogError::Damaged`] for any other deviation, naming the file, the line and the byte. Nothing was changed.
    /// - [`LogError::Misconfigured`] when another process has the log open.
    /// - [`LogError::Unavailable`] when a file cannot be read or made.
    pub fn open(folder: impl AsRef<Path>, log: Log, options: &Options) -> Result<Self, LogError> {
        Self::open_on(Arc::new(RealDisk), folder.as_ref(), log, options)
    }

    fn open_on(disk: Arc<dyn Disk>, folder: &Path, log: Log, options: &Options) -> Result<Self, LogError> {
        let (writer, shared) = open::open(disk, folder, log, options)?;
        let (sender, receiver) = mpsc::channel(QUEUE_REQUESTS);
        let thread = std::thread::Builder::new()
            .name(format!("{log}-log"))
            .spawn(move || writer.run(receiver))
            .map_err(|error| LogError::Unavailable(Box::new(error)))?;
        Ok(Self {
            log,
            folder: folder.to_owned(),
            shared,
            queue: Mutex::new(Some(sender)),
            writer: Mutex::new(Some(thread)),
        })
    }

    /// The folder that the log lies in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Stops taking appends, waits until those that wait are answered, and gives the folder free. Tails end with
    /// [`Outage::Closed`] after the last entry. Cancelling it leaves the log closing.
    pub async fn close(&self) {
        if let Some(thread) = self.stop() {
            // The thread has no result, and a panic in it has already answered its appends as ambiguous.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    fn stop(&self) -> Option<JoinHandle<()>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn enqueue(&self, batch: Batch, end: Head) -> Result<Answer, AppendError> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (reply, answer) = oneshot::channel();
        let closed = || AppendError::Unavailable(Box::new(Outage::Closed));
        queue.ok_or_else(closed)?.send(Request { batch, end, reply }).await.map_err(|_| closed())?;
        answer.await.map_err(|gone| AppendError::Ambiguous(Box::new(gone)))?
    }
}

impl Drop for FileLog {
    /// Answers the appends that wait and gives the folder free. Blocks for as long as that takes, a few syncs at most;
    /// [`FileLog::close`] does the same without blocking.
    fn drop(&mut self) {
        if let Some(thread) = self.stop() {
            let _ = thread.join();
        }
    }
}

// === impl EventLog for FileLog ===

impl EventLog for FileLog {
    fn log(&self) -> Log {
        self.log
    }

    fn head<'a>(&'a self, chain: &'a ChainId) -> BoxFuture<'a, Result<Head, LogError>> {
        Box::pin(async { Ok(self.shared.catalog().head(chain)) })
    }

    fn end(&self) -> BoxFuture<'_, Result<Offset, LogError>> {
        Box::pin(async { Ok(self.shared.catalog().end) })
    }

    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<Head, AppendError>> {
        Box::pin(async move {
            let end = batch.check(self.log)?;
            let (after, last) = (batch.after, batch.lines.last().cloned());
            match self.enqueue(batch, end).await? {
                Answer::Stored => Ok(end),
                Answer::Behind { chain, actual } => {
                    let conflict = AppendError::Conflict { expected: after, actual: actual.position };
                    let (log, shared) = (self.log, self.shared.clone());
                    let found = blocking(move || history::line_at(&shared, log, &chain, end.position)).await;
                    match found {
                        Ok(found) if found.is_some() && found == last => Ok(end),
                        Ok(_) => Err(conflict),
                        Err(error) => Err(AppendError::Ambiguous(Box::new(error))),
                    }
                }
            }
        })
    }

    fn read(&self, after: Offset, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, LogError>> {
        let shared = self.shared.clone();
        Box::pin(blocking(move || Reader::new(shared, after).page(limit)))
    }

    fn tail(&self, after: Offset) -> BoxStream<'static, Result<Entry, LogError>> {
        tail::tail(self.shared.clone(), after)
    }
}

/// Runs what reads the disk where it holds up nobody.
async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(unavailable(error)))
}

fn unavailable(error: impl Into<BoxError>) -> LogError {
    LogError::Unavailable(error.into())
}

#[cfg(test)]
mod tests;
