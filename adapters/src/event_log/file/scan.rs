//! Reads a segment line by line and follows the chains through it. Blocks.
//!
//! A line is not parsed: its header is read from the front, its `prev` from the end, and its hash is what the next
//! line of the chain must name. So every byte is checked but those of the last line of each chain.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use bytes::Bytes;
use memchr::{memchr, memchr_iter};
use tallygate_core::envelope::{Fault, LINE_MAX_BYTES, Line};
use tallygate_core::port::event_log::LogError;
use tallygate_core::stream::{ChainId, Head, Log, Offset};

use super::catalog::Marks;
use super::disk::failed;
use super::header::{Header, chain_of};
use super::reader::damaged;
use super::torn;

const PAGE_BYTES: u64 = 256 * 1024;

/// Where the chains of a log end, as far as it was read.
#[derive(Debug)]
pub(super) struct Chains {
    log: Log,
    tips: HashMap<ChainId, Tip>,
}

/// Where one chain ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tip {
    pub(super) head: Head,
    /// Where its last line lies; none when that was not read.
    pub(super) line: Option<LineAt>,
}

/// Where a line lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct LineAt {
    pub(super) offset: Offset,
    /// The first line of its segment.
    pub(super) segment: Offset,
    /// Where it begins in the segment.
    pub(super) byte: u64,
}

/// What was found in a segment.
#[derive(Debug)]
pub(super) struct Scanned {
    /// The offset of its last line, or of the one before its first when it has none.
    pub(super) end: Offset,
    /// How many bytes its lines take.
    pub(super) bytes: u64,
    pub(super) marks: Marks,
    /// What lies behind the lines: nothing, or what a crash can leave.
    pub(super) torn_bytes: u64,
}

impl Chains {
    pub(super) fn new(log: Log, heads: HashMap<ChainId, Head>) -> Self {
        let tips = heads.into_iter().map(|(chain, head)| (chain, Tip { head, line: None })).collect();
        Self { log, tips }
    }

    pub(super) fn tips(&self) -> impl Iterator<Item = (&ChainId, &Tip)> {
        self.tips.iter()
    }

    pub(super) fn heads(&self) -> HashMap<ChainId, Head> {
        self.tips.iter().map(|(chain, tip)| (chain.clone(), tip.head)).collect()
    }

    /// Whether a line is the next one of its chain.
    pub(super) fn fits(&self, line: &Line) -> Result<(), Fault> {
        let header = Header::of(line)?;
        let tip = self.tips.get(header.chain(self.log));
        self.check(line, &header, tip.map_or(Head::EMPTY, |tip| tip.head))
    }

    /// Takes a line as the next one of its chain.
    fn follow(&mut self, line: &Line, at: LineAt) -> Result<(), Fault> {
        let header = Header::of(line)?;
        let tip = self.tips.get(header.chain(self.log));
        self.check(line, &header, tip.map_or(Head::EMPTY, |tip| tip.head))?;
        let tip = Tip { head: Head { position: header.position, hash: line.hash() }, line: Some(at) };
        match self.tips.get_mut(header.chain(self.log)) {
            Some(known) => *known = tip,
            None => {
                self.tips.insert(chain_of(self.log, line)?, tip);
            }
        }
        Ok(())
    }

    fn check(&self, line: &Line, header: &Header<'_>, head: Head) -> Result<(), Fault> {
        // No line of JSON holds one. A gap in the middle of the last line would otherwise pass until its MAC is checked.
        if memchr(0, line.bytes()).is_some() {
            return Err(Fault::Unreadable("it holds zero bytes".to_owned()));
        }
        if *header.log != *self.log.name() {
            return Err(Fault::Elsewhere(format!("log {}", header.log)));
        }
        let expected = head.position.plus(1);
        if header.position != expected {
            return Err(Fault::Position { expected, found: header.position });
        }
        match line.prev() {
            Some(prev) if prev == head.hash => Ok(()),
            Some(_) => Err(Fault::Chain),
            None => Err(Fault::Unreadable("it does not end with `prev` and `mac`".to_owned())),
        }
    }
}

/// Follows the chains through the segment that begins with a line.
///
/// # Errors
/// [`LogError::Damaged`] at the first line that is not the next one of its chain, unless a crash can have left it.
pub(super) fn scan(path: &Path, first: Offset, chains: &mut Chains) -> Result<Scanned, LogError> {
    let failed = failed("reading", path);
    let mut file = File::open(path).map_err(&failed)?;
    let mut marks = Marks::default();
    let mut at = LineAt { offset: first, segment: first, byte: 0 };
    let mut unfinished = Bytes::new();
    loop {
        // An unfinished line is copied once for each page, so pages grow with it.
        let wanted = PAGE_BYTES.max(unfinished.len() as u64);
        let mut page = Vec::with_capacity(unfinished.len() + usize::try_from(wanted).unwrap_or(0));
        page.extend_from_slice(&unfinished);
        if (&mut file).take(wanted).read_to_end(&mut page).map_err(&failed)? == 0 {
            break;
        }
        let page = Bytes::from(page);
        let mut start = 0;
        for feed in memchr_iter(b'\n', &page) {
            let line = Line::from_bytes(page.slice(start..feed));
            if let Err(fault) = chains.follow(&line, at) {
                let length = file.metadata().map_err(&failed)?.len();
                let torn_bytes = length.saturating_sub(at.byte);
                let last = torn_bytes == line.bytes().len() as u64 + 1;
                if last && torn::has_hole(line.bytes()) {
                    return Ok(Scanned { end: before(at.offset), bytes: at.byte, marks, torn_bytes });
                }
                return Err(damaged(path, at.offset, at.byte, fault.to_string()));
            }
            marks.add(at.offset, at.byte);
            at.offset = at.offset.plus(1);
            at.byte += (feed + 1 - start) as u64;
            start = feed + 1;
        }
        unfinished = page.slice(start..);
        if unfinished.len() > LINE_MAX_BYTES && memchr(0, &unfinished).is_none() {
            return Err(damaged(path, at.offset, at.byte, "a line is longer than any that was ever written"));
        }
    }
    torn::check(&unfinished, chains).map_err(|what| damaged(path, at.offset, at.byte, what))?;
    Ok(Scanned { end: before(at.offset), bytes: at.byte, marks, torn_bytes: unfinished.len() as u64 })
}

fn before(offset: Offset) -> Offset {
    Offset::new(offset.get().saturating_sub(1))
}
