//! What the writer shows to readers: the segments, how much of each is durable, and where the chains end.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tallygate_core::stream::{ChainId, Head, Offset};
use tokio::sync::watch;

use super::outage::Outage;
use super::recent::Recent;

/// A place is remembered for about so many bytes, so a reader skips no more than that. 16 bytes of memory each.
const MARK_BYTES: u64 = 64 * 1024;

/// All that readers and the writer share.
#[derive(Debug)]
pub(super) struct Shared {
    catalog: RwLock<Catalog>,
    progress: watch::Sender<Progress>,
}

/// Whether more will come. How far a tail may read is said by the catalog alone.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    /// Why nothing more will come; none while the log is open.
    pub(super) stopped: Option<Outage>,
}

/// What is durable.
#[derive(Debug)]
pub(super) struct Catalog {
    /// In order, never empty.
    pub(super) segments: Vec<Segment>,
    pub(super) heads: HashMap<ChainId, Head>,
    /// The offset of the last line.
    pub(super) end: Offset,
    /// The last lines.
    pub(super) recent: Recent,
}

/// One file of lines.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: Arc<Path>,
    /// The offset of its first line.
    pub(super) first: Offset,
    /// How many bytes of it are durable; they end with a line feed.
    pub(super) bytes: u64,
    pub(super) marks: Marks,
}

/// Where some of the lines of a segment begin.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<(Offset, u64)>);

/// A line's place: `offset` begins at `byte` of the segment.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) path: Arc<Path>,
    pub(super) first: Offset,
    pub(super) offset: Offset,
    pub(super) byte: u64,
}

impl Shared {
    pub(super) fn new(catalog: Catalog) -> Self {
        Self { catalog: RwLock::new(catalog), progress: watch::Sender::default() }
    }

    /// Held for moments only, never across a read of the disk. Nothing panics under it, so poison means nothing.
    pub(super) fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn catalog_mut(&self) -> RwLockWriteGuard<'_, Catalog> {
        self.catalog.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Wakes the tails: the catalog has grown.
    pub(super) fn announce(&self) {
        self.progress.send_modify(|_| ());
    }

    /// Ends the tails, once they have read what is durable. The first reason stays.
    pub(super) fn stop(&self, outage: &Outage) {
        self.progress.send_modify(|progress| {
            progress.stopped.get_or_insert_with(|| outage.clone());
        });
    }
}

impl Catalog {
    pub(super) fn head(&self, chain: &ChainId) -> Head {
        self.heads.get(chain).copied().unwrap_or(Head::EMPTY)
    }

    /// How much of the last segment is durable.
    pub(super) fn durable_bytes(&self) -> u64 {
        self.segments.last().map_or(0, |segment| segment.bytes)
    }

    /// The segment that begins with a line.
    pub(super) fn segment(&self, first: Offset) -> Option<&Segment> {
        let index = self.segments.binary_search_by_key(&first, |segment| segment.first).ok()?;
        self.segments.get(index)
    }

    /// A place at or before a line, in its segment.
    pub(super) fn place(&self, offset: Offset) -> Option<Place> {
        let index = self.segments.partition_point(|segment| segment.first <= offset).checked_sub(1)?;
        let segment = self.segments.get(index)?;
        let (offset, byte) = segment.marks.before(offset).unwrap_or((segment.first, 0));
        Some(Place { path: segment.path.clone(), first: segment.first, offset, byte })
    }
}

impl Segment {
    pub(super) fn empty(path: PathBuf, first: Offset) -> Self {
        Self { path: Arc::from(path), first, bytes: 0, marks: Marks::default() }
    }
}

impl Marks {
    /// Remembers where a line begins, unless a place shortly before it is known.
    pub(super) fn add(&mut self, offset: Offset, byte: u64) {
        if self.0.last().is_none_or(|(_, known)| byte >= known + MARK_BYTES) {
            self.0.push((offset, byte));
        }
    }

    /// Forgets the lines after an offset.
    pub(super) fn cut(&mut self, end: Offset) {
        self.0.retain(|(offset, _)| *offset <= end);
    }

    fn before(&self, offset: Offset) -> Option<(Offset, u64)> {
        let index = self.0.partition_point(|(known, _)| *known <= offset).checked_sub(1)?;
        self.0.get(index).copied()
    }
}
