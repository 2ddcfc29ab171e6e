//! What the machine knows of itself: which boot this is, and how long it has run.

use std::time::Duration;

/// Names the boot of this machine: what was written and not synced before another boot may be lost. Where the system does
/// not tell, each call names another one, and nothing unsynced is believed.
#[must_use]
pub fn this_boot() -> String {
    let known = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    known.map_or_else(|_| uuid::Uuid::now_v7().to_string(), |id| id.trim().to_owned())
}

/// Milliseconds by a clock that only runs forward, also while the machine sleeps. What it counts from says nothing.
#[must_use]
pub fn steady_ms() -> u64 {
    u64::try_from(steady().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(target_os = "linux")]
fn steady() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0));
    Duration::new(seconds, nanos)
}

/// On macOS the standard clock counts sleep too.
#[cfg(not(target_os = "linux"))]
fn steady() -> Duration {
    use std::sync::OnceLock;
    use std::time::Instant;
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::{steady_ms, this_boot};

    #[test]
    fn the_boot_is_the_same_as_long_as_the_machine_runs() {
        assert!(!this_boot().is_empty());
        #[cfg(target_os = "linux")]
        assert_eq!(this_boot(), this_boot());
    }

    #[test]
    fn the_steady_clock_never_runs_back() {
        let times: Vec<u64> = (0..1_000).map(|_| steady_ms()).collect();
        assert!(times.is_sorted());
    }
}
