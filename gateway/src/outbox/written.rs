//! Waiting until what happened is written. All requests that wait in one turn of the runtime share one write: a call to
//! the system costs more than what it writes.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::Outbox;

/// Who waits for the next write. It is under the desk's lock.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Somebody writes once all that can run now has run.
    is_led: bool,
    waiting: Vec<Waker>,
}

/// See [`Outbox::written_down`].
struct WrittenDown<'a> {
    outbox: &'a Outbox,
    /// It waits for this many records.
    records: u64,
    leads: bool,
}

impl Turn {
    /// Something was written, or never will be.
    pub(super) fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

impl Outbox {
    /// Waits until all that happened so far survives the process, and tells whether it does: if not, the journal cannot be
    /// written.
    ///
    /// Cancellation: it is written all the same.
    pub(crate) async fn written_down(&self) -> bool {
        let records = self.desk().journal.encoded();
        WrittenDown { outbox: self, records, leads: false }.await
    }
}

impl Future for WrittenDown<'_> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        let mut desk = self.outbox.desk();
        if self.leads {
            desk.write_down();
            desk.turn.is_led = false;
            let is_safe = !desk.journal.is_broken();
            drop(desk);
            self.leads = false;
            return Poll::Ready(is_safe);
        }
        if desk.journal.is_broken() || desk.journal.written() >= self.records {
            return Poll::Ready(!desk.journal.is_broken());
        }
        if desk.turn.is_led {
            desk.turn.waiting.push(context.waker().clone());
            return Poll::Pending;
        }
        desk.turn.is_led = true;
        drop(desk);
        self.leads = true;
        // Behind all that can run now: what that writes down goes with it.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for WrittenDown<'_> {
    fn drop(&mut self) {
        if self.leads {
            let mut desk = self.outbox.desk();
            desk.write_down();
            desk.turn.is_led = false;
        }
    }
}
