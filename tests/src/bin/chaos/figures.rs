//! Figures as they are printed, and whether they are what they must be.

use std::time::Duration;

/// The figures of one part.
#[derive(Debug)]
pub(crate) struct Figures {
    part: String,
    wrong: usize,
}

impl Figures {
    pub(crate) fn of(part: &str) -> Self {
        Self { part: part.to_owned(), wrong: 0 }
    }

    /// A figure that must be zero.
    pub(crate) fn none(&mut self, name: &str, value: usize) {
        self.judged(name, &value.to_string(), "0", value == 0);
    }

    /// A share in percent that must be at least so much.
    pub(crate) fn at_least(&mut self, name: &str, percent: f64, least: f64) {
        self.judged(name, &format!("{percent:.2} %"), &format!(">= {least} %"), percent >= least);
    }

    /// A share in percent that must be no more than so much; below zero there is room.
    pub(crate) fn no_more(&mut self, name: &str, percent: f64, most: f64) {
        self.judged(name, &format!("{percent:.2} %"), &format!("<= {most} %"), percent <= most);
    }

    /// A time that must be at most so much.
    pub(crate) fn at_most(&mut self, name: &str, time: Duration, most: Duration) {
        self.judged(name, &milliseconds(time), &format!("<= {}", milliseconds(most)), time <= most);
    }

    /// Something that must be so.
    pub(crate) fn holds(&mut self, name: &str, is_so: bool) {
        self.judged(name, if is_so { "yes" } else { "no" }, "yes", is_so);
    }

    /// A figure that is told and not judged.
    pub(crate) fn told(&self, name: &str, value: impl std::fmt::Display) {
        println!("{}: {name} = {value}", self.part);
    }

    /// The middle, the 99th percentile and the longest of some times.
    pub(crate) fn times(&self, name: &str, times: &mut [Duration]) {
        times.sort_unstable();
        let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied();
        let [middle, most, longest] = [at(50), at(99), times.last().copied()].map(Option::unwrap_or_default);
        let [middle, most, longest] = [middle, most, longest].map(milliseconds);
        self.told(name, format!("p50 {middle}, p99 {most}, longest {longest}, of {}", times.len()));
    }

    pub(crate) const fn are_right(&self) -> bool {
        self.wrong == 0
    }

    fn judged(&mut self, name: &str, value: &str, goal: &str, is_right: bool) {
        self.wrong += usize::from(!is_right);
        println!("{}: {name} = {value} (goal {goal}) {}", self.part, if is_right { "ok" } else { "WRONG" });
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}
