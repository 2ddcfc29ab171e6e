//! What a load has done so far, counted by all its connections together.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::client::Failure;

/// The kinds of failures that are kept apart; more are one kind.
const KINDS_MAX: usize = 16;

/// Failures of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    /// How many.
    pub(crate) count: u64,
    /// What the first of them said.
    pub(crate) first: String,
}

/// Counters that only grow.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    completed: AtomicU64,
    failed: Mutex<BTreeMap<String, Failed>>,
}

impl Tally {
    /// One exchange is over.
    pub(crate) fn count(&self, outcome: &Result<(), Failure>) {
        match outcome {
            Ok(()) => {
                self.completed.fetch_add(1, Ordering::Relaxed);
            }
            Err(failure) => self.fail(kind(failure), 1, &chain(failure)),
        }
    }

    /// So many exchanges failed, for a reason that no answer gave.
    pub(crate) fn fail(&self, kind: &str, count: u64, text: &str) {
        let mut failed = self.failures();
        let kind = if failed.len() < KINDS_MAX || failed.contains_key(kind) { kind } else { "other" };
        let entry = failed.entry(kind.to_owned()).or_insert_with(|| Failed { count: 0, first: text.to_owned() });
        entry.count += count;
    }

    /// The exchanges that ended as they should.
    pub(crate) fn completed(&self) -> u64 {
        self.completed.load(Ordering::Relaxed)
    }

    /// The others, by kind.
    pub(crate) fn failed(&self) -> BTreeMap<String, Failed> {
        self.failures().clone()
    }

    fn failures(&self) -> MutexGuard<'_, BTreeMap<String, Failed>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error and what is behind it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

fn kind(failure: &Failure) -> &'static str {
    match failure {
        Failure::Connect { .. } => "not connected",
        Failure::Broken(_) => "broken off",
        Failure::Status { .. } => "refused",
        Failure::Incomplete(_) => "incomplete",
        Failure::Timeout => "timed out",
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;
    use crate::client::Failure;

    #[test]
    fn failures_are_counted_by_kind_and_the_first_is_kept() {
        let tally = Tally::default();
        tally.count(&Ok(()));
        tally.count(&Err(Failure::Incomplete("a".to_owned())));
        tally.count(&Err(Failure::Incomplete("b".to_owned())));
        tally.count(&Err(Failure::Timeout));
        assert_eq!(tally.completed(), 1);
        let failed = tally.failed();
        assert_eq!(failed["incomplete"].count, 2);
        assert!(failed["incomplete"].first.contains("\"a\""));
        assert_eq!(failed["timed out"].count, 1);
    }
}
