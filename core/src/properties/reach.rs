//! No reachable state lets a key call a model outside its chain: an oracle of plain sets says who may call what, and
//! admission must say the same of every key and every name.

use std::collections::BTreeSet;

use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::TestCaseError;

use super::asked::{KEYS, NAMES, SECRETS, history};
use super::oracle::Oracle;
use crate::admission::{authenticate, callable, resolve};
use crate::command::{Command, Together};
use crate::control::Control;
use crate::key::KeyHash;
use crate::model_pattern::Allowed;
use crate::testing::samples::{id, key_id, register_realm, secret};
use crate::testing::world::World;
use crate::time::Timestamp;

/// Every key and every name: admission and oracle agree.
fn agree(control: &Control, oracle: &Oracle, now: Timestamp) -> Result<(), TestCaseError> {
    for key in (1..=KEYS).filter_map(|number| control.keys.get(&key_id(number))) {
        let key_text = key.id.to_string();
        for name in NAMES {
            let reached = resolve(control, key, &id(name)).ok().map(|permit| permit.model.id.to_string());
            prop_assert_eq!(reached.as_deref(), oracle.reaches(&key_text, name), "{} calls {}", key.id, name);
        }
        let listed: Vec<_> = callable(control, key).map(|model| model.name.as_str()).collect();
        prop_assert_eq!(&listed, &oracle.names(&key_text).into_iter().collect::<Vec<_>>());
        for number in 1..=SECRETS {
            let hash = KeyHash::of_secret(&secret(number));
            let served = authenticate(control, key, &hash, now).is_ok();
            prop_assert_eq!(served, oracle.is_served(&key_text, &hash.to_string(), now), "{} at {}", key.id, now);
        }
    }
    Ok(())
}

/// Commands together count one by one: one that would change nothing changes nothing here either.
fn note(oracle: &mut Oracle, command: &Command) {
    match command {
        Command::Together(together) => together.commands().for_each(|command| oracle.note(command)),
        command => oracle.note(command),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_reachable_state_lets_a_key_call_a_model_outside_its_chain(commands in history(1..50)) {
        let mut world = World::new();
        let mut oracle = Oracle::default();
        oracle.note(&crate::realm::RegisterRealm { models: Some(Allowed::All), ..register_realm("default") }.into());
        for (command, seconds) in commands {
            world.now = Timestamp::from_millis(world.now.millis() + i64::from(seconds) * 1_000);
            if world.try_carry_out(command.clone()).is_ok() {
                note(&mut oracle, &command);
                agree(&world.control, &oracle, world.now)?;
            }
        }
    }

    /// The name of a model and that of a slot that leads somewhere are never the same, so no name leads to two models.
    #[test]
    fn no_name_is_a_models_and_a_slots_at_once(commands in history(1..50)) {
        let mut world = World::new();
        for (command, _) in commands {
            let _ = world.try_carry_out(command);
            let names: BTreeSet<_> = world.control.model_names.iter().map(|((_, name), _)| name.as_str()).collect();
            let slots = world.control.selections.iter().filter(|(_, selection)| selection.model.is_some());
            for ((_, slot), _) in slots {
                prop_assert!(!names.contains(slot.as_str()), "{slot}");
            }
        }
    }
}

/// The property above is worth something only where keys do reach models, by each of the ways there are.
#[test]
fn a_key_reaches_a_model_by_its_name_by_an_alias_and_by_a_slot() {
    let mut world = World::small();
    let commands: Vec<Command> = vec![
        crate::selection::SelectModel { scope: crate::scope::Scope::Gateway, slot: id("fast"), model: id("gpt") }
            .into(),
        crate::key::ReviseKey {
            aliases: crate::patch::Patch::Set([(id("n1"), id("gpt")), (id("m2"), id("fast"))].into()),
            ..crate::key::ReviseKey::nothing(key_id(1))
        }
        .into(),
    ];
    let history: Vec<Command> = vec![
        crate::realm::RegisterRealm { models: Some(Allowed::All), ..register_realm("default") }.into(),
        crate::testing::samples::register_model(1, "gpt").into(),
        crate::testing::samples::issue_key(1).into(),
    ];
    let mut oracle = Oracle::default();
    history.iter().chain(&commands).for_each(|command| oracle.note(command));
    world.carry_out(Together::new(commands));
    let model = crate::testing::samples::model_id(1).to_string();
    for name in ["gpt", "fast", "n1", "m2"] {
        assert_eq!(oracle.reaches(&key_id(1).to_string(), name), Some(model.as_str()), "{name}");
        let permit = resolve(&world.control, world.key(1), &id(name)).unwrap();
        assert_eq!(permit.model.id.to_string(), model, "{name}");
    }
    assert!(agree(&world.control, &oracle, world.now).is_ok());
}
