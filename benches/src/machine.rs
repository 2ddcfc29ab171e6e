//! The machine a bench runs on: what it is, and what else it does meanwhile.

use std::time::{Duration, Instant};

use anyhow::Context;

use crate::process::{Process, TICK, cpu_time};

/// The processor's name.
pub(crate) fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")).and_then(|line| line.split_once(':'));
    model.map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.trim().to_owned())
}

/// A look at how much the cores have worked, for everybody and for us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    at: Instant,
    cores: u32,
    all: Duration,
    ours: Duration,
}

impl Work {
    /// Looks at these cores, or at all if none is named, and at this process and its children.
    ///
    /// # Errors
    /// When a child is gone, or the kernel does not tell.
    pub(crate) fn so_far<'a>(cores: &[usize], children: impl Iterator<Item = &'a Process>) -> anyhow::Result<Self> {
        let own = cpu_time(std::process::id())?;
        let ours = children.map(Process::cpu_time).try_fold(own, |sum, time| time.map(|time| sum + time))?;
        let stat = std::fs::read_to_string("/proc/stat").context("no /proc here")?;
        let (cores, all) = worked(&stat, cores).context("the kernel does not tell how busy the cores are")?;
        Ok(Self { at: Instant::now(), cores, all, ours })
    }

    /// The part of the cores that others used since an earlier look, in percent.
    pub(crate) fn others_percent_since(&self, earlier: &Self) -> f64 {
        let others = self.all.saturating_sub(earlier.all).saturating_sub(self.ours.saturating_sub(earlier.ours));
        let time = self.at.duration_since(earlier.at).as_secs_f64() * f64::from(self.cores);
        100.0 * others.as_secs_f64() / time
    }
}

/// How many of these cores there are, and the time they spent in processes, or that a host took from this machine. Time
/// in interrupts is nobody's: the traffic of the load itself makes most of it.
fn worked(stat: &str, cores: &[usize]) -> Option<(u32, Duration)> {
    const USER_NICE_SYSTEM_STEAL: [usize; 4] = [0, 1, 2, 7];
    let (mut count, mut ticks) = (0, 0);
    for line in stat.lines() {
        let Some((core, times)) = line.strip_prefix("cpu").and_then(|line| line.split_once(' ')) else { continue };
        let Ok(core) = core.parse::<usize>() else { continue };
        if !cores.is_empty() && !cores.contains(&core) {
            continue;
        }
        let times: Vec<u32> = times.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
        for field in USER_NICE_SYSTEM_STEAL {
            ticks += times.get(field)?;
        }
        count += 1;
    }
    (count > 0).then_some((count, TICK * ticks))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Work, worked};

    const STAT: &str = "\
cpu  600 6 60 9000 0 0 0 6 0 0
cpu0 100 1 10 3000 0 70 70 1 0 0
cpu1 200 2 20 3000 0 70 70 2 0 0
cpu2 300 3 30 3000 0 70 70 3 0 0
intr 5
";

    #[test]
    fn the_work_of_the_named_cores_is_summed_without_idle_time_and_interrupts() {
        assert_eq!(worked(STAT, &[0, 2]), Some((2, Duration::from_millis(4_480))));
        assert_eq!(worked(STAT, &[]), Some((3, Duration::from_millis(6_720))));
        assert_eq!(worked(STAT, &[7]), None);
    }

    #[test]
    fn others_are_what_is_not_ours() {
        let at = Instant::now();
        let second = Duration::from_secs(1);
        let earlier = Work { at, cores: 2, all: second, ours: second / 2 };
        let later = Work { at: at + 10 * second, cores: 2, all: 11 * second, ours: second * 13 / 2 };
        assert!((later.others_percent_since(&earlier) - 20.0).abs() < 1e-9);
    }

    #[test]
    fn this_machine_tells_what_it_does() {
        let work = Work::so_far(&[], std::iter::empty()).unwrap();
        assert!(work.cores >= 1 && work.all > Duration::ZERO);
    }
}
