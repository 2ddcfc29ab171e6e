//! Requests whose client has left and that go on, so that what they cost is known and not guessed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// How many there are. One for the whole gateway.
#[derive(Debug)]
pub(crate) struct Clientless {
    streams_max: usize,
    counts: watch::Sender<Counts>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    streams: usize,
    others: usize,
}

/// A request's place among them. It is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    all: &'a Clientless,
    is_stream: bool,
}

/// Whether the client of one request has left. All clones say the same.
#[derive(Debug, Clone, Default)]
pub(super) struct HasLeft(Arc<AtomicBool>);

impl HasLeft {
    /// It has.
    pub(super) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it has, as far as is known.
    pub(super) fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Clientless {
    /// So many streams may be read on at once; none, and every stream is cut when its client leaves.
    pub(crate) fn new(streams_max: usize) -> Self {
        Self { streams_max, counts: watch::Sender::default() }
    }

    /// Whether any stream may be read on.
    pub(super) const fn reads_streams(&self) -> bool {
        self.streams_max > 0
    }

    /// A stream goes on, if it is not one too many.
    pub(super) fn enter_stream(&self) -> Option<Place<'_>> {
        let enters = self.counts.send_if_modified(|counts| {
            let enters = counts.streams < self.streams_max;
            counts.streams += usize::from(enters);
            enters
        });
        enters.then(|| Place { all: self, is_stream: true })
    }

    /// Anything else goes on: a call that was not answered yet.
    pub(super) fn enter(&self) -> Place<'_> {
        self.counts.send_modify(|counts| counts.others += 1);
        Place { all: self, is_stream: false }
    }

    /// How many go on.
    pub(crate) fn count(&self) -> usize {
        let Counts { streams, others } = *self.counts.borrow();
        streams + others
    }

    /// Waits until none goes on.
    pub(crate) async fn until_none(&self) {
        // The sender lives as long as this is borrowed.
        let _ = self.counts.subscribe().wait_for(|counts| *counts == Counts::default()).await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.all.counts.send_modify(|counts| {
            let count = if self.is_stream { &mut counts.streams } else { &mut counts.others };
            *count = count.saturating_sub(1);
        });
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::Clientless;

    #[test]
    fn so_many_streams_go_on_and_no_more() {
        let all = Clientless::new(2);
        let (first, _second) = (all.enter_stream().unwrap(), all.enter_stream().unwrap());
        assert!(all.enter_stream().is_none());
        let _other = all.enter();
        assert_eq!(all.count(), 3, "what is no stream is not counted against them");
        drop(first);
        assert!(all.enter_stream().is_some());
        assert!(!Clientless::new(0).reads_streams());
    }

    #[test]
    fn the_last_one_to_end_is_heard_of() {
        let all = Clientless::new(1);
        assert!(all.until_none().now_or_never().is_some());
        let (stream, other) = (all.enter_stream(), all.enter());
        let mut none = Box::pin(all.until_none());
        assert!(none.as_mut().now_or_never().is_none());
        drop(stream);
        assert!(none.as_mut().now_or_never().is_none());
        drop(other);
        assert!(none.now_or_never().is_some());
    }
}
