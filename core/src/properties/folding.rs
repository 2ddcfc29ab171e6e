//! However the events are folded, the state is the same.

use std::collections::BTreeSet;

use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::archive::Archive;
use super::asked::{Asked, history};
use crate::activity;
use crate::command::Request;
use crate::control::Control;
use crate::event::{Event, Recorded};
use crate::lease;
use crate::testing::dump::dump;
use crate::testing::given::assert_well_placed;
use crate::testing::samples::id;
use crate::testing::world::World;
use crate::time::Timestamp;

fn later(now: Timestamp, seconds: u8) -> Timestamp {
    Timestamp::from_millis(now.millis() + i64::from(seconds) * 1_000)
}

/// What was carried out of some commands, on the whole state.
fn carried_out(commands: &[Asked]) -> World {
    let mut world = World::new();
    for (command, seconds) in commands {
        world.now = later(world.now, *seconds);
        // Refusals are as good here: they must change nothing.
        let _ = world.try_carry_out(command.clone());
    }
    world
}

fn fold(control: &mut Control, history: &[Recorded]) {
    history.iter().for_each(|recorded| control.evolve(recorded));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Planning folds as it goes; a follower folds what was written; a rebuild starts from nothing.
    #[test]
    fn folding_live_and_folding_again_give_equal_states(commands in history(1..60)) {
        let world = carried_out(&commands);
        let mut followed = Control::default();
        fold(&mut followed, world.history());
        prop_assert_eq!(dump(&followed), dump(&world.control));
    }

    /// Rows are written when a group was folded, and only those that were touched.
    #[test]
    fn groups_of_any_size_leave_equal_rows(
        commands in history(1..60), sizes in prop::collection::vec(1..9_usize, 1..20),
    ) {
        let world = carried_out(&commands);
        let mut archive = Archive::default();
        let mut control = Control::default();
        let mut rest = world.history();
        for size in sizes.iter().cycle() {
            let (group, others) = rest.split_at(rest.len().min(*size));
            fold(&mut control, group);
            archive.take(&mut control);
            rest = others;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(dump(&archive.restore()), dump(&world.control));
    }

    /// A follower that holds only some rows loads what each event needs, and lets go of all in between.
    #[test]
    fn a_partial_state_that_loads_what_events_need_leaves_equal_rows(
        commands in history(1..60), pauses in prop::collection::vec(any::<(bool, bool)>(), 1..20),
    ) {
        let world = carried_out(&commands);
        let mut archive = Archive::default();
        let mut control = Control::default();
        for (recorded, (written, let_go)) in world.history().iter().zip(pauses.iter().cycle()) {
            archive.load(&mut control, &recorded.needs());
            control.evolve(recorded);
            if *written {
                archive.take(&mut control);
            }
            if *let_go {
                control.evict();
            }
        }
        archive.take(&mut control);
        prop_assert_eq!(dump(&archive.restore()), dump(&world.control));
    }

    /// A decision on the rows that the command needs is the decision on all rows.
    #[test]
    fn a_partial_state_that_loads_what_commands_need_decides_the_same(
        commands in history(1..60), pauses in prop::collection::vec(any::<(bool, bool)>(), 1..20),
    ) {
        let mut whole = World::new();
        let mut partial = whole.clone();
        let mut archive = Archive::default();
        for (number, ((command, seconds), (written, let_go))) in commands.iter().zip(pauses.iter().cycle()).enumerate() {
            let request = Request { id: id(&format!("asked-{number}")), command: command.clone() };
            let mut needs = command.needs();
            needs.commands.push(request.id.clone());
            archive.load(&mut partial.control, &needs);
            for world in [&mut whole, &mut partial] {
                world.now = later(world.now, *seconds);
            }
            let facts = |world: &mut World| {
                let planned = world.try_request(&request);
                planned.map(|planned| planned.into_iter().map(|planned| planned.recorded.event).collect::<Vec<Event>>())
            };
            prop_assert_eq!(facts(&mut partial), facts(&mut whole));
            if *written {
                archive.take(&mut partial.control);
            }
            if *let_go {
                partial.control.evict();
            }
        }
        archive.take(&mut partial.control);
        prop_assert_eq!(dump(&archive.restore()), dump(&whole.control));
    }

    /// Nothing panics, the same is decided from the same, a refusal changes nothing, and whatever happens is numbered
    /// as the next of its stream. That each event survives being written and read, [`World`] checks for all.
    #[test]
    fn every_command_is_refused_whole_or_carried_out_in_good_order(commands in history(1..40)) {
        let mut world = World::new();
        for (command, seconds) in commands {
            world.now = later(world.now, seconds);
            let before = world.clone();
            let again = before.clone().try_carry_out(command.clone());
            let outcome = world.try_carry_out(command);
            match (&outcome, &again) {
                (Ok(planned), Ok(again)) => {
                    assert_well_placed(&before, planned);
                    let events = |planned: &[crate::plan::Planned]| {
                        planned.iter().map(|planned| (planned.recorded.event.clone(), planned.cause.clone())).collect::<Vec<_>>()
                    };
                    prop_assert_eq!(events(planned), events(again));
                }
                (Err(rejection), Err(again)) => {
                    prop_assert_eq!(rejection, again);
                    prop_assert_eq!(dump(&world.control), dump(&before.control));
                }
                _ => prop_assert!(false, "{:?} and then {:?}", outcome, again),
            }
        }
    }
}

/// Properties say little of what never happens.
#[test]
fn the_random_commands_make_every_type_of_control_event() {
    let mut runner =
        TestRunner::new_with_rng(ProptestConfig::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let commands = history(60..61);
    let mut found = BTreeSet::new();
    for _ in 0..128 {
        let commands = commands.new_tree(&mut runner).unwrap().current();
        found.extend(carried_out(&commands).history().iter().map(|recorded| recorded.event.kind()));
    }
    let others = activity::Event::TYPES.iter().chain(lease::Event::TYPES);
    let others: BTreeSet<_> = others.map(|(kind, _)| *kind).collect();
    let control: BTreeSet<_> = Event::types().map(|(kind, _)| kind).filter(|kind| !others.contains(kind)).collect();
    assert_eq!(found, control);
}
