//! Rows in the order of their keys: those on disk, and over them those that the disk does not have yet.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::RangeInclusive;

use super::disk::Leaves;
use super::leaf::{Leaf, Malformed};
use super::{Store, StoreError};

/// A row's key and its bytes.
pub(crate) type StoredRow = (Vec<u8>, Vec<u8>);

/// Keys from one on and before another.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    pub(super) from: Vec<u8>,
    pub(super) before: Option<Vec<u8>>,
}

/// Which end a scan begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Backward,
}

/// Rows in the order of their keys, or from the last one on. Ends after an error.
///
/// What changes while it is read may be in it or not, row by row.
pub(crate) struct Scan<'a> {
    store: &'a Store,
    direction: Direction,
    memory: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    disk: Peekable<DiskRows<'a>>,
    ended: bool,
}

impl Bounds {
    pub(super) fn of_prefix(prefix: &[u8]) -> Self {
        let mut before = prefix.to_vec();
        while before.last() == Some(&u8::MAX) {
            before.pop();
        }
        if let Some(last) = before.last_mut() {
            *last += 1;
        }
        Self { from: prefix.to_vec(), before: (!before.is_empty()).then_some(before) }
    }

    pub(super) fn contain(&self, key: &[u8]) -> bool {
        key >= &self.from[..] && self.before.as_ref().is_none_or(|before| key < &before[..])
    }

    /// The tables that keys within the bounds are of.
    pub(super) fn tables(&self) -> RangeInclusive<u8> {
        let first = self.from.first().copied().unwrap_or(0);
        let last = self.before.as_ref().and_then(|before| before.first().copied()).unwrap_or(u8::MAX);
        first..=last.max(first)
    }
}

impl<'a> Scan<'a> {
    pub(super) fn new(store: &'a Store, bounds: Bounds, direction: Direction) -> Self {
        // Memory first: what is written between the two is then found twice, and not missed.
        let memory = store.unwritten.copy_within(&bounds);
        let disk = DiskRows { store, leaves: None, rows: Vec::new(), bounds, direction, ended: false };
        Self { store, direction, memory, disk: disk.peekable(), ended: false }
    }

    fn step(&mut self) -> Option<Result<StoredRow, StoreError>> {
        loop {
            let in_memory = match self.direction {
                Direction::Forward => self.memory.first_key_value(),
                Direction::Backward => self.memory.last_key_value(),
            };
            let from_memory = match (in_memory.map(|(key, _)| key), self.disk.peek()) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(_), Some(Err(_))) => false,
                (Some(key), Some(Ok((other, _)))) => match self.direction {
                    Direction::Forward => key <= other,
                    Direction::Backward => key >= other,
                },
            };
            if !from_memory {
                return self.disk.next();
            }
            let (key, value) = match self.direction {
                Direction::Forward => self.memory.pop_first()?,
                Direction::Backward => self.memory.pop_last()?,
            };
            if matches!(self.disk.peek(), Some(Ok((other, _))) if *other == key) {
                self.disk.next();
            }
            if let Some(value) = value {
                return Some(Ok((key, value)));
            }
        }
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<StoredRow, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = match self.store.check_trusted() {
            Ok(()) => self.step(),
            Err(error) => Some(Err(error)),
        };
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }
}

/// The rows on disk.
struct DiskRows<'a> {
    store: &'a Store,
    /// Begun with the first row that is asked for.
    leaves: Option<Leaves>,
    /// Of the leaf that is being read; the last is the next.
    rows: Vec<StoredRow>,
    bounds: Bounds,
    direction: Direction,
    ended: bool,
}

impl DiskRows<'_> {
    /// Reads the next leaf. Tells whether there was one.
    fn read_leaf(&mut self) -> Result<bool, StoreError> {
        let mut leaves = match self.leaves.take() {
            Some(leaves) => leaves,
            None => self.store.on_disk(|disk| disk.leaves(&self.bounds))?,
        };
        let direction = self.direction;
        let leaf = self.store.guarded(|| leaves.next(direction))?;
        self.leaves = Some(leaves);
        let Some(bytes) = leaf else { return Ok(false) };
        self.rows = self.store.guarded(|| Ok(rows_within(&bytes, &self.bounds)?))?;
        if self.direction == Direction::Forward {
            self.rows.reverse();
        }
        Ok(true)
    }
}

fn rows_within(bytes: &[u8], bounds: &Bounds) -> Result<Vec<StoredRow>, Malformed> {
    let leaf = Leaf::read(bytes)?;
    let mut rows = Vec::with_capacity(64);
    for row in leaf.rows() {
        let (rest, value) = row?;
        let key = [leaf.prefix(), rest].concat();
        if bounds.contain(&key) {
            rows.push((key, value.to_vec()));
        }
    }
    Ok(rows)
}

impl Iterator for DiskRows<'_> {
    type Item = Result<StoredRow, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            if let Some(row) = self.rows.pop() {
                return Some(Ok(row));
            }
            match self.read_leaf() {
                Ok(is_there) => self.ended = !is_there,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}
