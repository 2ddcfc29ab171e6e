//! Somebody who reads all and changes nothing.

use proptest::prelude::{ProptestConfig, prop, prop_assert_eq, proptest};

use super::{NO, asked, budget, issue, world};
use crate::key::{IssueKey, RotateKey};
use crate::properties::asked::single;
use crate::scope::Scope;
use crate::selection::SelectModel;
use crate::testing::dump::dump;
use crate::testing::samples::{id, issue_key, key_id, register_user};
use crate::testing::world::World;
use crate::user::{AddMember, BlockUser, RegisterUser, ReviseUser, Role};

/// The world of the other rights, with an observer's key of number 7.
fn observed() -> World {
    world()
        .with(RegisterUser { role: Role::Observer, ..register_user("observer") })
        .with(AddMember { realm: id("acme"), user: id("observer"), role: Role::RealmAdmin })
        .with(IssueKey { realm: id("default"), user: Some(id("observer")), ..issue_key(7) })
}

#[test]
fn an_observer_changes_nothing_whatever_they_are_in_a_realm_not_even_their_own_choice() {
    let world = observed();
    assert_eq!(asked(&world, 7, issue(9, "acme", None)), NO);
    assert_eq!(asked(&world, 7, issue(9, "default", Some("observer"))), NO);
    assert_eq!(asked(&world, 7, budget(Scope::Gateway)), NO);
    let select = SelectModel { scope: Scope::Key(key_id(7)), slot: id("fast"), model: id("gpt") };
    assert_eq!(asked(&world, 7, select), NO);
}

#[test]
fn only_an_operator_makes_an_observer_and_has_to_do_with_their_keys() {
    let world = observed();
    let made = || RegisterUser { role: Role::Observer, ..register_user("another") };
    assert_eq!(asked(&world, 3, made()), super::MORE, "an admin does not read all");
    assert_eq!(asked(&world, 4, made()), "ok");
    let promoted = ReviseUser { role: crate::patch::Patch::Set(Role::Observer), ..ReviseUser::nothing(id("member")) };
    assert_eq!(asked(&world, 3, promoted.clone()), super::MORE);
    assert_eq!(asked(&world, 1, promoted), super::MORE);
    assert_eq!(asked(&world, 3, issue(9, "default", Some("observer"))), NO);
    let rotate = RotateKey { key: key_id(7), hash: issue_key(9).hash, shown: "sk-...".to_owned(), old_until: None };
    assert_eq!(asked(&world, 3, rotate.clone()), NO);
    assert_eq!(asked(&world, 3, BlockUser { user: id("observer") }), NO);
    assert_eq!(asked(&world, 4, rotate), "ok");
    let in_realm = RegisterUser { realm: Some(id("acme")), ..made() };
    assert_eq!(asked(&world, 4, in_realm), "user_field_invalid");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn nothing_comes_of_what_an_observer_asks_for(commands in prop::collection::vec(single(), 1..12)) {
        let mut world = observed();
        world.actor = crate::actor::Actor { kind: crate::actor::ActorKind::Key, id: key_id(7).to_string() };
        let before = dump(&world.control);
        for command in commands {
            let refused = world.try_carry_out(command.clone()).is_err();
            prop_assert_eq!((refused, &dump(&world.control)), (true, &before), "{:?}", command);
        }
    }
}
