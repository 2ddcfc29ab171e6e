//! The last lines that became durable, still in memory: a tail that keeps up need not read them back, and finds them
//! as they were appended, with what their sealer knew of them. What a tail has read is let go of at once, while it is in
//! the processor's caches: another tail that is further behind reads the disk.

use std::collections::VecDeque;

use tallygate_core::envelope::Line;
use tallygate_core::port::event_log::Entry;
use tallygate_core::stream::Offset;

/// So many bytes of lines are kept at most. A tail that is further behind reads the disk.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// Lines without a gap between them, up to the end of the log.
#[derive(Debug, Default)]
pub(super) struct Recent {
    lines: VecDeque<Line>,
    bytes: usize,
}

impl Recent {
    /// Adds the lines that the log has grown by.
    pub(super) fn extend(&mut self, lines: impl IntoIterator<Item = Line>) {
        for line in lines {
            self.bytes += line.bytes().len();
            self.lines.push_back(line);
        }
        while self.bytes > BYTES_MAX {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.bytes().len();
        }
    }

    /// Lets go of the lines up to an offset of a log that ends at `end`.
    pub(super) fn forget(&mut self, up_to: Offset, end: Offset) {
        let left = usize::try_from(end.get().saturating_sub(up_to.get())).unwrap_or(usize::MAX);
        while self.lines.len() > left {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.bytes().len();
        }
    }

    /// The lines after an offset of a log that ends at `end`, at most so many; none when the first of them is not here
    /// any more.
    pub(super) fn after(&self, after: Offset, end: Offset, limit: usize) -> Option<Vec<Entry>> {
        let missing = usize::try_from(end.get().checked_sub(after.get())?).ok()?;
        let skipped = self.lines.len().checked_sub(missing)?;
        let entries = self.lines.iter().skip(skipped).take(limit).zip(after.get() + 1..);
        Some(entries.map(|(line, offset)| Entry { offset: Offset::new(offset), lines: vec![line.clone()] }).collect())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tallygate_core::envelope::Line;
    use tallygate_core::stream::Offset;

    use super::{BYTES_MAX, Recent};

    fn line(text: &str) -> Line {
        Line::from_bytes(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn offsets(recent: &Recent, after: u64, end: u64, limit: usize) -> Option<Vec<u64>> {
        let entries = recent.after(Offset::new(after), Offset::new(end), limit)?;
        Some(entries.iter().map(|entry| entry.offset.get()).collect())
    }

    #[test]
    fn lines_are_found_by_their_offset_as_long_as_they_are_kept() {
        let mut recent = Recent::default();
        recent.extend(["a", "b", "c"].map(line));
        // A log of 10 lines, of which the last three are kept.
        assert_eq!(offsets(&recent, 7, 10, 9), Some(vec![8, 9, 10]));
        assert_eq!(offsets(&recent, 8, 10, 1), Some(vec![9]));
        assert_eq!(offsets(&recent, 10, 10, 9), Some(vec![]));
        assert_eq!(offsets(&recent, 6, 10, 9), None, "line 7 is not kept");
        assert_eq!(offsets(&recent, 11, 10, 9), None, "a reader ahead of the log");
        assert_eq!(recent.after(Offset::new(9), Offset::new(10), 1).unwrap()[0].lines, [line("c")]);
    }

    #[test]
    fn what_was_read_is_let_go_of_and_the_rest_stays() {
        let mut recent = Recent::default();
        recent.extend(["a", "b", "c"].map(line));
        recent.forget(Offset::new(5), Offset::new(10));
        assert_eq!(offsets(&recent, 7, 10, 9), Some(vec![8, 9, 10]), "nothing of it was kept");
        recent.forget(Offset::new(9), Offset::new(10));
        assert_eq!((offsets(&recent, 8, 10, 9), offsets(&recent, 9, 10, 9)), (None, Some(vec![10])));
        recent.forget(Offset::new(11), Offset::new(10));
        assert_eq!((recent.lines.len(), recent.bytes), (0, 0));
    }

    #[test]
    fn the_oldest_lines_go_when_there_are_too_many_bytes() {
        let mut recent = Recent::default();
        let half = "x".repeat(BYTES_MAX / 2);
        recent.extend([line("old"), line(&half), line(&half)]);
        assert_eq!(offsets(&recent, 1, 3, 9), Some(vec![2, 3]));
        assert_eq!(offsets(&recent, 0, 3, 9), None);
        recent.extend([line(&"x".repeat(BYTES_MAX + 1))]);
        assert_eq!(offsets(&recent, 3, 4, 9), None, "what is larger than the limit is not kept");
    }
}
