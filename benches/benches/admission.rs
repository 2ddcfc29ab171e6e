//! What a request costs before it is sent: finding its model, checking its key, and holding on the budgets of its chain.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tallygate_core::actor::Actor;
use tallygate_core::admission::{authenticate, resolve};
use tallygate_core::aggregate::{Mark, Trail};
use tallygate_core::budget::{Budget, BudgetLimit};
use tallygate_core::id::{EventId, RealmId, RequestId, WriterId};
use tallygate_core::journal::Encoder;
use tallygate_core::lease::allot::Policy;
use tallygate_core::lease::decide::Opening;
use tallygate_core::lease::recovery::Memory;
use tallygate_core::lease::slices::{Entry, Moment};
use tallygate_core::lease::{Root, SliceLedger};
use tallygate_core::limits::Limits;
use tallygate_core::money::NanoUsd;
use tallygate_core::scope::Scope;
use tallygate_core::stream::Position;
use tallygate_core::testing::samples::{id, key_id};
use tallygate_core::testing::world::World;
use tallygate_core::time::{Period, Timestamp};
use uuid::Uuid;

fn admission(criterion: &mut Criterion) {
    let world = World::small();
    let (control, key, name) = (&world.control, world.key(1), world.model(1).name.clone());
    criterion.bench_function("authenticate and resolve", |bencher| {
        bencher.iter(|| {
            let checked = authenticate(control, black_box(key), &key.hash, world.now);
            (checked.is_ok(), resolve(control, black_box(key), black_box(&name)).is_ok())
        });
    });
}

const MOMENT: Moment = Moment { at: Timestamp::from_millis(1_000), ms: 2 };

/// A key, three realms within one another and the gateway, each with a budget; a slice of each; one chain of lines for the
/// realms and one for the gateway.
fn slices() -> (SliceLedger, Vec<Budget>) {
    let set = Position::new(5);
    let mark = Mark { position: set, at: Timestamp::from_millis(0), by: Actor::operator() };
    let limit = BudgetLimit {
        period: Period::Months(1),
        anchor: Timestamp::from_millis(0),
        limit_nano_usd: NanoUsd::new(i64::MAX / 2),
    };
    let realm = |name: &str| Scope::Realm(RealmId::new(name).unwrap_or_else(|_| RealmId::default_realm()));
    let scopes = [
        Scope::Key(key_id(1)),
        realm("engineering-platform-team"),
        realm("engineering"),
        realm("acme"),
        Scope::Gateway,
    ];
    let budgets: Vec<Budget> = scopes
        .into_iter()
        .map(|scope| Budget {
            scope,
            realm: None,
            limits: vec![limit.clone()],
            reclaim_after_seconds: None,
            named: None,
            rates: Limits::default(),
            told_at_nano_usd: None,
            terms: tallygate_core::budget::Terms::default(),
            carried: Vec::new(),
            set,
            trail: Trail::born(&mark),
        })
        .collect();
    let gateway: WriterId = id("gateway-1");
    let mut ledger = SliceLedger::new(gateway, Policy { age_ms: u64::MAX, ..Policy::default() });
    let wanted = NanoUsd::new(1_000_000_000_000_000);
    let root = |budget: &Budget| match budget.scope {
        Scope::Gateway => Root::Gateway,
        Scope::Realm(_)
        | Scope::User(_)
        | Scope::Key(_)
        | Scope::Model(..)
        | Scope::EndUser(_)
        | Scope::Tag(_)
        | Scope::Agent(_)
        | Scope::Context(_) => Root::Realm(id("acme")),
    };
    for budget in &budgets {
        ledger.ask(&root(budget), Opening::new(budget, &limit, NanoUsd::ZERO, wanted));
    }
    for root in [Root::Gateway, Root::Realm(id("acme"))] {
        for number in 1.. {
            let id = EventId::new(Uuid::from_u128(number));
            let Some(proposal) = ledger.propose(&root, &Memory::default(), id, MOMENT) else { break };
            let entry = Entry { id, position: proposal.after.plus(1), at: MOMENT.at, event: &proposal.event };
            assert!(ledger.apply(&root, entry, MOMENT.ms).is_ok());
        }
    }
    (ledger, budgets)
}

fn holding(criterion: &mut Criterion) {
    let (mut ledger, budgets) = slices();
    criterion.bench_function("hold and settle on slices of five budgets", |bencher| {
        bencher.iter(|| {
            if let Ok(hold) = ledger.place(black_box(&budgets).iter(), NanoUsd::new(black_box(1_000)), MOMENT) {
                ledger.settle(hold, NanoUsd::new(1), 2);
            }
        });
    });
    let mut journal = Encoder::begin(ledger.gateway(), 1, "boot");
    let record = [b'x'; 900];
    criterion.bench_function("the same, and both records of the journal", |bencher| {
        bencher.iter(|| {
            if let Ok(hold) = ledger.place(black_box(&budgets).iter(), NanoUsd::new(black_box(1_000)), MOMENT) {
                journal.held(&ledger, &hold, RequestId::new(Uuid::from_u128(1)));
                journal.settled(&hold, NanoUsd::new(1), Position::new(1), black_box(&record));
                ledger.settle(hold, NanoUsd::new(1), 2);
                journal.bytes().clear();
            }
        });
    });
}

criterion_group!(benches, admission, holding);
criterion_main!(benches);
