use super::super::tests::{Chain, DAY, NOON, account, gateway, limit, opening, roll, usd};
use super::super::{AccountId, Epoch, Event, Rejection, SLICES_MAX};
use super::{join, open, roll as decide_roll};
use crate::scope::Scope;
use crate::stream::Position;
use crate::testing::samples::id;
use crate::time::{Period, Timestamp};

const TOMORROW: Timestamp = Timestamp::from_millis(NOON.millis() + 86_400_000);

fn rolled(chain: &Chain, what: super::super::event::Rolled) -> Result<Event, Rejection> {
    decide_roll(&chain.book, what)
}

#[test]
fn each_boot_joins_under_the_next_epoch_and_fences_the_one_before() {
    let mut chain = Chain::opened();
    assert_eq!(chain.book.gateway(&gateway(1)).unwrap().epoch, Epoch::new(1));
    chain.fold(&join(&chain.book, &gateway(1)));
    let fenced = Rejection::Fenced { mine: Epoch::new(1), newest: Epoch::new(2) };
    assert_eq!(rolled(&chain, roll(1, 1, 10, 0, None)), Err(fenced.clone()));
    assert_eq!(open(&chain.book, &gateway(1), Epoch::new(1), &[opening(9, 5, 1)], TOMORROW), Err(fenced));
    assert_eq!(rolled(&chain, roll(3, 1, 0, 0, Some((1, 1_000, 5)))), Err(Rejection::NotJoined));
}

#[test]
fn a_window_opens_once_with_a_slice_for_who_opens_it() {
    let chain = Chain::opened();
    assert_eq!(chain.figures(), (0, 100, 0));
    let again = open(&chain.book, &gateway(2), Epoch::new(1), &[opening(1_000, 5, 100)], NOON);
    assert_eq!(again, Err(Rejection::AlreadyOpened(account())));
}

#[test]
fn a_first_slice_is_never_more_than_what_was_not_spent_before() {
    let mut chain = Chain::default();
    chain.fold(&join(&chain.book, &gateway(1)));
    let spent = super::Opening { posted: usd(950), ..opening(1_000, 5, 100) };
    chain.write(open(&chain.book, &gateway(1), Epoch::new(1), &[spent], NOON));
    assert_eq!(chain.figures(), (950, 50, 0));
    let mut chain = Chain::default();
    chain.fold(&join(&chain.book, &gateway(1)));
    let over = super::Opening { posted: usd(1_200), ..opening(1_000, 5, 100) };
    chain.write(open(&chain.book, &gateway(1), Epoch::new(1), &[over], NOON));
    assert_eq!(chain.figures(), (1_200, 0, 0));
}

#[test]
fn the_next_window_takes_the_place_of_the_one_before_and_no_clock_opens_an_earlier_one() {
    let mut chain = Chain::opened();
    chain.write(open(&chain.book, &gateway(2), Epoch::new(1), &[opening(1_000, 5, 100)], TOMORROW));
    let tomorrow = AccountId { window: Timestamp::from_millis(account().window.millis() + 86_400_000), ..account() };
    assert_eq!(chain.book.current(&account().scope, DAY), Some(tomorrow.clone()));
    assert!(chain.book.account(&account()).is_some(), "a slice of it is out");
    let grant = roll(1, 1, 0, 0, Some((1, 1_000, 5)));
    assert_eq!(rolled(&chain, grant), Err(Rejection::WindowOver(account())));
    // What was spent in it is reported all the same; then nothing hangs on it any more, and it is forgotten for good.
    chain.write(decide_roll(&chain.book, roll(1, 1, 60, 40, None)));
    assert!(chain.book.account(&account()).is_none());
    for slow in [NOON, Timestamp::from_millis(0)] {
        let reopened = open(&chain.book, &gateway(1), Epoch::new(1), &[opening(1_000, 5, 100)], slow);
        assert!(matches!(reopened, Err(Rejection::AlreadyOpened(_) | Rejection::NotNext(_))), "{reopened:?}");
    }
    let early =
        super::Opening { limit: crate::budget::BudgetLimit { anchor: TOMORROW, ..limit(DAY, 9) }, ..opening(9, 5, 1) };
    assert!(matches!(open(&chain.book, &gateway(1), Epoch::new(1), &[early], NOON), Err(Rejection::NotNext(_))));
}

#[test]
fn after_its_anchor_was_moved_a_budget_has_the_windows_of_the_new_one() {
    let mut chain = Chain::opened();
    let six = Timestamp::from_millis(6 * 3_600_000);
    let moved =
        super::Opening { limit: crate::budget::BudgetLimit { anchor: six, ..limit(DAY, 1_000) }, ..opening(0, 6, 1) };
    chain.write(open(&chain.book, &gateway(1), Epoch::new(1), std::slice::from_ref(&moved), NOON));
    let current = chain.book.current(&account().scope, DAY).unwrap();
    assert_eq!(current.window.millis() - account().window.millis(), six.millis());
    // Who does not know the new budget yet opens nothing.
    let stale = open(&chain.book, &gateway(2), Epoch::new(1), &[opening(1_000, 5, 1)], TOMORROW);
    assert!(matches!(stale, Err(Rejection::StaleLimit(_))), "{stale:?}");
}

#[test]
fn what_is_granted_fits_beside_all_that_counts() {
    let chain = Chain::opened();
    let full = chain.clone().with(|book| decide_roll(book, roll(2, 1, 0, 0, Some((900, 1_000, 5)))));
    assert_eq!(full.figures(), (0, 1_000, 0));
    assert_eq!(rolled(&full, roll(1, 1, 0, 0, Some((1, 1_000, 5)))), Err(Rejection::Exhausted(account())));
    assert_eq!(rolled(&chain, roll(2, 1, 0, 0, Some((901, 1_000, 5)))), Err(Rejection::Exhausted(account())));
    // What is returned in the same breath is there again; what was spent is not.
    assert!(rolled(&full, roll(1, 1, 0, 100, Some((100, 1_000, 5)))).is_ok());
    assert_eq!(rolled(&full, roll(1, 1, 1, 99, Some((100, 1_000, 5)))), Err(Rejection::Exhausted(account())));
}

