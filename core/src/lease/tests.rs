//! What tests of leases share: an account, and a chain that decides and folds.

use super::book::Book;
use super::checks::Step;
use super::decide::{self, Opening};
use super::event::{Closed, Closer, Closing, Grant, Part, Reclaimed, Recovered, Resumed, Roll, Rolled, Suspended, Why};
use super::suspense::{self, Rest};
use super::{AccountId, Epoch, Event, Rejection, Root};
use crate::budget::BudgetLimit;
use crate::id::WriterId;
use crate::money::NanoUsd;
use crate::scope::Scope;
use crate::stream::{ChainId, Log, Position, StreamId};
use crate::testing::samples::{id, issue_key, key_id};
use crate::testing::world::World;
use crate::time::{Period, Timestamp};

pub(super) const DAY: Period = Period::Seconds(86_400);
/// Noon of a day.
pub(super) const NOON: Timestamp = Timestamp::from_millis(1_795_176_000_000);

pub(super) const fn usd(nano: i64) -> NanoUsd {
    NanoUsd::new(nano)
}

pub(super) fn gateway(number: u64) -> WriterId {
    id(&format!("gw-{number}"))
}

pub(super) fn limit(period: Period, nano: i64) -> BudgetLimit {
    BudgetLimit { period, anchor: Timestamp::from_millis(0), limit_nano_usd: usd(nano) }
}

/// The realm's account of the day of [`NOON`].
pub(super) fn account() -> AccountId {
    AccountId { scope: Scope::Realm(id("acme")), period: DAY, window: Timestamp::from_millis(1_795_132_800_000) }
}

pub(super) fn opening(nano: i64, control: u64, wanted: i64) -> Opening {
    Opening {
        scope: Scope::Realm(id("acme")),
        limit: limit(DAY, nano),
        raise: None,
        carried: Vec::new(),
        control: Position::new(control),
        posted: usd(0),
        wanted: usd(wanted),
    }
}

/// A chain: what is decided is folded, under the four rules.
#[derive(Debug, Default, Clone)]
pub(super) struct Chain {
    pub(super) book: Book,
}

impl Chain {
    /// Two gateways; the first has a slice of 100 of an account of 1,000.
    pub(super) fn opened() -> Self {
        let mut chain = Self::default();
        chain.fold(&decide::join(&chain.book, &gateway(1)));
        chain.fold(&decide::join(&chain.book, &gateway(2)));
        chain.write(decide::open(&chain.book, &gateway(1), Epoch::new(1), &[opening(1_000, 5, 100)], NOON));
        chain
    }

    pub(super) fn fold(&mut self, event: &Event) {
        let step = Step::before(&self.book, event);
        self.book.evolve(self.book.position().plus(1), NOON, event);
        step.after(&self.book, event).unwrap();
    }

    pub(super) fn write(&mut self, event: Result<Event, Rejection>) -> &mut Self {
        self.fold(&event.unwrap());
        self
    }

    pub(super) fn with(mut self, event: impl FnOnce(&Book) -> Result<Event, Rejection>) -> Self {
        self.fold(&event(&self.book).unwrap());
        self
    }

    /// Posted, out and in suspense of the account.
    pub(super) fn figures(&self) -> (i64, i64, i64) {
        let row = self.book.account(&account()).unwrap();
        (row.posted.nano(), row.out().nano(), row.suspense().nano())
    }
}

pub(super) fn roll(number: u64, epoch: u64, spent: i64, returned: i64, granted: Option<(i64, i64, u64)>) -> Rolled {
    let granted = granted.map(|(amount, limit, control)| Grant {
        amount_nano_usd: usd(amount),
        limit_nano_usd: usd(limit),
        control: Position::new(control),
    });
    let roll = Roll { account: account(), spent_nano_usd: usd(spent), returned_nano_usd: usd(returned), granted };
    Rolled { gateway: gateway(number), epoch: Epoch::new(epoch), slices: vec![roll] }
}

pub(super) fn part(amount: i64) -> Vec<Part> {
    vec![Part { account: account(), amount_nano_usd: usd(amount) }]
}

