//! Time in even steps far below a millisecond, without spinning: the core is shared with the upstream. The timer of the
//! runtime has steps of one millisecond, which would turn an even load into bursts and measure the queue behind them.

use std::fs::File;
use std::io;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::net::unix::pipe;

/// The shortest step. Wakeups more frequent than this would take the core from the upstream; more than one request is
/// then sent at a step.
const STEP_MIN: Duration = Duration::from_micros(20);

/// A timer of the kernel that fires at even steps.
#[derive(Debug)]
pub(crate) struct Pacer {
    /// Not a pipe, but read like one: readable when it has fired, eight bytes at a time.
    timer: pipe::Receiver,
}

impl Pacer {
    /// Begins with the first step.
    ///
    /// # Errors
    /// When the kernel has no timer to give.
    pub(crate) fn start(step: Duration) -> io::Result<Self> {
        let step = step.max(STEP_MIN);
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let step = Timespec {
            tv_sec: i64::try_from(step.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(step.subsec_nanos()),
        };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: step, it_value: step })?;
        Ok(Self { timer: pipe::Receiver::from_file_unchecked(File::from(timer))? })
    }

    /// Waits for the next step. Steps that were missed count as one.
    ///
    /// # Errors
    /// When the timer cannot be read.
    pub(crate) async fn step(&self) -> io::Result<()> {
        loop {
            self.timer.readable().await?;
            let mut fired = [0; 8];
            match self.timer.try_read(&mut fired) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return outcome.map(|_| ()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Pacer;

    #[tokio::test]
    async fn steps_far_below_a_millisecond_come_neither_early_nor_at_the_runtimes_resolution() {
        let (step, steps) = (Duration::from_micros(100), 50);
        let begin = Instant::now();
        let pacer = Pacer::start(step).unwrap();
        let mut shortest = Duration::MAX;
        let mut last = begin;
        for _ in 0..steps {
            pacer.step().await.unwrap();
            shortest = shortest.min(last.elapsed());
            last = Instant::now();
        }
        assert!(begin.elapsed() >= step * steps, "fifty steps took {:?}", begin.elapsed());
        assert!(shortest < Duration::from_millis(1), "the shortest step took {shortest:?}");
    }
}
