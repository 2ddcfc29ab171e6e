//! A tail: what is durable, and then what becomes durable.

use std::sync::Arc;

use futures_util::stream::unfold;
use tallygate_core::port::BoxStream;
use tallygate_core::port::event_log::{Entry, LogError};
use tallygate_core::stream::Offset;
use tokio::sync::watch;

use super::catalog::{Progress, Shared};
use super::outage::Outage;
use super::reader::{Reader, ahead};
use super::{blocking, unavailable};

/// So many lines are held in memory at most, besides those that were yielded.
const PAGE_LINES: usize = 1_024;

struct Tail {
    reader: Reader,
    page: std::vec::IntoIter<Entry>,
    progress: watch::Receiver<Progress>,
}

/// Every line after an offset. Ends after an error, which comes when the log is closed or sealed and all that is
/// durable was yielded.
pub(super) fn tail(shared: Arc<Shared>, after: Offset) -> BoxStream<'static, Result<Entry, LogError>> {
    let progress = shared.watch();
    let tail = Tail { reader: Reader::new(shared, after), page: Vec::new().into_iter(), progress };
    Box::pin(unfold(Some(tail), |tail| async {
        match tail?.next().await {
            Ok((entry, tail)) => Some((Ok(entry), Some(tail))),
            Err(error) => Some((Err(error), None)),
        }
    }))
}

impl Tail {
    async fn next(mut self) -> Result<(Entry, Self), LogError> {
        loop {
            if let Some(entry) = self.page.next() {
                return Ok((entry, self));
            }
            // Before the catalog is asked, so that whatever it does not tell yet will be announced.
            let stopped = self.progress.borrow_and_update().stopped.clone();
            let (after, end) = (self.reader.after(), self.reader.end());
            if after > end {
                return Err(ahead(after, end));
            }
            if let Some(entries) = self.reader.recent(PAGE_LINES) {
                self.page = entries.into_iter();
            } else if after < end {
                self = blocking(move || {
                    self.page = self.reader.page(PAGE_LINES)?.into_iter();
                    Ok(self)
                })
                .await?;
            } else if let Some(outage) = stopped {
                return Err(unavailable(outage));
            } else {
                self.progress.changed().await.map_err(|_| unavailable(Outage::Closed))?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use bytes::Bytes;
    use futures_util::{FutureExt as _, StreamExt as _};
    use tallygate_core::envelope::Line;
    use tallygate_core::port::event_log::Entry;
    use tallygate_core::stream::Offset;

    use super::super::catalog::{Catalog, Segment, Shared};
    use super::super::recent::Recent;
    use super::tail;

    /// The log grows by a line, and nobody is told.
    fn grow(shared: &Shared, line: &'static str) {
        let mut catalog = shared.catalog_mut();
        catalog.end = catalog.end.plus(1);
        catalog.recent.extend([Line::from_bytes(Bytes::from_static(line.as_bytes()))]);
    }

    #[test]
    fn what_was_read_before_it_was_announced_is_no_damage() {
        let segments = vec![Segment::empty("1.jsonl".into(), Offset::new(1))];
        let catalog = Catalog { segments, heads: HashMap::new(), end: Offset::START, recent: Recent::default() };
        let shared = Arc::new(Shared::new(catalog));
        let mut tail = tail(Arc::clone(&shared), Offset::START);
        let mut next =
            || tail.next().now_or_never().map(|entry| entry.map(|entry| entry.map(|Entry { offset, .. }| offset)));
        grow(&shared, "one");
        assert!(matches!(next(), Some(Some(Ok(offset))) if offset == Offset::new(1)));
        assert!(next().is_none(), "it waits, and does not take the log for one that has lost a line");
        shared.announce();
        assert!(next().is_none());
        grow(&shared, "two");
        shared.announce();
        assert!(matches!(next(), Some(Some(Ok(offset))) if offset == Offset::new(2)));
    }
}
