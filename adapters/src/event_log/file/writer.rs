//! The one thread that writes: group commit, segments, and what happens when the disk fails.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tallygate_core::envelope::Line;
use tallygate_core::port::event_log::{AppendError, Batch};
use tallygate_core::stream::{ChainId, Head, Log, Offset};
use tokio::sync::{mpsc, oneshot};

use super::catalog::{Segment, Shared};
use super::disk::{Disk, is_full};
use super::folder::Lock;
use super::outage::Outage;
use super::{checkpoint, disk, folder};

/// So many appends wait at most; the next caller waits until there is room.
pub(super) const QUEUE_REQUESTS: usize = 256;
/// No more appends join a group that has so many bytes.
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// Memory of the system is given back in pieces of so many bytes: a call for hundreds of lines.
const LET_GO_BYTES: u64 = 256 * 1024;

/// An append that waits for the writer. The batch was checked by itself.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) batch: Batch,
    /// Where the chain ends with the batch.
    pub(super) end: Head,
    pub(super) reply: oneshot::Sender<Result<Answer, AppendError>>,
}

/// What became of an append.
#[derive(Debug)]
pub(super) enum Answer {
    /// The lines are durable.
    Stored,
    /// The chain has moved. The lines may be those that moved it: whoever asked must look.
    Behind {
        chain: ChainId,
        /// Where the chain ends.
        actual: Head,
    },
}

/// Owns the end of the log.
#[derive(Debug)]
pub(super) struct Writer {
    disk: Arc<dyn Disk>,
    log: Log,
    folder: PathBuf,
    segment_bytes: u64,
    shared: Arc<Shared>,
    /// Held until the writer is gone.
    _lock: Lock,
    file: File,
    /// The first line of the segment that is written.
    first: Offset,
    /// How much of that segment the system was told that it need not keep in memory.
    let_go: u64,
    sealed: Option<Outage>,
}

/// The appends of one group, as they will be if it becomes durable.
#[derive(Debug)]
struct Group {
    bytes: Vec<u8>,
    lines: Vec<Line>,
    /// The heads that the group moves.
    heads: HashMap<ChainId, Head>,
    answers: Vec<Result<Answer, AppendError>>,
}

/// Why a group did not become durable.
#[derive(Debug)]
struct Failure {
    outage: Outage,
    /// Whether the lines may be found when the log is opened again.
    ambiguous: bool,
}

