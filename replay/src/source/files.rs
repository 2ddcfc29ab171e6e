//! The segment files of the embedded log, read as they lie there: without the gateway's lock, so that a log can be
//! audited while it grows, and without its checks, so that a damaged one can be examined.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tallygate_core::envelope::{LINE_MAX_BYTES, Line};
use tallygate_core::port::event_log::{AppendError, Batch, Entry, EventLog, LogError};
use tallygate_core::port::{BoxFuture, BoxStream};
use tallygate_core::stream::{ChainId, Head, Log, Offset};

/// How often a file is looked at again when its end was reached.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// A line that is longer than this is no line: reading stops there.
const LINE_LIMIT: usize = LINE_MAX_BYTES * 2;

/// One log of a data folder.
#[derive(Debug, Clone)]
pub(crate) struct FileSource {
    folder: PathBuf,
    log: Log,
    at: Arc<Mutex<Option<Cursor>>>,
}

/// Where reading goes on.
#[derive(Debug)]
struct Cursor {
    /// The last line that was read.
    after: u64,
    /// The first line of the open segment.
    first: u64,
    reader: BufReader<File>,
    /// A piece of a line whose end is not written yet.
    pending: Vec<u8>,
}

impl FileSource {
    /// The log in a folder.
    pub(crate) fn new(folder: PathBuf, log: Log) -> Self {
        Self { folder, log, at: Arc::default() }
    }

    fn page(&self, after: Offset, limit: usize) -> Result<Vec<Entry>, LogError> {
        let mut slot = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cursor = match slot.take().filter(|cursor| cursor.after == after.get()) {
            Some(cursor) => cursor,
            None => match self.seek(after.get())? {
                Some(cursor) => cursor,
                None => return Ok(Vec::new()),
            },
        };
        let mut entries = Vec::new();
        while entries.len() < limit.max(1) {
            match cursor.next().map_err(|error| self.failed(&cursor, &error))? {
                Some(line) => entries.push(Entry { offset: Offset::new(cursor.after), lines: vec![line] }),
                None if self.next_segment(&mut cursor)? => {}
                None => break,
            }
        }
        *slot = Some(cursor);
        Ok(entries)
    }

    /// Opens the segment that holds the line after an offset, and goes there.
    fn seek(&self, after: u64) -> Result<Option<Cursor>, LogError> {
        let segments = self.segments()?;
        let Some(first) = segments.into_iter().rfind(|first| *first <= after + 1) else { return Ok(None) };
        let mut cursor = self.open(first)?;
        while cursor.after < after {
            if cursor.next().map_err(|error| self.failed(&cursor, &error))?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(cursor))
    }

    fn next_segment(&self, cursor: &mut Cursor) -> Result<bool, LogError> {
        let next = cursor.after + 1;
        let follows = next != cursor.first && cursor.pending.is_empty() && self.segments()?.contains(&next);
        if follows {
            *cursor = self.open(next)?;
        }
        Ok(follows)
    }

    fn open(&self, first: u64) -> Result<Cursor, LogError> {
        let path = self.path(first);
        let file = File::open(&path).map_err(|error| unavailable(&path, &error))?;
        Ok(Cursor { after: first - 1, first, reader: BufReader::with_capacity(1 << 18, file), pending: Vec::new() })
    }

    fn path(&self, first: u64) -> PathBuf {
        self.folder.join(format!("{first:020}.jsonl"))
    }

    /// The first offsets of the segments, in order.
    fn segments(&self) -> Result<Vec<u64>, LogError> {
        let names = match fs::read_dir(&self.folder) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unavailable(&self.folder, &error)),
        };
        let mut firsts: Vec<u64> = names
            .filter_map(|name| name.ok()?.file_name().to_str()?.strip_suffix(".jsonl")?.parse().ok())
            .filter(|first| *first > 0)
            .collect();
        firsts.sort_unstable();
        Ok(firsts)
    }

    fn failed(&self, cursor: &Cursor, error: &io::Error) -> LogError {
        match error.kind() {
            io::ErrorKind::InvalidData => LogError::Damaged {
                place: format!("{}, line {}", self.path(cursor.first).display(), cursor.after - cursor.first + 2),
                what: error.to_string(),
            },
            _ => unavailable(&self.path(cursor.first), error),
        }
    }
}

impl Cursor {
    /// The next whole line; none when its end is not written.
    fn next(&mut self) -> io::Result<Option<Line>> {
        self.reader.read_until(b'\n', &mut self.pending)?;
        if self.pending.last() != Some(&b'\n') {
            if self.pending.len() > LINE_LIMIT {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "no line is that long"));
            }
            return Ok(None);
        }
        self.pending.pop();
        self.after += 1;
        Ok(Some(Line::from_bytes(Bytes::from(std::mem::take(&mut self.pending)))))
    }
}

fn unavailable(path: &Path, error: &io::Error) -> LogError {
    LogError::Unavailable(format!("{}: {error}", path.display()).into())
}

impl EventLog for FileSource {
    fn log(&self) -> Log {
        self.log
    }

    fn head<'a>(&'a self, chain: &'a ChainId) -> BoxFuture<'a, Result<Head, LogError>> {
        Box::pin(async move {
            let (mut head, mut after) = (Head::EMPTY, Offset::START);
            loop {
                let entries = self.page(after, 1_000)?;
                let Some(last) = entries.last() else { return Ok(head) };
                after = last.offset;
                for line in entries.iter().flat_map(|entry| &entry.lines) {
                    if let Ok(envelope) = line.envelope()
                        && ChainId::of(envelope.log, &envelope.stream) == *chain
                    {
                        head = Head { position: envelope.position, hash: line.hash() };
                    }
                }
            }
        })
    }

    fn end(&self) -> BoxFuture<'_, Result<Offset, LogError>> {
        Box::pin(async move {
            let mut after = Offset::new(self.segments()?.last().map_or(0, |first| first - 1));
            while let Some(last) = self.page(after, 10_000)?.last() {
                after = last.offset;
            }
            Ok(after)
        })
    }

    fn append(&self, _batch: Batch) -> BoxFuture<'_, Result<Head, AppendError>> {
        Box::pin(async { Err(AppendError::Unavailable("this log is open for reading only".into())) })
    }

    fn read(&self, after: Offset, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, LogError>> {
        Box::pin(async move { self.page(after, limit) })
    }

    fn tail(&self, after: Offset) -> BoxStream<'static, Result<Entry, LogError>> {
        let source = Self::new(self.folder.clone(), self.log);
        let start = (source, after, Vec::new().into_iter());
        Box::pin(futures_util::stream::unfold(start, |(source, mut after, mut page)| async move {
            loop {
                if let Some(entry) = page.next() {
                    let entry: Entry = entry;
                    after = entry.offset;
                    return Some((Ok(entry), (source, after, page)));
                }
                match source.page(after, 1_000) {
                    Ok(entries) if entries.is_empty() => tokio::time::sleep(LOOK_AGAIN).await,
                    Ok(entries) => page = entries.into_iter(),
                    Err(error) => return Some((Err(error), (source, after, page))),
                }
            }
        }))
    }
}
