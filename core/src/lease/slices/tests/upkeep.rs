//! What is due about money that is not a gateway's own.

use super::{Desk, acme};
use crate::lease::event::{Closer, Joined, Opened, Part, Suspended, Why, Window};
use crate::lease::slices::{Judged, Upkeep};
use crate::lease::suspense::suspend;
use crate::lease::tests::{DAY, gateway, usd};
use crate::lease::{AccountId, Epoch, Event, Rejection};
use crate::money::NanoUsd;
use crate::scope::Scope;
use crate::stream::Position;
use crate::testing::samples::id;
use crate::time::{Period, Timestamp};

const UPKEEP: Upkeep = Upkeep { gone_after_ms: 60_000, rest_ms: 100_000 };

fn account() -> AccountId {
    AccountId { scope: Scope::Realm(id("globex")), period: Period::Total, window: Timestamp::from_millis(0) }
}

/// Another gateway has joined and opened a window of its own, with a slice of 400.
fn with_another() -> Desk {
    let mut desk = Desk::opened();
    desk.write(&acme(), Event::Joined(Joined { gateway: gateway(2), epoch: Epoch::new(1) }));
    let window = Window {
        account: account(),
        ends_at: None,
        limit_nano_usd: usd(1_000),
        control: Position::new(5),
        posted_nano_usd: usd(0),
        granted_nano_usd: usd(400),
    };
    desk.write(&acme(), Event::Opened(Opened { gateway: gateway(2), epoch: Epoch::new(1), windows: vec![window] }));
    desk
}

fn due(desk: &Desk, grace_ms: Option<u64>) -> Option<Event> {
    desk.ledger.upkeep(&acme(), &UPKEEP, |_| grace_ms, desk.now_ms)
}

fn in_suspense(desk: &Desk) -> NanoUsd {
    desk.book().account(&account()).unwrap().suspense()
}

#[test]
fn a_gateway_that_is_silent_for_long_has_its_slices_suspended_once() {
    let mut desk = with_another();
    desk.wait(59_999);
    assert_eq!(due(&desk, None), None);
    desk.wait(1);
    let event = due(&desk, None).unwrap();
    assert!(matches!(&event, Event::Suspended(data) if data.gateway == gateway(2) && data.why == Why::GatewayGone));
    desk.write(&acme(), event);
    assert_eq!(in_suspense(&desk), usd(400));
    desk.wait(1_000_000);
    assert_eq!(due(&desk, None), None, "a strict budget waits for it as long as it takes");
}

#[test]
fn a_soft_budget_takes_the_slice_back_after_its_grace_and_says_what_it_risks() {
    let mut desk = with_another();
    desk.wait(60_000);
    let event = due(&desk, Some(5_000)).unwrap();
    desk.write(&acme(), event);
    desk.wait(4_999);
    assert_eq!(due(&desk, Some(5_000)), None);
    desk.wait(1);
    let event = due(&desk, Some(5_000)).unwrap();
    assert!(matches!(&event, Event::Reclaimed(data) if data.grace_ms == 5_000));
    desk.write(&acme(), event);
    let row = desk.book().account(&account()).unwrap();
    assert_eq!((row.counted(), row.exposed), (usd(0), usd(400)));
}

#[test]
fn suspense_is_closed_by_an_operator_once_it_has_rested() {
    let mut desk = with_another();
    let suspended = Suspended {
        gateway: gateway(2),
        epoch: Epoch::new(1),
        why: Why::OutcomeUnknown,
        slices: vec![Part { account: account(), amount_nano_usd: usd(300) }],
    };
    let event = suspend(desk.book(), suspended).unwrap();
    desk.write(&acme(), event);
    let owner = (gateway(2), Epoch::new(1), Why::OutcomeUnknown);
    let close_seen = |desk: &Desk, amount, spent| {
        let judged = Judged { amount, spent: usd(spent), by: Closer::Operator };
        desk.ledger.close_suspense(owner.clone(), &account(), judged, &UPKEEP, desk.now_ms)
    };
    let close = |desk: &Desk, spent| close_seen(desk, None, spent);
    desk.wait(99_999);
    assert_eq!(close(&desk, 120), Err(Rejection::TooEarly(account())));
    desk.wait(1);
    for other in [299, 301] {
        let changed = Rejection::OtherAmount { account: account(), actual: usd(300) };
        assert_eq!(close_seen(&desk, Some(usd(other)), 120), Err(changed));
    }
    let event = close_seen(&desk, Some(usd(300)), 120).unwrap();
    assert_eq!(event, close(&desk, 120).unwrap());
    assert!(matches!(&event, Event::Closed(data) if data.by == Closer::Operator));
    desk.write(&acme(), event);
    assert_eq!((in_suspense(&desk), desk.book().account(&account()).unwrap().posted), (usd(0), usd(120)));
    assert_eq!(close(&desk, 120), Err(Rejection::UnknownAccount(account())), "it is closed once");
}

#[test]
fn what_is_in_suspense_when_its_window_is_over_is_taken_for_spent() {
    let mut desk = Desk::opened();
    let hold = desk.place(10).unwrap();
    desk.suspend(hold, 0);
    desk.work();
    let day = AccountId {
        scope: Scope::Realm(id("acme")),
        period: DAY,
        window: desk.ledger.counted(&Scope::Realm(id("acme")), DAY).unwrap().0,
    };
    assert_eq!(desk.book().account(&day).unwrap().suspense(), usd(10));
    desk.wait(200_000);
    desk.work();
    assert_eq!(due(&desk, None), None, "its window is open");
    desk.wait(86_400_000);
    assert!(desk.place(1).is_err(), "the slice went back, and the next window is asked for");
    desk.work();
    let mut events = 0;
    while let Some(event) = due(&desk, None) {
        assert!(matches!(&event, Event::Closed(data) if data.by == Closer::WindowEnd));
        desk.write(&acme(), event);
        events += 1;
    }
    assert_eq!(events, 1);
    assert!(desk.book().account(&day).is_none_or(|row| (row.posted, row.suspense()) == (usd(10), usd(0))));
}
