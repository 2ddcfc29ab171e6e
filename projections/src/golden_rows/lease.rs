//! Samples of leases.

use tallygate_core::lease::event::{Joined, Opened, Part, Suspended, Why, Window};
use tallygate_core::lease::{AccountId, Book, Epoch, Event as LeaseEvent};
use tallygate_core::money::NanoUsd;
use tallygate_core::scope::Scope;
use tallygate_core::stream::Position;
use tallygate_core::testing::samples::id;
use tallygate_core::time::{Period, Timestamp};

/// The book of a chain with one of everything.
pub(super) fn lease_book() -> Book {
    let gateway = id("gateway-1");
    let account = AccountId {
        scope: Scope::Realm(id("acme")),
        period: Period::Months(1),
        window: Timestamp::from_millis(1_795_169_730_123),
    };
    let window = Window {
        account: account.clone(),
        ends_at: Some(Timestamp::from_millis(1_797_761_730_123)),
        limit_nano_usd: NanoUsd::new(50_000_000_000),
        control: Position::new(7),
        posted_nano_usd: NanoUsd::new(5),
        granted_nano_usd: NanoUsd::new(50_000_000),
    };
    let part = Part { account, amount_nano_usd: NanoUsd::new(300) };
    let epoch = Epoch::new(1);
    let events = [
        LeaseEvent::Joined(Joined { gateway: id("gateway-1"), epoch }),
        LeaseEvent::Opened(Opened { gateway: id("gateway-1"), epoch, windows: vec![window] }),
        LeaseEvent::Suspended(Suspended { gateway, epoch, why: Why::OutcomeUnknown, slices: vec![part] }),
    ];
    let mut book = Book::default();
    for (position, event) in (1..).zip(&events) {
        book.evolve(Position::new(position), Timestamp::from_millis(1_795_169_731_023), event);
    }
    book
}
