//! Windows of budgets: opened by the log, followed by the next, and over when they are.

use super::{Desk, budget};
use crate::budget::{Carried, Raise};
use crate::lease::slices::{Exhausted, Hold, Refused};
use crate::lease::tests::{DAY, usd};
use crate::scope::Scope;
use crate::stream::Position;
use crate::testing::samples::id;
use crate::time::{Period, Timestamp};

#[test]
fn nothing_is_held_before_the_windows_are_open_in_the_log() {
    let mut desk = Desk::new();
    assert!(matches!(desk.place(10), Err(Refused::Unopened { .. })));
    desk.ask(10);
    // One line joins and one opens, in each of the two chains; the slices come with the windows.
    assert_eq!(desk.work(), 4);
    let hold = desk.place(10).unwrap();
    assert_eq!(hold.accounts(), 3);
    assert_eq!(desk.day(), (90, 10, 0));
    desk.ledger.release(hold);
    assert_eq!(desk.day(), (100, 0, 0));
}

#[test]
fn requests_go_on_in_the_old_window_until_the_next_is_open_in_the_log() {
    let mut desk = Desk::opened();
    let old = desk.place(10).unwrap();
    desk.wait(86_400_000);
    assert!(desk.ledger.slots().any(|slot| slot.account.period == DAY && slot.is_over(desk.moment().at)));
    // The first request after the end asks for the next window, and goes on in this one.
    let between = desk.place(10).unwrap();
    desk.work();
    let new = desk.place(10).unwrap();
    let window = |desk: &Desk, hold: &Hold| {
        let mut parts = desk.ledger.parts(hold);
        parts.find(|part| part.account.period == DAY).unwrap().account.window
    };
    assert_eq!(window(&desk, &old), window(&desk, &between));
    assert!(window(&desk, &new) > window(&desk, &old));
    // The old window's holds are settled in the old window, and then nothing of it is left.
    for hold in [old, between, new] {
        desk.settle(hold, 7);
    }
    desk.wait(6_000);
    desk.work();
    let days: Vec<i64> =
        desk.book().accounts().filter(|(id, _)| id.period == DAY).map(|(_, row)| row.posted.nano()).collect();
    assert_eq!(days, [7]);
    assert_eq!(desk.ledger.slots().filter(|slot| slot.account.period == DAY).count(), 1);
}

#[test]
fn a_lowered_limit_holds_at_once_and_recalls_what_is_free() {
    let mut desk = Desk::opened();
    let hold = desk.place(50).unwrap();
    desk.budgets[0] = budget(Scope::Realm(id("acme")), &[(DAY, 55), (Period::Total, 5_000)], 9);
    assert!(matches!(desk.place(6), Err(Refused::Exhausted(exhausted)) if exhausted.limit == usd(55)));
    desk.ledger.release(hold);
    desk.work();
    let row = desk.book().accounts().find(|(account, _)| account.period == DAY).unwrap().1.clone();
    assert!(row.counted() <= usd(55), "{row:?}");
}

#[test]
fn what_was_spent_elsewhere_counts_in_a_window_that_is_open_or_is_yet_to_be_and_not_in_the_next() {
    for is_open in [true, false] {
        let mut desk = if is_open { Desk::opened() } else { Desk::new() };
        let (window, spent_nano_usd) = (crate::lease::tests::account().window, usd(900));
        let source = "east".to_owned();
        let carried = Carried { period: DAY, window, source, spent_nano_usd, forgotten_nano_usd: usd(0) };
        desk.budgets[0].carried.push(carried);
        desk.budgets[0].set = Position::new(9);
        assert_eq!(desk.ledger.available(desk.budgets.iter(), desk.moment().at), Some(usd(100)), "{is_open}");
        desk.ask(100);
        desk.work();
        let full = |told: &Exhausted| (told.limit, told.posted.saturating_plus(told.held)) == (usd(1_000), usd(900));
        assert!(matches!(desk.place(101), Err(Refused::Exhausted(told)) if full(&told)), "{is_open}");
        let hold = desk.place(100).unwrap();
        desk.settle(hold, 100);
        desk.work();
        let row = desk.book().account(&crate::lease::tests::account()).unwrap();
        assert_eq!((row.posted, row.counted()), (usd(100), usd(100)), "{is_open}: nothing more is granted");
        desk.wait(86_400_000);
        desk.ask(100);
        desk.work();
        assert_eq!(desk.ledger.available(desk.budgets.iter(), desk.moment().at), Some(usd(1_000)), "{is_open}");
    }
}