pub(super) fn suspended(number: u64, epoch: u64, why: Why, amount: i64) -> Suspended {
    Suspended { gateway: gateway(number), epoch: Epoch::new(epoch), why, slices: part(amount) }
}

pub(super) fn resumed(number: u64, epoch: u64, amount: i64) -> Resumed {
    Resumed { gateway: gateway(number), epoch: Epoch::new(epoch), slices: part(amount) }
}

pub(super) fn recovered(epoch: u64, by: u64, spent: i64, suspended: i64, returned: i64) -> Recovered {
    let slices = vec![super::event::WoundUp {
        account: account(),
        spent_nano_usd: usd(spent),
        suspended_nano_usd: usd(suspended),
        returned_nano_usd: usd(returned),
    }];
    let journal = super::event::Evidence::Whole;
    Recovered { gateway: gateway(1), epoch: Epoch::new(epoch), by_epoch: Epoch::new(by), journal, slices }
}

pub(super) fn closed(why: Why, by: Closer, spent: i64, returned: i64) -> Closed {
    let slices = vec![Closing { account: account(), spent_nano_usd: usd(spent), returned_nano_usd: usd(returned) }];
    Closed { gateway: gateway(1), epoch: Epoch::new(1), why, by, slices }
}

pub(super) fn reclaimed(grace_ms: u64, amount: i64) -> Reclaimed {
    Reclaimed { gateway: gateway(1), epoch: Epoch::new(1), grace_ms, slices: part(amount) }
}

#[test]
fn a_root_has_a_chain_of_its_own_in_the_lease_log() {
    // A realm may be called as one likes, `gateway` too.
    let (ours, realms) = (Root::Gateway, Root::Realm(id("gateway")));
    assert_eq!(ours.chain().as_str(), "lease-gateway");
    assert_eq!(realms.chain().as_str(), "lease-realm:gateway");
    for root in [ours, realms, Root::Realm(id("a:b-c"))] {
        assert_eq!(root.to_string().parse::<Root>(), Ok(root.clone()));
        assert_eq!(Root::of_stream(&root.stream()), Some(root.clone()));
        assert_eq!(ChainId::of(Log::Lease, &root.stream()), root.chain());
    }
    assert_eq!(Root::of_stream(&StreamId::realm(&id("acme"))), None);
    for text in ["", "realm:", "key:1", "Gateway", "realm"] {
        assert!(text.parse::<Root>().is_err(), "{text}");
    }
}

#[test]
fn a_key_and_a_nested_realm_belong_to_the_root_above_them() {
    let world = World::new()
        .with_realm("root", None)
        .with_realm("leaf", Some("root"))
        .with_model(1, "default", "gpt")
        .with(crate::key::IssueKey { realm: id("leaf"), ..issue_key(1) });
    let of = |scope| Root::of_scope(&world.control, &scope);
    assert_eq!(of(Scope::Key(key_id(1))), Some(Root::Realm(id("root"))));
    assert_eq!(of(Scope::Realm(id("leaf"))), Some(Root::Realm(id("root"))));
    assert_eq!(of(Scope::Realm(id("root"))), Some(Root::Realm(id("root"))));
    assert_eq!(of(Scope::Gateway), Some(Root::Gateway));
    assert_eq!(of(Scope::Realm(id("gone"))), None);
    assert_eq!(Root::of_realm(&world.control, &id("gone")), None);
}

#[test]
fn suspense_is_closed_by_others_only_when_it_has_rested() {
    let rest = |passed_ms| Rest { needed_ms: 40_000, passed_ms };
    let chain = Chain::opened().with(|book| suspense::suspend(book, suspended(1, 1, Why::GatewayGone, 100)));
    let close = |by, rest| suspense::close(&chain.book, closed(Why::GatewayGone, by, 30, 70), rest);
    for by in [Closer::Operator, Closer::Provider, Closer::WindowEnd] {
        assert_eq!(close(by, rest(39_999)), Err(Rejection::TooEarly(account())));
        assert!(close(by, rest(40_000)).is_ok());
    }
    assert!(close(Closer::Gateway, Rest::NONE).is_ok());
}
