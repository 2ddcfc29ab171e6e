//! Reads durable lines in order, a page at a time. Blocks.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use memchr::memchr;
use tallygate_core::envelope::{LINE_MAX_BYTES, Line};
use tallygate_core::port::event_log::{Entry, LogError};
use tallygate_core::stream::Offset;

use super::catalog::{Place, Shared};
use super::disk::failed;

/// So many bytes are read at once, if the next line is not longer.
const PAGE_BYTES: u64 = 256 * 1024;
const LONGEST: u64 = LINE_MAX_BYTES as u64 + 1;

/// A reader at an offset. It keeps its file open between pages.
#[derive(Debug)]
pub(super) struct Reader {
    shared: Arc<Shared>,
    /// The last line that was yielded.
    after: Offset,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    at: Place,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, after: Offset) -> Self {
        Self { shared, after, open: None }
    }

    /// The last line that was yielded.
    pub(super) const fn after(&self) -> Offset {
        self.after
    }

    /// The last line that is durable.
    pub(super) fn end(&self) -> Offset {
        self.shared.catalog().end
    }

    /// The next lines, at most so many, if they are still in memory: those before them no longer are. Does not block.
    pub(super) fn recent(&mut self, limit: usize) -> Option<Vec<Entry>> {
        let mut catalog = self.shared.catalog_mut();
        let end = catalog.end;
        catalog.recent.forget(self.after, end);
        let entries = catalog.recent.after(self.after, catalog.end, limit).filter(|entries| !entries.is_empty())?;
        drop(catalog);
        self.after = entries.last().map_or(self.after, |entry| entry.offset);
        self.open = None;
        Some(entries)
    }

    /// The next lines, at most so many (and at least one is tried for) and about a page; none at the end.
    pub(super) fn page(&mut self, limit: usize) -> Result<Vec<Entry>, LogError> {
        let end = self.shared.catalog().end;
        if self.after > end {
            return Err(ahead(self.after, end));
        }
        let mut entries = Vec::new();
        while entries.is_empty() && self.after < end {
            let (mut open, durable) = self.next_place()?;
            for (offset, line) in open.lines(durable)? {
                if offset > self.after && entries.len() < limit.max(1) {
                    open.advance(offset, &line);
                    entries.push(Entry { offset, lines: vec![line] });
                } else if offset <= self.after {
                    open.advance(offset, &line);
                }
            }
            self.after = entries.last().map_or(self.after, |entry: &Entry| entry.offset);
            self.open = Some(open);
        }
        Ok(entries)
    }

    /// The segment that holds the next line, at or before that line, and how many of its bytes are durable.
    fn next_place(&mut self) -> Result<(Open, u64), LogError> {
        let next = self.after.plus(1);
        let (place, durable) = {
            let catalog = self.shared.catalog();
            if let Some(open) = self.open.take() {
                let durable = catalog.segment(open.at.first).map_or(0, |segment| segment.bytes);
                if open.at.byte < durable {
                    return Ok((open, durable));
                }
                if catalog.segment(next).is_none() {
                    return Err(open.at.damaged("lines are missing at its end"));
                }
            }
            let place = catalog.place(next).ok_or_else(|| LogError::Damaged {
                place: format!("offset {next}"),
                what: "no segment holds it".to_owned(),
            })?;
            let durable = catalog.segment(place.first).map_or(0, |segment| segment.bytes);
            (place, durable)
        };
        if place.byte >= durable {
            return Err(place.damaged("lines are missing at its end"));
        }
        let file = File::open(&place.path).map_err(|error| place.unreadable(error))?;
        Ok((Open { file, at: place }, durable))
    }
}

impl Open {
    /// The whole lines of about a page from here on, with their offsets; at least one.
    fn lines(&mut self, durable: u64) -> Result<Vec<(Offset, Line)>, LogError> {
        let left = durable.saturating_sub(self.at.byte);
        let mut page = self.bytes(left.min(PAGE_BYTES))?;
        if memchr(b'\n', &page).is_none() {
            page = self.bytes(left.min(LONGEST))?;
        }
        let mut lines = Vec::new();
        let (mut start, mut offset) = (0, self.at.offset);
        while let Some(length) = memchr(b'\n', &page[start..]) {
            lines.push((offset, Line::from_bytes(page.slice(start..start + length))));
            start += length + 1;
            offset = offset.plus(1);
        }
        if lines.is_empty() { Err(self.at.damaged("a line does not end")) } else { Ok(lines) }
    }

    fn bytes(&mut self, count: u64) -> Result<Bytes, LogError> {
        let mut bytes = Vec::new();
        self.file
            .seek(SeekFrom::Start(self.at.byte))
            .and_then(|_| (&self.file).take(count).read_to_end(&mut bytes))
            .map_err(|error| self.at.unreadable(error))?;
        if (bytes.len() as u64) < count {
            return Err(self.at.damaged("the file is shorter than it was"));
        }
        Ok(Bytes::from(bytes))
    }

    fn advance(&mut self, offset: Offset, line: &Line) {
        self.at.offset = offset.plus(1);
        self.at.byte += line.bytes().len() as u64 + 1;
    }
}

impl Place {
    fn damaged(&self, what: &str) -> LogError {
        damaged(&self.path, self.offset, self.byte, what)
    }

    fn unreadable(&self, error: io::Error) -> LogError {
        failed("reading", &self.path)(error)
    }
}

/// Damage of the line at an offset, which begins at a byte of a file.
pub(super) fn damaged(path: &Path, offset: Offset, byte: u64, what: impl Into<String>) -> LogError {
    LogError::Damaged { place: format!("{}, line {offset} of the log, byte {byte}", path.display()), what: what.into() }
}

/// The reader has seen what the log no longer holds.
pub(super) fn ahead(after: Offset, end: Offset) -> LogError {
    LogError::Damaged {
        place: format!("offset {after}"),
        what: format!("the reader is ahead of the log, which ends at {end}"),
    }
}