#[test]
fn a_slice_that_was_overdrawn_is_made_whole_before_it_gives_more() {
    // 130 were spent of a slice of 100: all of it is posted, and the next 30 granted are gone.
    let chain = Chain::opened().with(|_| Ok(Event::Rolled(roll(1, 1, 100, 0, None))));
    let mut book = chain.book.clone();
    book.evolve(Position::new(9), NOON, &Event::Rolled(roll(1, 1, 30, 0, None)));
    let row = book.account(&account()).unwrap();
    assert_eq!((row.posted, row.counted()), (usd(130), usd(130)));
    assert_eq!(row.slice(&gateway(1), Epoch::new(1)).unwrap().out, usd(-30));
    book.evolve(Position::new(10), NOON, &decide_roll(&book, roll(1, 1, 0, 0, Some((50, 1_000, 5)))).unwrap());
    let row = book.account(&account()).unwrap();
    assert_eq!((row.out(), row.counted()), (usd(20), usd(150)));
}

#[test]
fn no_more_is_returned_than_is_left_after_what_was_spent() {
    let chain = Chain::opened();
    assert_eq!(rolled(&chain, roll(1, 1, 60, 41, None)), Err(Rejection::Overdrawn(account())));
    assert_eq!(rolled(&chain, roll(2, 1, 0, 1, None)), Err(Rejection::Overdrawn(account())));
    assert_eq!(chain.with(|book| decide_roll(book, roll(1, 1, 60, 40, None))).figures(), (60, 0, 0));
}

#[test]
fn more_than_the_slice_may_be_reported_as_spent_since_it_is_true() {
    assert!(rolled(&Chain::opened(), roll(1, 1, 150, 0, None)).is_ok());
}

#[test]
fn nobody_grants_against_a_limit_that_is_older_than_one_that_was_granted_against() {
    let chain = Chain::opened().with(|book| decide_roll(book, roll(1, 1, 0, 0, Some((10, 500, 8)))));
    assert_eq!(rolled(&chain, roll(2, 1, 0, 0, Some((600, 1_000, 5)))), Err(Rejection::StaleLimit(account())));
    assert!(rolled(&chain, roll(2, 1, 0, 0, Some((10, 700, 9)))).is_ok());
}

#[test]
fn a_lowered_limit_grants_nothing_until_less_is_given_away_than_it_allows() {
    // 600 are out against a limit of 1,000, which is lowered to 500.
    let chain = Chain::opened().with(|book| decide_roll(book, roll(2, 1, 0, 0, Some((500, 1_000, 5)))));
    assert_eq!(rolled(&chain, roll(1, 1, 0, 0, Some((1, 500, 8)))), Err(Rejection::Exhausted(account())));
    let recalled = chain.with(|book| decide_roll(book, roll(2, 1, 0, 500, None)));
    assert!(rolled(&recalled, roll(1, 1, 0, 0, Some((400, 500, 8)))).is_ok());
    assert_eq!(rolled(&recalled, roll(1, 1, 0, 0, Some((401, 500, 8)))), Err(Rejection::Exhausted(account())));
}

#[test]
fn a_proposal_names_each_account_once_and_changes_something() {
    let chain = Chain::opened();
    let twice = |mut what: super::super::event::Rolled| {
        what.slices.push(what.slices[0].clone());
        what
    };
    for malformed in [
        roll(1, 1, 0, 0, None),
        roll(1, 1, -1, 0, None),
        roll(1, 1, 0, -1, None),
        roll(1, 1, 5, 0, Some((-5, 1_000, 5))),
        roll(1, 1, 0, 0, Some((0, 1_000, 5))),
        twice(roll(1, 1, 1, 0, None)),
        super::super::event::Rolled { slices: Vec::new(), ..roll(1, 1, 1, 0, None) },
    ] {
        assert_eq!(rolled(&chain, malformed), Err(Rejection::Malformed));
    }
    let many = |count: usize| {
        let slices = (0..count).map(|number| super::super::event::Roll {
            account: AccountId { scope: Scope::Realm(id(&format!("r{number}"))), ..account() },
            ..roll(1, 1, 1, 0, None).slices[0].clone()
        });
        super::super::event::Rolled { slices: slices.collect(), ..roll(1, 1, 1, 0, None) }
    };
    assert_eq!(rolled(&chain, many(SLICES_MAX + 1)), Err(Rejection::Malformed));
    assert!(matches!(rolled(&chain, many(SLICES_MAX)), Err(Rejection::UnknownAccount(_))));
}

#[test]
fn one_account_that_cannot_pay_refuses_the_whole_proposal() {
    let mut chain = Chain::opened();
    let total = super::Opening { limit: limit(Period::Total, 50), ..opening(0, 5, 0) };
    chain.write(open(&chain.book, &gateway(2), Epoch::new(1), &[total], NOON));
    let of_total = AccountId { period: Period::Total, window: Timestamp::from_millis(0), ..account() };
    let mut both = roll(1, 1, 0, 0, Some((51, 1_000, 5)));
    let mut second = both.slices[0].clone();
    second.account = of_total.clone();
    if let Some(grant) = &mut second.granted {
        grant.limit_nano_usd = usd(50);
    }
    both.slices.push(second);
    assert_eq!(rolled(&chain, both), Err(Rejection::Exhausted(of_total)));
}
