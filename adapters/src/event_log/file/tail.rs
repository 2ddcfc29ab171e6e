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
            let Progress { end, stopped } = self.progress.borrow_and_update().clone();
            let after = self.reader.after();
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
