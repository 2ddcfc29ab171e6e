//! What a request costs before it is sent: finding its model, checking its key, and holding on the budgets of its chain.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tallygate_core::admission::{authenticate, resolve};
use tallygate_core::budget::{NewBudgetLimit, SetBudget};
use tallygate_core::ledger::{Ledger, Terms, terms_at};
use tallygate_core::money::NanoUsd;
use tallygate_core::scope::Scope;
use tallygate_core::testing::world::World;
use tallygate_core::time::Period;

/// A realm, a priced model, a key, and a budget on both.
fn world() -> World {
    let world = World::small();
    let realm = world.key(1).realm.clone();
    let budget = |scope| SetBudget {
        scope,
        limits: vec![NewBudgetLimit { period: Period::Months(1), anchor: None, limit_nano_usd: NanoUsd::MAX }],
    };
    let key = Scope::Key(world.key(1).id);
    world.with(budget(key)).with(budget(Scope::Realm(realm)))
}

fn admission(criterion: &mut Criterion) {
    let world = world();
    let (control, key, name) = (&world.control, world.key(1), world.model(1).name.clone());
    criterion.bench_function("authenticate and resolve", |bencher| {
        bencher.iter(|| {
            let checked = authenticate(control, black_box(key), &key.hash, world.now);
            (checked.is_ok(), resolve(control, black_box(key), black_box(&name)).is_ok())
        });
    });
    let scopes = [Scope::Key(key.id), Scope::Realm(key.realm.clone())];
    let mut ledger = Ledger::default();
    criterion.bench_function("hold and settle on two budgets", |bencher| {
        bencher.iter(|| {
            let budgets = scopes.iter().filter_map(|scope| control.budget(black_box(scope)));
            let terms: Vec<Terms> = budgets.flat_map(|budget| terms_at(budget, world.now)).flatten().collect();
            let held = ledger.place(&terms, NanoUsd::new(black_box(1_000)));
            if let Ok(hold) = held {
                ledger.settle(hold, NanoUsd::new(1));
            }
        });
    });
}

criterion_group!(benches, admission);
criterion_main!(benches);