impl Writer {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        log: Log,
        folder: PathBuf,
        segment_bytes: u64,
        shared: Arc<Shared>,
        (lock, file, first): (Lock, File, Offset),
    ) -> Self {
        Self { disk, log, folder, segment_bytes, shared, _lock: lock, file, first, let_go: 0, sealed: None }
    }

    /// Answers appends until nobody can ask any more.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        while let Some(first) = queue.blocking_recv() {
            let mut bytes = size(&first.batch);
            let mut requests = vec![first];
            while bytes < GROUP_BYTES {
                let Ok(next) = queue.try_recv() else { break };
                bytes += size(&next.batch);
                requests.push(next);
            }
            self.commit(requests, bytes);
        }
    }

    fn commit(&mut self, requests: Vec<Request>, bytes: usize) {
        let (mut group, replies) = self.gather(requests, bytes);
        let answers = std::mem::take(&mut group.answers);
        let stored = match &self.sealed {
            Some(outage) => Err(Failure { outage: outage.clone(), ambiguous: false }),
            None => self.store(group),
        };
        // A caller that has gone away cannot be told.
        match stored {
            Ok(()) => replies.into_iter().zip(answers).for_each(|(reply, answer)| drop(reply.send(answer))),
            Err(failure) => replies.into_iter().for_each(|reply| drop(reply.send(Err(failure.answer())))),
        }
    }

    /// Decides every append of a group as if those before it were stored.
    fn gather(
        &self,
        requests: Vec<Request>,
        bytes: usize,
    ) -> (Group, Vec<oneshot::Sender<Result<Answer, AppendError>>>) {
        let mut group = Group {
            bytes: Vec::with_capacity(bytes),
            lines: Vec::new(),
            heads: HashMap::new(),
            answers: Vec::with_capacity(requests.len()),
        };
        let mut replies = Vec::with_capacity(requests.len());
        for Request { batch, end, reply } in requests {
            let head = group.heads.get(&batch.chain).copied();
            let head = head.unwrap_or_else(|| self.shared.catalog().head(&batch.chain));
            let answer = match lines_to_store(&batch, end, head) {
                Ok(lines) => {
                    group.add(batch.chain.clone(), lines, end);
                    Ok(Answer::Stored)
                }
                Err(answer) => answer,
            };
            group.answers.push(answer);
            replies.push(reply);
        }
        (group, replies)
    }

    /// Makes a group durable, and shows it to readers.
    fn store(&mut self, group: Group) -> Result<(), Failure> {
        if group.bytes.is_empty() {
            return Ok(());
        }
        if self.durable_bytes() >= self.segment_bytes {
            self.begin_segment()?;
        }
        let path = folder::segment_path(&self.folder, self.first);
        if let Err(error) = self.write_all(&group.bytes) {
            return Err(self.take_back(&path, error));
        }
        if let Err(error) = self.disk.sync(&self.file) {
            // What the sync has lost must not be read by whoever opens the log next. If this fails too, then nothing
            // worse has happened than the caller is told.
            let _ = self.disk.truncate(&self.file, self.durable_bytes());
            return Err(self.seal("syncing", &path, error, true));
        }
        self.publish(group);
        self.let_go();
        Ok(())
    }

    /// Activity is written all the time and read again by those who look back, so it need not fill the memory. Control
    /// and lease are small, and read whole at every start.
    fn let_go(&mut self) {
        let durable = self.durable_bytes();
        let piece = durable.saturating_sub(self.let_go) / LET_GO_BYTES * LET_GO_BYTES;
        if self.log == Log::Activity && piece > 0 {
            disk::let_go(&self.file, self.let_go, piece);
            self.let_go += piece;
        }
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.disk.write(&mut self.file, bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Cuts off what a failed write left. Only when that is durable is it known that nothing of the group is stored.
    fn take_back(&mut self, path: &Path, error: io::Error) -> Failure {
        let cut = self.disk.truncate(&self.file, self.durable_bytes()).and_then(|()| self.disk.sync(&self.file));
        match cut {
            Ok(()) if is_full(&error) => {
                tracing::error!(file = %path.display(), "no room for more lines: appends are refused");
                let outage = Outage::Full { file: path.to_owned(), source: Arc::new(error) };
                Failure { outage, ambiguous: false }
            }
            Ok(()) => self.seal("writing to", path, error, false),
            Err(error) => self.seal("taking back a failed write to", path, error, true),
        }
    }

    /// Ends with an empty segment after the last line. The one before it is durable as a whole.
    fn begin_segment(&mut self) -> Result<(), Failure> {
        let first = self.shared.catalog().end.plus(1);
        let path = folder::segment_path(&self.folder, first);
        if self.log == Log::Activity {
            let written = checkpoint::write(&self.folder, first, &self.shared.catalog().heads);
            if let Err(error) = written {
                tracing::warn!(%error, folder = %self.folder.display(), "the next start will read all segments");
            }
        }
        let file = match self.disk.open_segment(&path) {
            Ok(file) => file,
            Err(error) if is_full(&error) => {
                let outage = Outage::Full { file: path, source: Arc::new(error) };
                return Err(Failure { outage, ambiguous: false });
            }
            Err(error) => return Err(self.seal("making", &path, error, false)),
        };
        if let Err(error) = self.disk.sync_folder(&self.folder) {
            return Err(self.seal("syncing the folder of", &path, error, false));
        }
        self.shared.catalog_mut().segments.push(Segment::empty(path, first));
        (self.file, self.first, self.let_go) = (file, first, 0);
        Ok(())
    }

    fn publish(&self, group: Group) {
        let mut catalog = self.shared.catalog_mut();
        let mut end = catalog.end;
        if let Some(segment) = catalog.segments.last_mut() {
            for line in &group.lines {
                end = end.plus(1);
                segment.marks.add(end, segment.bytes);
                // With its line feed.
                segment.bytes += line.bytes().len() as u64 + 1;
            }
        }
        catalog.end = end;
        catalog.recent.extend(group.lines);
        catalog.heads.extend(group.heads);
        drop(catalog);
        self.shared.announce();
    }

    fn durable_bytes(&self) -> u64 {
        self.shared.catalog().durable_bytes()
    }

    fn seal(&mut self, doing: &'static str, path: &Path, error: io::Error, ambiguous: bool) -> Failure {
        tracing::error!(%error, file = %path.display(), "{doing} it failed: the log takes no more lines until it is opened again");
        let outage = Outage::Sealed { doing, file: path.to_owned(), source: Arc::new(error) };
        self.shared.stop(&outage);
        self.sealed = Some(outage.clone());
        Failure { outage, ambiguous }
    }
}

impl Drop for Writer {
    /// However the thread ends, tails must not wait for what will not come.
    fn drop(&mut self) {
        self.shared.stop(&Outage::Closed);
    }
}

impl Failure {
    fn answer(&self) -> AppendError {
        let outage = Box::new(self.outage.clone());
        if self.ambiguous { AppendError::Ambiguous(outage) } else { AppendError::Unavailable(outage) }
    }
}

impl Group {
    fn add(&mut self, chain: ChainId, lines: &[Line], end: Head) {
        for line in lines {
            self.bytes.extend_from_slice(line.bytes());
            self.bytes.push(b'\n');
            self.lines.push(line.clone());
        }
        self.heads.insert(chain, end);
    }
}

/// Which lines of a batch are new to a chain that ends at `head`. Since hashes are chained, equal hashes at one position
/// mean equal lines up to it.
fn lines_to_store(batch: &Batch, end: Head, head: Head) -> Result<&[Line], Result<Answer, AppendError>> {
    let conflict = AppendError::Conflict { expected: batch.after, actual: head.position };
    if head.position < batch.after {
        return Err(Err(conflict));
    }
    if head.position > end.position {
        return Err(Ok(Answer::Behind { chain: batch.chain.clone(), actual: head }));
    }
    let known = usize::try_from(head.position.get() - batch.after.get()).unwrap_or(usize::MAX);
    let Some(new) = batch.lines.get(known..) else { return Err(Err(conflict)) };
    let follows = match known.checked_sub(1).and_then(|last| batch.lines.get(last)) {
        Some(last) => last.hash() == head.hash,
        None => batch.lines.first().and_then(Line::prev) == Some(head.hash),
    };
    match (follows, known) {
        (true, _) => Ok(new),
        (false, 0) => Err(Err(AppendError::Invalid("its first line does not follow the chain's last".to_owned()))),
        (false, _) => Err(Err(conflict)),
    }
}

fn size(batch: &Batch) -> usize {
    batch.lines.iter().map(|line| line.bytes().len() + 1).sum()
}