#[test]
fn a_raise_that_is_over_is_granted_against_no_more_though_nobody_asked_since() {
    let mut desk = Desk::opened();
    let until = Timestamp::from_millis(desk.moment().at.millis() + 100);
    desk.budgets[0].terms.raise = Some(Raise { by_nano_usd: usd(500), until });
    desk.budgets[0].set = Position::new(9);
    let day = |desk: &Desk| {
        let mut accounts = desk.book().accounts();
        let row = accounts.find(|(account, _)| account.period == DAY).unwrap().1;
        (row.limit.nano(), row.counted().nano())
    };
    assert!(matches!(desk.place(1_001), Err(Refused::Short { .. })), "the day has 1,500 for now");
    assert!(matches!(desk.place(950), Err(Refused::Short { .. })));
    desk.work();
    assert_eq!(day(&desk).0, 1_500);
    let hold = desk.place(950).unwrap();
    desk.settle(hold, 950);
    desk.wait(100);
    // It was spent so fast that more is wanted.
    desk.work();
    let (limit, counted) = day(&desk);
    assert_eq!(limit, 1_000);
    assert!(counted > 950 && counted <= 1_000, "{counted}");
    assert!(matches!(desk.place(51), Err(Refused::Exhausted(exhausted)) if exhausted.limit == usd(1_000)));
}

#[test]
fn a_limit_that_is_counted_from_a_later_moment_begins_anew_at_once() {
    let mut desk = Desk::opened();
    let (old, running) = (desk.place(60).unwrap(), desk.place(10).unwrap());
    desk.settle(old, 60);
    desk.wait(1_000);
    let now = desk.moment().at;
    desk.budgets[0].set = Position::new(9);
    desk.budgets[0].limits.iter_mut().for_each(|limit| limit.anchor = now);
    assert!(matches!(desk.place(10), Err(Refused::Unopened { .. })), "the window that is open is none of its windows");
    assert_eq!(desk.ledger.available(desk.budgets.iter(), now), Some(usd(1_000)));
    desk.ask(10);
    desk.work();
    let new = desk.place(10).unwrap();
    let window = |hold: &Hold| desk.ledger.parts(hold).next().unwrap().account.window;
    assert!(window(&running) < window(&new) && window(&new) == now);
    // What runs since before is settled where it was held.
    desk.settle(running, 7);
    desk.settle(new, 5);
    desk.wait(6_000);
    desk.work();
    let posted =
        |start| desk.book().accounts().find(|(id, _)| id.period == DAY && id.window == start).unwrap().1.posted;
    assert_eq!(posted(now), usd(5));
}

#[test]
fn a_budget_says_that_it_is_over_only_when_it_is() {
    let mut desk = Desk::opened();
    let exhausted = |placed: Result<Hold, Refused>| match placed {
        Err(Refused::Exhausted(exhausted)) => {
            (exhausted.account.period, exhausted.limit.nano(), exhausted.posted.nano())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(exhausted(desk.place(1_001)), (DAY, 1_000, 0));
    desk.wait(10);
    assert!(matches!(desk.place(950), Err(Refused::Short { .. })));
    desk.work();
    let hold = desk.place(950).unwrap();
    desk.settle(hold, 950);
    assert_eq!(exhausted(desk.place(51)), (DAY, 1_000, 950));
    assert!(matches!(desk.place(50), Err(Refused::Short { .. })));
    desk.work();
    let hold = desk.place(50).unwrap();
    desk.settle(hold, 50);
    assert_eq!(exhausted(desk.place(0)), (DAY, 1_000, 1_000), "a used-up budget refuses a free request");
    assert_eq!(desk.ledger.available(desk.budgets.iter(), desk.moment().at), Some(usd(0)));
}
