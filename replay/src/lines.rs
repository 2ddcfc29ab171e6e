//! All lines of a log, in order, page by page.

use std::sync::Arc;

use tallygate_core::envelope::Line;
use tallygate_core::port::event_log::{EventLog, LogError};
use tallygate_core::stream::Offset;

const PAGE: usize = 1_000;

/// Calls `each` with every line and its offset, until it says stop.
///
/// # Errors
/// [`LogError`].
pub(crate) async fn for_each(
    log: &Arc<dyn EventLog>,
    mut each: impl FnMut(Offset, &Line) -> std::ops::ControlFlow<()>,
) -> Result<(), LogError> {
    let mut after = Offset::START;
    loop {
        let entries = log.read(after, PAGE).await?;
        let Some(last) = entries.last() else { return Ok(()) };
        after = last.offset;
        for entry in &entries {
            for line in &entry.lines {
                if each(entry.offset, line).is_break() {
                    return Ok(());
                }
            }
        }
    }
}
