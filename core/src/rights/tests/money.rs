//! Who may say what others may spend, and in whose name: by example, and over random commands of random keys.

use std::collections::BTreeMap;

use proptest::prelude::{Just, ProptestConfig, Strategy, prop, prop_assert, prop_oneof, proptest};

use super::{NO, asked, before_asking, budget, world};
use crate::budget::{AttachBudget, Budget, CarrySpend, NewBudgetLimit, ResetBudget, SetBudget};
use crate::command::Command;
use crate::control::Control;
use crate::end_user::{BlockEndUser, EndUserRef, RegisterEndUser, RemoveEndUser, UnblockEndUser};
use crate::id::{RealmId, UserId};
use crate::key::Key;
use crate::limits::{Limits, LimitsPatch};
use crate::model_pattern::Allowed;
use crate::money::NanoUsd;
use crate::named_budget::{NamedBudget, RegisterNamedBudget, RemoveNamedBudget, ReviseNamedBudget};
use crate::patch::Patch;
use crate::rights::manages;
use crate::scope::Scope;
use crate::tag::{RegisterTag, RemoveTag, ReviseTag, TagRef};
use crate::testing::samples::{id, join_realm, key_id, register_agent};
use crate::time::Period;
use crate::user::Role;

const REALMS: [&str; 4] = ["default", "acme", "acme.eu", "globex"];
const KEYS: u128 = 6;

fn end_user(realm: Option<&str>) -> EndUserRef {
    EndUserRef { realm: realm.map(id), id: id("7") }
}

fn register(realm: Option<&str>) -> RegisterEndUser {
    RegisterEndUser { end_user: id("7"), realm: realm.map(id), alias: None, limits: Limits::default() }
}

#[test]
fn end_users_are_their_realms_admins_to_manage_and_those_of_the_gateway_an_admins() {
    let world = world().with(register(Some("acme"))).with(register(None));
    let of = |realm: Option<&str>| budget(Scope::EndUser(end_user(realm)));
    assert_eq!(asked(&world, 1, register(Some("acme.eu"))), "ok");
    assert_eq!(asked(&world, 1, of(Some("acme"))), "ok");
    assert_eq!(asked(&world, 1, BlockEndUser { end_user: id("7"), realm: Some(id("acme")) }), "ok");
    assert_eq!(asked(&world, 1, register(Some("globex"))), NO);
    assert_eq!(asked(&world, 1, of(None)), NO);
    assert_eq!(asked(&world, 1, RemoveEndUser { end_user: id("7"), realm: None }), NO);
    for admin in [3, 4] {
        assert_eq!(asked(&world, admin, of(None)), "ok");
        assert_eq!(asked(&world, admin, register(Some("globex"))), "ok");
    }
    for other in [2, 5, 6] {
        assert_eq!(asked(&world, other, register(Some("acme.eu"))), NO);
        assert_eq!(asked(&world, other, of(Some("acme"))), NO);
    }
}

#[test]
fn what_a_realm_may_spend_on_a_model_is_said_from_above() {
    let world = world();
    let of = |realm: &str| budget(Scope::Model(id(realm), id("gpt")));
    assert_eq!(asked(&world, 1, of("acme.eu")), "ok");
    assert_eq!(asked(&world, 1, of("acme")), NO, "what a realm itself may is not its own admin's to say");
    assert_eq!(asked(&world, 1, of("globex")), NO);
    assert_eq!(asked(&world, 2, of("acme.eu")), NO);
    assert_eq!(asked(&world, 3, of("acme")), "ok");
}

#[test]
fn what_an_agent_may_spend_is_said_by_who_manages_all_of_its_realms() {
    let of = || budget(Scope::Agent(id("planner")));
    let at_home = world().with(register_agent("planner")).with(join_realm("planner", "acme.eu", 11));
    assert_eq!([1, 2, 3, 5, 6].map(|key| asked(&at_home, key, of())), ["ok", NO, "ok", NO, NO]);
    let abroad = at_home.with(join_realm("planner", "globex", 12));
    assert_eq!([1, 3].map(|key| asked(&abroad, key, of())), [NO, "ok"]);
}

fn realm() -> impl Strategy<Value = RealmId> {
    prop::sample::select(&REALMS[..]).prop_map(id)
}

fn whom() -> impl Strategy<Value = EndUserRef> {
    prop::option::of(realm()).prop_map(|realm| EndUserRef { realm, id: id("7") })
}

fn which() -> impl Strategy<Value = TagRef> {
    prop::option::of(realm()).prop_map(|realm| TagRef { realm, name: id("prod") })
}

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        Just(Scope::Gateway),
        realm().prop_map(Scope::Realm),
        realm().prop_map(|realm| Scope::Model(realm, id("gpt"))),
        whom().prop_map(Scope::EndUser),
        which().prop_map(Scope::Tag),
        prop::sample::select(&["root", "member", "admin", "operator"][..]).prop_map(|user| Scope::User(id(user))),
        (1..=KEYS).prop_map(|number| Scope::Key(key_id(number))),
    ]
}

fn spent_elsewhere(scope: Scope) -> Command {
    let (source, spent_nano_usd) = ("east".to_owned(), NanoUsd::new(1));
    CarrySpend { scope, period: Period::Total, ends_at: None, source, spent_nano_usd }.into()
}

#[test]
fn what_was_spent_elsewhere_is_an_operators_to_say() {
    let key = || Scope::Key(key_id(2));
    let world = world().with(budget(key()));
    for other in [1, 2, 3, 5, 6] {
        assert_eq!(asked(&world, other, spent_elsewhere(key())), NO, "{other}");
    }
    assert_eq!(asked(&world, 4, spent_elsewhere(key())), "ok");
}

