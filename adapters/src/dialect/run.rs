//! What is forwarded of one piece of a stream.

use std::ops::Range;

use bytes::Bytes;

/// Events that are forwarded together. Those that lie side by side in the upstream's piece stay one part of it, without a
/// copy; only where something was taken out or changed between them are bytes moved.
#[derive(Debug, Default)]
pub(in crate::dialect) struct Run {
    piece: Bytes,
    /// The part of the piece that is not among `moved` yet.
    part: Range<usize>,
    moved: Vec<u8>,
}

impl Run {
    /// For events of this piece, and others.
    pub(in crate::dialect) fn of(piece: &Bytes) -> Self {
        Self { piece: piece.clone(), ..Self::default() }
    }

    /// Adds an event, or a part of one.
    pub(in crate::dialect) fn add(&mut self, bytes: &[u8]) {
        // Bytes within the piece are told by their address; others lie elsewhere, since the piece is alive.
        let start = (bytes.as_ptr() as usize).wrapping_sub(self.piece.as_ptr() as usize);
        let is_within = start < self.piece.len();
        if is_within && start == self.part.end && !self.part.is_empty() {
            self.part.end += bytes.len();
            return;
        }
        if !self.part.is_empty() {
            self.moved.extend_from_slice(self.piece.get(std::mem::take(&mut self.part)).unwrap_or_default());
        }
        if is_within {
            self.part = start..start + bytes.len();
        } else {
            self.moved.extend_from_slice(bytes);
        }
    }

    /// All of them.
    pub(in crate::dialect) fn into_bytes(mut self) -> Bytes {
        if self.moved.is_empty() {
            return self.piece.slice(self.part);
        }
        self.moved.extend_from_slice(self.piece.get(self.part).unwrap_or_default());
        self.moved.into()
    }
}
