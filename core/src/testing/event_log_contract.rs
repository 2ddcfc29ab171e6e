//! The contract suite of [`EventLog`]: what every implementation must do, one case a function.
//!
//! An implementation supplies a [`Fixture`] and calls [`event_log_contract!`](crate::event_log_contract), which makes
//! one test of each case. No case sleeps; a tail that stays silent hangs, so a runner may set a time limit.

#![allow(clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::sync::Arc;

use crate::envelope::Line;
use crate::port::BoxFuture;
use crate::port::event_log::{Entry, EventLog};
use crate::stream::{Log, Offset};
use crate::testing::drive::next;

pub mod appending;
pub mod reading;
pub mod reopening;

/// How a log went down before it is opened again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// In good order.
    Closed,
    /// As by `kill -9`, as near as the implementation can come to it within a test.
    Crashed,
}

/// Gives each case logs of its own: empty ones that no other case writes to.
pub trait Fixture: Sync {
    /// Opens a log that is empty. Called at most once for each log.
    fn open(&self, log: Log) -> BoxFuture<'_, Arc<dyn EventLog>>;

    /// Takes the only handle of a log, stops it (or its server) and opens it again. Tails may still be held.
    fn reopen(&self, log: Arc<dyn EventLog>, stop: Stop) -> BoxFuture<'_, Arc<dyn EventLog>>;

    /// Whether a tail goes on after [`Self::reopen`], as it does when only a server was restarted. If not, it must end
    /// with an error once it has yielded all that was acknowledged.
    fn tail_survives_reopen(&self) -> bool;
}

/// Makes one `#[test]` of each case of the contract suite.
///
/// The first argument runs a future to its end: `fn run(case: impl Future<Output = ()>)`. The second is an expression
/// that makes the [`Fixture`] of one case; it may use `.await`.
#[macro_export]
macro_rules! event_log_contract {
    ($run:path, $fixture:expr) => {
        $crate::event_log_contract!(@tests $run, $fixture;
            appending: an_append_answers_with_the_head_of_its_chain,
                a_batch_of_the_greatest_length_is_stored_whole,
                a_line_of_the_greatest_length_is_stored,
                a_conflict_stores_nothing_and_names_the_head,
                other_lines_at_a_taken_place_conflict,
                the_same_lines_again_are_stored_once,
                an_empty_batch_is_invalid,
                a_batch_over_the_limit_is_invalid,
                a_line_too_long_or_broken_in_two_is_invalid,
                lines_of_another_log_or_chain_are_invalid,
                lines_out_of_sequence_are_invalid,
                half_a_command_is_invalid,
                exactly_one_of_many_rivals_wins_each_position,
                writers_of_many_chains_lose_nothing,
                a_dropped_append_is_stored_whole_or_not_at_all;
            reading: an_empty_log_has_no_end_and_no_entries,
                lines_are_read_in_the_order_of_their_appends,
                pages_put_together_are_the_whole_log,
                the_end_is_the_offset_of_the_last_entry,
                chains_of_one_log_are_interleaved_and_gapless,
                a_tail_yields_history_and_then_what_comes,
                a_tail_starts_after_its_offset,
                several_tails_yield_the_same,
                a_reader_ahead_of_the_log_is_refused;
            reopening: an_empty_log_is_empty_after_a_stop,
                all_that_was_acknowledged_is_there_after_a_stop,
                a_log_goes_on_after_a_stop,
                the_same_lines_again_are_stored_once_across_a_stop,
                a_tail_yields_each_entry_once_across_a_stop;
        );
    };
    (@tests $run:path, $fixture:expr; $($module:ident: $($case:ident),+;)+) => {
        $($(
            #[test]
            fn $case() {
                $run(async {
                    let fixture = $fixture;
                    $crate::testing::event_log_contract::$module::$case(&fixture).await;
                });
            }
        )+)+
    };
}

/// The number of entries that a page of [`read_all`] holds: small, so that most cases read several.
const PAGE: usize = 7;

/// Reads a whole log in pages, and checks that offsets grow.
async fn read_all(log: &dyn EventLog) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let after = entries.last().map_or(Offset::START, |entry| entry.offset);
        let page = log.read(after, PAGE).await.expect("a page");
        if page.is_empty() {
            check_offsets(&entries);
            return entries;
        }
        assert!(page.len() <= PAGE, "a page holds at most as many entries as were asked for");
        entries.extend(page);
    }
}

/// Takes entries from a tail until they hold so many lines, and checks that offsets grow.
async fn take_lines(tail: &mut crate::port::BoxStream<'static, TailItem>, lines: usize) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut taken = 0;
    while taken < lines {
        let entry = next(tail).await.expect("a tail does not end").expect("an entry");
        taken += entry.lines.len();
        entries.push(entry);
    }
    assert_eq!(taken, lines, "an entry ends with the last line of an append");
    check_offsets(&entries);
    entries
}

type TailItem = Result<Entry, crate::port::event_log::LogError>;

fn check_offsets(entries: &[Entry]) {
    assert!(entries.is_sorted_by(|a, b| a.offset < b.offset), "offsets grow from entry to entry");
    assert!(entries.iter().all(|entry| !entry.lines.is_empty()), "an entry has lines");
}

fn lines_of(entries: &[Entry]) -> Vec<Line> {
    entries.iter().flat_map(|entry| entry.lines.clone()).collect()
}
