//! Finds a line by its place in a chain. Rare: only a retry of lines that the chain has long grown past, or a conflict,
//! asks for it, so no index is kept. Blocks.

use std::sync::Arc;

use tallygate_core::envelope::Line;
use tallygate_core::port::event_log::{Entry, LogError};
use tallygate_core::stream::{ChainId, Log, Offset, Position};

use super::catalog::Shared;
use super::header::Header;
use super::reader::Reader;

const PAGE_LINES: usize = 1_024;

/// The line at a position of a chain; none when the chain does not reach it.
///
/// In control the position is the offset. In the other logs segments are searched from the newest back.
pub(super) fn line_at(
    shared: &Arc<Shared>,
    log: Log,
    chain: &ChainId,
    position: Position,
) -> Result<Option<Line>, LogError> {
    if log == Log::Control {
        let before = Offset::new(position.get().saturating_sub(1));
        if before >= shared.catalog().end {
            return Ok(None);
        }
        return Ok(Reader::new(shared.clone(), before).page(1)?.into_iter().flat_map(|entry| entry.lines).next());
    }
    let (mut ends, end) = {
        let catalog = shared.catalog();
        (catalog.segments.iter().map(|segment| segment.first).collect::<Vec<_>>(), catalog.end)
    };
    let mut last = end;
    while let Some(first) = ends.pop() {
        let before = Offset::new(first.get().saturating_sub(1));
        if let Some(line) = line_between(shared, log, chain, position, (before, last))? {
            return Ok(Some(line));
        }
        last = before;
    }
    Ok(None)
}

fn line_between(
    shared: &Arc<Shared>,
    log: Log,
    chain: &ChainId,
    position: Position,
    (before, last): (Offset, Offset),
) -> Result<Option<Line>, LogError> {
    let mut reader = Reader::new(shared.clone(), before);
    while reader.after() < last {
        for Entry { offset, lines } in reader.page(PAGE_LINES)? {
            for line in lines {
                let header = Header::of(&line).map_err(|fault| LogError::Damaged {
                    place: format!("line {offset} of the log"),
                    what: fault.to_string(),
                })?;
                if header.position == position && header.chain(log) == chain.as_str() {
                    return Ok(Some(line));
                }
            }
        }
    }
    Ok(None)
}
