//! The waker of a connection's driver. While somebody polls both the driver and what it makes ready, the one wakes the
//! other all the time: each wake would schedule the task that runs already. So it only notes them, and the task looks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// Wakes whoever listens, or notes that it should have.
pub(super) struct Bell {
    listener: Mutex<Waker>,
    is_muted: AtomicBool,
    has_rung: AtomicBool,
}

impl Bell {
    /// A bell that nobody listens to: muted.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            listener: Mutex::new(Waker::noop().clone()),
            is_muted: AtomicBool::new(true),
            has_rung: AtomicBool::new(false),
        })
    }

    /// From now on it wakes this task, once it is unmuted.
    pub(super) fn listen(&self, listener: &Waker) {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).clone_from(listener);
    }

    /// From now on it wakes nobody.
    pub(super) fn mute(&self) {
        self.is_muted.store(true, Ordering::SeqCst);
    }

    /// From now on it wakes the listener. Whether it has rung meanwhile: then the driver must be polled again.
    pub(super) fn unmute(&self) -> bool {
        self.is_muted.store(false, Ordering::SeqCst);
        self.has_rung.swap(false, Ordering::SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    /// Noted first, and then looked whether it is muted: whoever unmutes it meanwhile finds the note.
    fn wake_by_ref(self: &Arc<Self>) {
        self.has_rung.store(true, Ordering::SeqCst);
        if !self.is_muted.load(Ordering::SeqCst) {
            let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).clone();
            listener.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{Wake, Waker};

    use super::Bell;

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_muted_bell_wakes_nobody_and_tells_of_it_once() {
        let (bell, woken) = (Bell::new(), Arc::new(Woken::default()));
        bell.listen(&Waker::from(Arc::clone(&woken)));
        Waker::from(Arc::clone(&bell)).wake();
        assert_eq!(woken.0.load(Ordering::SeqCst), 0);
        assert!(bell.unmute());
        assert!(!bell.unmute());
        Waker::from(Arc::clone(&bell)).wake();
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        bell.mute();
        Waker::from(bell).wake();
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    }
}