fn command() -> impl Strategy<Value = Command> {
    let limit = (0..9_i64).prop_map(|nano| NewBudgetLimit {
        period: Period::Total,
        anchor: None,
        limit_nano_usd: NanoUsd::new(nano),
    });
    prop_oneof![
        4 => (scope(), prop::collection::vec(limit, 0..2))
            .prop_map(|(scope, limits)| SetBudget { scope, limits, reclaim_after_seconds: None }.into()),
        1 => scope().prop_map(|scope| ResetBudget { scope }.into()),
        1 => scope().prop_map(spent_elsewhere),
        3 => scope().prop_map(|scope| AttachBudget { scope, budget: id("free") }.into()),
        1 => Just(RegisterNamedBudget { budget: id("free"), limits: Vec::new(), rates: Limits::default(), told_at_nano_usd: None }.into()),
        1 => (0..9_u64).prop_map(|requests| {
            let rates = LimitsPatch { requests_per_minute: Patch::Set(requests), ..LimitsPatch::default() };
            ReviseNamedBudget { budget: id("free"), limits: None, rates, told_at_nano_usd: Patch::Keep }.into()
        }),
        1 => Just(RemoveNamedBudget { budget: id("free") }.into()),
        3 => whom().prop_map(|EndUserRef { realm, id: end_user }| {
            RegisterEndUser { end_user, realm, alias: None, limits: Limits::default() }.into()
        }),
        3 => which().prop_map(|TagRef { realm, name: tag }| {
            RegisterTag { tag, realm, description: None, models: Allowed::All, limits: Limits::default() }.into()
        }),
        1 => which().prop_map(|which| {
            ReviseTag { models: Patch::Set(Allowed::none()), ..ReviseTag::nothing(which) }.into()
        }),
        1 => which().prop_map(|TagRef { realm, name: tag }| RemoveTag { tag, realm }.into()),
        1 => whom().prop_map(|EndUserRef { realm, id: end_user }| BlockEndUser { end_user, realm }.into()),
        1 => whom().prop_map(|EndUserRef { realm, id: end_user }| UnblockEndUser { end_user, realm }.into()),
        1 => whom().prop_map(|EndUserRef { realm, id: end_user }| RemoveEndUser { end_user, realm }.into()),
    ]
}

/// All that is said about money, end users and tags.
fn said(control: &Control) -> (BTreeMap<Scope, Budget>, BTreeMap<Scope, String>) {
    let plain = control.budgets.iter().map(|(_, budget)| budget);
    let of_keys = control.key_budgets.iter().map(|(_, budget)| budget);
    let of_models = control.model_budgets.iter().map(|(_, budget)| budget);
    let budgets = plain.chain(of_keys).chain(of_models);
    let end_users = control.end_users.iter().map(|(whom, row)| (Scope::EndUser(whom.clone()), format!("{row:?}")));
    let tags = control.tags.iter().map(|(which, row)| (Scope::Tag(which.clone()), format!("{row:?}")));
    (budgets.map(|budget| (budget.scope.clone(), Budget::clone(budget))).collect(), end_users.chain(tags).collect())
}

/// Who may say it, said a second time: by the realm whose admins it is for. None is for admins of the gateway alone.
fn admins_of(control: &Control, scope: &Scope) -> Option<RealmId> {
    match scope {
        // Nobody says anything of money for a conversation.
        Scope::Gateway | Scope::Context(_) => None,
        Scope::Agent(agent) => Some(control.agents.get(agent)?.realms.first()?.realm.clone()),
        Scope::Realm(realm) | Scope::Model(realm, _) => control.realms.get(realm)?.parent.clone(),
        Scope::EndUser(whom) => whom.realm.clone(),
        Scope::Tag(which) => which.realm.clone(),
        Scope::User(user) => control.user(user)?.realm.clone(),
        Scope::Key(key) => Some(control.keys.get(key)?.realm.clone()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nobody_says_what_those_may_spend_who_are_not_theirs_to_manage(
        asked in prop::collection::vec((1..=KEYS, command()), 1..16),
    ) {
        let mut world = world();
        for (number, command) in asked {
            let actor = key_id(number);
            let Some(before) = before_asking(&mut world, number, &command) else { continue };
            let caller: &Key = before.keys.get(&actor).unwrap();
            let user: &UserId = caller.user.as_ref().unwrap();
            let row = before.user(user).unwrap();
            let ((old, known), (new, people)) = (said(&before), said(&world.control));
            let names = |control: &Control| control.named_budgets.iter().map(|(_, row)| NamedBudget::clone(row)).collect::<Vec<_>>();
            prop_assert!(row.role <= Role::Admin || names(&before) == names(&world.control), "{number} says {command:?}");
            let changed = new.iter().filter(|(scope, budget)| old.get(*scope) != Some(*budget)).map(|(scope, _)| scope.clone());
            let others = people.iter().filter(|(whom, row)| known.get(*whom) != Some(*row));
            let others = others.map(|(whom, _)| whom.clone());
            for scope in changed.chain(others) {
                let at = admins_of(&before, &scope);
                let manages = at.is_some_and(|realm| manages(&before, row, &realm));
                // One's own keys are one's own, as far as the user's budget goes.
                let is_own = matches!(&scope, Scope::Key(key) if before.keys.get(key).is_some_and(|key| key.user.as_ref() == Some(user)));
                prop_assert!(row.role <= Role::Admin || manages || is_own, "{number} says {command:?}: {scope}");
                prop_assert!(row.role == Role::Operator || scope != Scope::Gateway, "{number} says {command:?}");
            }
        }
    }
}
