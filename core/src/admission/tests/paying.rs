//! Whose budgets a request is paid from, and in whose name it is asked.

use super::{admitted, nested, with_credential};
use crate::admission::{Payers, Refusal, Rule, budgets, end_users};
use crate::budget::{NewBudgetLimit, SetBudget};
use crate::end_user::{BlockEndUser, EndUserRef, RegisterEndUser, RemoveEndUser};
use crate::limits::Limits;
use crate::money::NanoUsd;
use crate::scope::Scope;
use crate::stream::{Position, StreamId};
use crate::testing::samples::{id, join_realm, key_id, register_agent};
use crate::testing::world::World;
use crate::time::Period;

/// The end user of an id, of a realm or of the whole gateway.
fn end_user(realm: Option<&str>, text: &str) -> Scope {
    Scope::EndUser(EndUserRef { realm: realm.map(id), id: id(text) })
}

fn register_end_user(realm: Option<&str>, text: &str) -> RegisterEndUser {
    RegisterEndUser { end_user: id(text), realm: realm.map(id), alias: None, limits: Limits::default() }
}

#[test]
fn a_budget_that_cannot_be_read_refuses_whoever_is_paid_from_it() {
    let paying = [Scope::Key(key_id(1)), Scope::Realm(id("leaf")), Scope::Realm(id("root")), Scope::Gateway];
    let of_models = ["leaf", "root"].map(|realm| Scope::Model(id(realm), id("gpt")));
    let customer = || register_end_user(Some("root"), "customer 7");
    for scope in paying.into_iter().chain(of_models).chain([end_user(Some("root"), "customer 7")]) {
        let mut world = with_credential().with(customer());
        assert_eq!(admitted(&world), Ok(()));
        world.control.quarantine(scope.budget_stream(), Position::new(99));
        let cause = vec![Position::new(99)];
        let refusal = Refusal { rule: Rule::Quarantined, scope: Some(scope), model: None, cause };
        assert_eq!(admitted(&world), Err(refusal));
    }
    let mut world = with_credential();
    for scope in [
        Scope::Key(key_id(2)),
        Scope::Realm(id("default")),
        Scope::Model(id("leaf"), id("claude")),
        end_user(Some("root"), "customer 8"),
    ] {
        world.control.quarantine(scope.budget_stream(), Position::new(99));
    }
    assert_eq!(admitted(&world), Ok(()), "others' budgets");
}

#[test]
fn the_budgets_of_a_chain_are_the_keys_the_end_users_the_models_the_realms_and_the_gateways() {
    let scopes = [
        Scope::Key(key_id(1)),
        end_user(Some("leaf"), "7"),
        end_user(None, "7"),
        Scope::Model(id("leaf"), id("gpt")),
        Scope::Model(id("root"), id("gpt")),
        Scope::Realm(id("leaf")),
        Scope::Realm(id("root")),
        Scope::Gateway,
    ];
    let others = [
        Scope::Realm(id("default")),
        Scope::Model(id("leaf"), id("claude")),
        Scope::Model(id("default"), id("gpt")),
        end_user(Some("default"), "7"),
        end_user(Some("leaf"), "8"),
    ];
    let mut world = nested();
    for (realm, text) in [(Some("leaf"), "7"), (Some("leaf"), "8"), (Some("default"), "7"), (None, "7")] {
        world.carry_out(register_end_user(realm, text));
    }
    for scope in scopes.clone().into_iter().chain(others) {
        let limit = NewBudgetLimit { period: Period::Total, anchor: None, limit_nano_usd: NanoUsd::new(5) };
        world.carry_out(SetBudget { scope, limits: vec![limit], reclaim_after_seconds: None });
    }
    let (control, key) = (&world.control, world.key(1));
    let of_key = control.budget(&Scope::Key(key.id));
    let found = end_users(control, key, Some("7")).unwrap();
    let (end_users, model) = (found.as_slice(), id("gpt"));
    let found = budgets(control, &Payers { key, of_key, end_users, tags: &[], model: &model }).unwrap();
    assert_eq!(found.map(|budget| budget.scope.clone()).collect::<Vec<_>>(), scopes);
}

#[test]
fn all_keys_of_an_agent_are_paid_from_its_budget_and_no_others_are() {
    let agent = Scope::Agent(id("planner"));
    let limit = NewBudgetLimit { period: Period::Total, anchor: None, limit_nano_usd: NanoUsd::new(5) };
    let mut world = nested()
        .with(register_agent("planner"))
        .with(join_realm("planner", "leaf", 11))
        .with(join_realm("planner", "default", 12))
        .with(SetBudget { scope: agent.clone(), limits: vec![limit], reclaim_after_seconds: None });
    let model = id("gpt");
    let pays = |world: &World, number| {
        let payers = Payers { key: world.key(number), of_key: None, end_users: &[], tags: &[], model: &model };
        budgets(&world.control, &payers).map(|mut budgets| budgets.any(|budget| budget.scope == agent))
    };
    assert_eq!([1, 11, 12].map(|number| pays(&world, number)), [Ok(false), Ok(true), Ok(true)]);
    world.control.quarantine(agent.budget_stream(), Position::new(99));
    let cause = vec![Position::new(99)];
    let refusal = Refusal { rule: Rule::Quarantined, scope: Some(agent.clone()), model: None, cause };
    assert_eq!([1, 11].map(|number| pays(&world, number)), [Ok(false), Err(refusal)]);
}

#[test]
fn a_blocked_end_user_refuses_in_their_realm_and_what_nests_in_it() {
    let block = |realm: &str| BlockEndUser { realm: Some(id(realm)), end_user: id("7") };
    let mut world = nested();
    for realm in ["leaf", "root", "default"] {
        world.carry_out(register_end_user(Some(realm), "7"));
    }
    let named = |world: &World, named: Option<&str>| {
        end_users(&world.control, world.key(1), named).map(|found| found.len()).map_err(|refusal| refusal.scope)
    };
    assert_eq!(named(&world, Some("7")), Ok(2));
    world.carry_out(block("default"));
    assert_eq!(named(&world, Some("7")), Ok(2), "others' end user");
    world.carry_out(block("root"));
    assert_eq!(named(&world, Some("7")), Err(end_user(Some("root"), "7").into()));
    for other in [None, Some("8"), Some(""), Some(" 7"), Some("a\nb")] {
        assert_eq!(named(&world, other), Ok(0), "{other:?}");
    }
    world.carry_out(RemoveEndUser { realm: Some(id("root")), end_user: id("7") });
    assert_eq!(named(&world, Some("7")), Ok(1), "one who is removed has no rules");
}

#[test]
fn an_end_user_whose_event_cannot_be_read_refuses_even_if_nothing_else_is_known_of_them() {
    let mut world = nested();
    let whom = EndUserRef { realm: Some(id("root")), id: id("7") };
    world.control.quarantine(StreamId::end_user(&whom), Position::new(99));
    let refusal = end_users(&world.control, world.key(1), Some("7")).unwrap_err();
    assert_eq!((refusal.rule, refusal.scope), (Rule::Quarantined, Some(Scope::EndUser(whom))));
    assert_eq!(end_users(&world.control, world.key(1), Some("8")).map(|found| found.len()), Ok(0));
}
