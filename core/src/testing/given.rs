//! Given, when, then: a rule as a test says it. The types keep the order, so that nothing is asserted before something
//! was asked.
//!
//! ```
//! use tallygate_core::key::{BlockKey, Blocked, Event};
//! use tallygate_core::testing::{given::given, samples::key_id, world::World};
//!
//! given(World::small())
//!     .when(BlockKey { key: key_id(1) })
//!     .then([Event::Blocked(Blocked { key: key_id(1) })])
//!     .then_state(|control| assert!(control.keys.get(&key_id(1)).unwrap().blocked.is_some()));
//! ```

#![allow(clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::dump::dump;
use super::world::World;
use crate::command::{Command, Rejection};
use crate::control::Control;
use crate::event::Event;
use crate::plan::Planned;
use crate::stream::{Position, StreamId};

/// What was so before.
#[derive(Debug)]
#[must_use = "nothing is asked yet: go on with `when`"]
pub struct Given {
    world: World,
}

/// What came of a command.
#[derive(Debug)]
#[must_use = "nothing is asserted yet: go on with `then` or `then_rejected`"]
pub struct When {
    before: World,
    after: World,
    outcome: Result<Vec<Planned>, Rejection>,
}

/// What happened, to look closer at, or to go on from.
#[derive(Debug)]
pub struct Then {
    world: World,
    planned: Vec<Planned>,
}

/// Starts from a world, or from commands that were carried out in an empty one.
pub fn given(history: impl Into<World>) -> Given {
    Given { world: history.into() }
}

impl<const N: usize> From<[Command; N]> for World {
    fn from(commands: [Command; N]) -> Self {
        commands.into_iter().fold(Self::empty(), Self::with)
    }
}

impl Given {
    /// Carries out one more command before the one that counts.
    ///
    /// # Panics
    /// When it is refused.
    pub fn and(self, command: impl Into<Command>) -> Self {
        Self { world: self.world.with(command) }
    }

    /// Asks for something.
    pub fn when(self, command: impl Into<Command>) -> When {
        let before = self.world.clone();
        let mut after = self.world;
        let outcome = after.try_carry_out(command);
        When { before, after, outcome }
    }
}

impl When {
    /// It was done, and just these events say so: each of them the next of its stream, at the next position, a part of
    /// one command, for reasons that lie in the past.
    ///
    /// # Panics
    /// When it was refused, or something else happened.
    pub fn then<E: Into<Event>>(self, expected: impl IntoIterator<Item = E>) -> Then {
        let expected: Vec<Event> = expected.into_iter().map(Into::into).collect();
        let planned = self.outcome.unwrap_or_else(|rejection| panic!("refused: {rejection}"));
        let found: Vec<Event> = planned.iter().map(|planned| planned.recorded.event.clone()).collect();
        assert_eq!(found, expected);
        assert_well_placed(&self.before, &planned);
        Then { world: self.after, planned }
    }

    /// It was done, whatever happened.
    ///
    /// # Panics
    /// When it was refused.
    pub fn then_any(self) -> Then {
        let planned = self.outcome.unwrap_or_else(|rejection| panic!("refused: {rejection}"));
        assert_well_placed(&self.before, &planned);
        Then { world: self.after, planned }
    }

    /// It was refused for this reason, and all is as before.
    ///
    /// # Panics
    /// When it was done, or refused for another reason.
    pub fn then_rejected(self, expected: impl Into<Rejection>) {
        match self.outcome {
            Ok(planned) => panic!("not refused: {planned:?}"),
            Err(rejection) => assert_eq!(rejection, expected.into()),
        }
        assert_eq!(dump(&self.after.control), dump(&self.before.control), "refused, and yet something changed");
    }
}

impl Then {
    /// Looks at the state after it.
    #[expect(clippy::return_self_not_must_use, reason = "the chain may end here")]
    pub fn then_state(self, look: impl FnOnce(&Control)) -> Self {
        look(&self.world.control);
        self
    }

    /// Looks at the events as they will be written.
    #[expect(clippy::return_self_not_must_use, reason = "the chain may end here")]
    pub fn then_planned(self, look: impl FnOnce(&[Planned])) -> Self {
        look(&self.planned);
        self
    }

    /// Asks for something more.
    pub fn when(self, command: impl Into<Command>) -> When {
        Given { world: self.world }.when(command)
    }
}

/// Every event of a command stands where readers expect it.
///
/// # Panics
/// When one does not.
pub fn assert_well_placed(before: &World, planned: &[Planned]) {
    assert!(!planned.is_empty(), "a command that is carried out causes at least one event");
    let mut versions: BTreeMap<StreamId, u64> = BTreeMap::new();
    for recorded in before.history() {
        versions.insert(recorded.stream.clone(), recorded.version);
    }
    let after = before.position();
    for (number, planned) in (1_u16..).zip(planned) {
        let recorded = &planned.recorded;
        assert_eq!(recorded.position, after.plus(number.into()), "positions rise by one");
        let version = versions.entry(recorded.stream.clone()).or_default();
        assert_eq!(recorded.version, *version + 1, "versions of {} rise by one", recorded.stream);
        *version += 1;
        let past = |position: &Position| *position > Position::START && *position < recorded.position;
        assert!(planned.cause.iter().all(past), "{:?} is not before {}", planned.cause, recorded.position);
    }
    let parts: Vec<_> = planned.iter().map(|planned| planned.recorded.part).collect();
    let count = u16::try_from(planned.len()).expect("few events");
    assert_eq!(parts, (1..=count).map(|part| (part, count)).collect::<Vec<_>>());
}
