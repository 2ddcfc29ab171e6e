//! Tags that have rules: which of them hold for a request, and what they leave it.

use super::nested;
use crate::activity::Tags;
use crate::admission::{Payers, Refusal, Rule, budgets, permit_tagged, tags};
use crate::budget::{NewBudgetLimit, SetBudget};
use crate::limits::Limits;
use crate::model_pattern::{Allowed, ModelPattern};
use crate::money::NanoUsd;
use crate::scope::Scope;
use crate::stream::{Position, StreamId};
use crate::tag::{RegisterTag, RemoveTag, TagRef};
use crate::testing::samples::id;
use crate::testing::world::World;
use crate::time::Period;

fn which(realm: Option<&str>, name: &str) -> TagRef {
    TagRef { realm: realm.map(id), name: id(name) }
}

fn register(realm: Option<&str>, name: &str, models: Allowed) -> RegisterTag {
    RegisterTag { tag: id(name), realm: realm.map(id), description: None, models, limits: Limits::default() }
}

fn found(world: &World, carried: &[&str]) -> Result<Vec<TagRef>, Refusal> {
    let carried = Tags::of(carried.iter().copied());
    let found = tags(&world.control, world.key(1), &carried)?;
    Ok(found.iter().map(|tag| tag.tag.clone()).collect())
}

#[test]
fn the_rules_of_a_tag_are_those_of_its_realm_of_each_parent_and_of_the_gateway() {
    let mut world = nested();
    assert_eq!(found(&world, &["prod"]), Ok(Vec::new()));
    for (realm, name) in
        [(Some("leaf"), "prod"), (Some("root"), "prod"), (Some("default"), "prod"), (None, "prod"), (None, "x")]
    {
        world.carry_out(register(realm, name, Allowed::All));
    }
    let of_prod = vec![which(Some("leaf"), "prod"), which(Some("root"), "prod"), which(None, "prod")];
    assert_eq!(found(&world, &["other", "prod"]), Ok(of_prod.clone()));
    assert_eq!(found(&world, &[]), Ok(Vec::new()));
    for realm in [Some("leaf"), Some("default"), None] {
        let limit = NewBudgetLimit { period: Period::Total, anchor: None, limit_nano_usd: NanoUsd::new(5) };
        let scope = Scope::Tag(which(realm, "prod"));
        world.carry_out(SetBudget { scope, limits: vec![limit], reclaim_after_seconds: None });
    }
    let carried = tags(&world.control, world.key(1), &Tags::of(["prod"])).unwrap();
    let payers = Payers { key: world.key(1), of_key: None, end_users: &[], tags: &carried, model: &id("gpt") };
    let paid = budgets(&world.control, &payers).unwrap().map(|budget| budget.scope.clone()).collect::<Vec<_>>();
    assert_eq!(
        paid,
        [Scope::Tag(which(Some("leaf"), "prod")), Scope::Tag(which(None, "prod"))],
        "and not another realm's"
    );
    world.carry_out(RemoveTag { tag: id("prod"), realm: Some(id("root")) });
    assert_eq!(found(&world, &["prod"]), Ok(vec![of_prod[0].clone(), of_prod[2].clone()]));
}

#[test]
fn requests_with_a_tag_call_the_models_that_all_their_tags_let_them() {
    let only = |name: &str| Allowed::Only([ModelPattern::new(name).unwrap()].into());
    let mut world = nested();
    world.carry_out(register(Some("root"), "cheap", only("gpt")));
    world.carry_out(register(None, "none", Allowed::none()));
    let asked = |carried: &[&str], model: &str| {
        let carried = tags(&world.control, world.key(1), &Tags::of(carried.iter().copied())).unwrap();
        permit_tagged(&carried, &id(model)).map_err(|refusal| (refusal.rule, refusal.scope))
    };
    let barred = |realm, name| Err((Rule::ModelNotAllowed, Some(Scope::Tag(which(realm, name)))));
    assert_eq!(asked(&[], "claude"), Ok(()));
    assert_eq!(asked(&["cheap"], "gpt"), Ok(()));
    assert_eq!(asked(&["cheap"], "claude"), barred(Some("root"), "cheap"));
    assert_eq!(asked(&["cheap", "none"], "gpt"), barred(None, "none"));
}

#[test]
fn a_tag_whose_event_cannot_be_read_refuses_what_carries_it() {
    let mut world = nested();
    let unreadable = which(Some("root"), "prod");
    world.control.quarantine(StreamId::tag(&unreadable), Position::new(99));
    let refusal = found(&world, &["prod"]).unwrap_err();
    assert_eq!((refusal.rule, refusal.scope), (Rule::Quarantined, Some(Scope::Tag(unreadable.clone()))));
    assert_eq!(found(&world, &["other"]), Ok(Vec::new()));
    let mut world = nested();
    world.carry_out(register(None, "prod", Allowed::All));
    world.control.quarantine(Scope::Tag(which(None, "prod")).budget_stream(), Position::new(99));
    let carried = tags(&world.control, world.key(1), &Tags::of(["prod"]));
    let carried = carried.unwrap_or_default();
    let payers = Payers { key: world.key(1), of_key: None, end_users: &[], tags: &carried, model: &id("gpt") };
    assert_eq!(budgets(&world.control, &payers).map(drop).unwrap_err().rule, Rule::Quarantined, "nor its budget");
}
