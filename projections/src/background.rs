//! Threads that work behind the requests.

/// Beside a thread of the usual importance on one core, a thread of this one gets about a tenth of it: enough to keep up
/// with what requests cause, and they hardly wait for it.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Makes the thread that calls give way to all others, for good. What it cannot do it leaves.
pub(crate) fn make_background() {
    // Elsewhere a thread has no importance of its own: this would be the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "a thread could not be made a background one");
    }
}
