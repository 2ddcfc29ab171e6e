//! A small installation in memory: commands are planned and folded as a gateway does it, with a clock and identifiers
//! that repeat. What tests of other crates start from, too.

#![allow(clippy::expect_used, clippy::panic, reason = "the inputs are the test's own; a panic is a failed test")]

use std::collections::BTreeSet;
use std::sync::Arc;

use super::samples::{self, VENDOR, id, issue_key, register_model, register_realm};
use super::seeded_ids::SeededIds;
use crate::actor::Actor;
use crate::command::{Command, Context, Rejection, Request};
use crate::control::Control;
use crate::event::{Event, Recorded};
use crate::id::{CommandId, EventId, RealmId, VendorId};
use crate::key::Key;
use crate::model_pattern::Allowed;
use crate::plan::{Circumstances, Planned, plan};
use crate::port::clock::Ids as _;
use crate::price::{Price, PriceList};
use crate::realm::RegisterRealm;
use crate::registry::{Model, RegisterModel};
use crate::stream::{Log, Position, StreamId};
use crate::time::Timestamp;

/// A control state with its history. Cloning it makes another world that goes its own way.
#[derive(Debug, Clone)]
pub struct World {
    /// What is allowed.
    pub control: Control,
    /// The moment of the next decision: 2026-11-20T10:15:30.123Z until a test moves it.
    pub now: Timestamp,
    /// Who asks next.
    pub actor: Actor,
    vendors: BTreeSet<VendorId>,
    prices: PriceList,
    ids: Arc<SeededIds>,
    position: Position,
    commands: u64,
    history: Vec<Recorded>,
}

impl World {
    /// A world before its first event. It knows one vendor, [`VENDOR`].
    #[must_use]
    pub fn empty() -> Self {
        Self {
            control: Control::default(),
            now: id("2026-11-20T10:15:30.123Z"),
            actor: Actor::operator(),
            vendors: BTreeSet::from([id(VENDOR)]),
            prices: PriceList::empty(),
            ids: Arc::new(SeededIds::new(1)),
            position: Position::START,
            commands: 0,
            history: Vec::new(),
        }
    }

    /// A world with the realm `default`, which may call all models.
    #[must_use]
    pub fn new() -> Self {
        let default = RealmId::default_realm();
        Self::empty().with(RegisterRealm { models: Some(Allowed::All), ..register_realm(default.as_str()) })
    }

    /// [`World::new`] with the model `gpt` of number 1, which has one priced deployment, and the key of number 1, which
    /// may call it.
    #[must_use]
    pub fn small() -> Self {
        Self::new().with(register_model(1, "gpt")).with(issue_key(1))
    }

    /// The same, with a realm that may call all models.
    #[must_use]
    pub fn with_realm(self, realm: &str, parent: Option<&str>) -> Self {
        self.with(RegisterRealm { parent: parent.map(id), models: Some(Allowed::All), ..register_realm(realm) })
    }

    /// The same, with a model of a realm. It has one priced deployment, which goes by `<realm>/<name>`.
    #[must_use]
    pub fn with_model(self, number: u128, realm: &str, name: &str) -> Self {
        let deployments = vec![samples::new_deployment(&format!("{realm}/{name}"))];
        self.with(RegisterModel { realm: id(realm), deployments, ..register_model(number, name) })
    }

    /// The same, after a command.
    ///
    /// # Panics
    /// When the command is refused.
    #[must_use]
    pub fn with(mut self, command: impl Into<Command>) -> Self {
        self.carry_out(command);
        self
    }

    /// Carries out a command, and tells what happened.
    ///
    /// # Panics
    /// When the command is refused.
    pub fn carry_out(&mut self, command: impl Into<Command>) -> Vec<Recorded> {
        let command = command.into();
        let planned = self.try_carry_out(command.clone());
        let planned = planned.unwrap_or_else(|rejection| panic!("{command:?} is refused: {rejection}"));
        planned.into_iter().map(|planned| planned.recorded).collect()
    }

    /// Carries out a command if it is not refused.
    ///
    /// # Errors
    /// [`Rejection`]. Nothing has changed then.
    ///
    /// # Panics
    /// When an event does not survive being written and read.
    pub fn try_carry_out(&mut self, command: impl Into<Command>) -> Result<Vec<Planned>, Rejection> {
        let request = Request { id: id(&format!("command-{}", self.commands + 1)), command: command.into() };
        self.try_request(&request)
    }

    /// As [`World::try_carry_out`], with the command's id.
    ///
    /// # Errors
    /// [`Rejection`]. Nothing has changed then.
    ///
    /// # Panics
    /// When an event does not survive being written and read.
    pub fn try_request(&mut self, request: &Request) -> Result<Vec<Planned>, Rejection> {
        let context = Context { now: self.now, vendors: &self.vendors, prices: &self.prices };
        let circumstances = Circumstances { actor: &self.actor, after: self.position, context };
        let planned = plan(&mut self.control, request, &circumstances, self.ids.as_ref())?;
        self.commands += 1;
        for planned in &planned {
            assert_survives(&planned.recorded.event);
            self.position = planned.recorded.position;
            self.history.push(planned.recorded.clone());
        }
        Ok(planned)
    }

    /// Folds an event that no command caused, such as one that another version decided.
    pub fn happen(&mut self, realm: Option<RealmId>, stream: StreamId, event: impl Into<Event>) {
        let earlier = self.history.iter().filter(|recorded| recorded.stream == stream).count();
        self.position = self.position.plus(1);
        let recorded = Recorded {
            id: EventId::new(self.ids.uuid()),
            log: Log::Control,
            position: self.position,
            realm,
            stream,
            version: earlier as u64 + 1,
            at: self.now,
            actor: self.actor.clone(),
            command: None,
            part: (1, 1),
            event: event.into(),
        };
        self.control.evolve(&recorded);
        self.history.push(recorded);
    }

    /// What happened, in order.
    #[must_use]
    pub fn history(&self) -> &[Recorded] {
        &self.history
    }

    /// The position of the last event.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// The vendors there are.
    #[must_use]
    pub const fn vendors(&self) -> &BTreeSet<VendorId> {
        &self.vendors
    }

    /// What models cost where nobody says otherwise: nothing is listed before [`World::list`].
    #[must_use]
    pub const fn prices(&self) -> &PriceList {
        &self.prices
    }

    /// Lists a price for a model of [`VENDOR`].
    #[must_use]
    pub fn list(mut self, upstream_model: &str, price: Price) -> Self {
        self.prices.put(id(VENDOR), upstream_model.to_owned(), price);
        self
    }

    /// The key of a number.
    ///
    /// # Panics
    /// When it was never issued.
    #[must_use]
    pub fn key(&self, number: u128) -> &Key {
        self.control.keys.get(&samples::key_id(number)).expect("a key that was issued")
    }

    /// The model of a number.
    ///
    /// # Panics
    /// When it was never registered.
    #[must_use]
    pub fn model(&self, number: u128) -> &Model {
        self.control.models.get(&samples::model_id(number)).expect("a model that was registered")
    }

    /// The id of the command that was carried out as the n-th, from 1.
    #[must_use]
    pub fn command_id(number: u64) -> CommandId {
        id(&format!("command-{number}"))
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// What is folded when a command is planned must be what readers of the log will fold.
fn assert_survives(event: &Event) {
    let data = event.to_data().expect("an event that can be written");
    let read = Event::decode(event.kind(), event.schema(), &data).expect("an event that can be read");
    assert_eq!(read, *event, "written and read, the event is another: {data}");
    let again = read.to_data().expect("an event that can be written");
    assert_eq!(again, data, "read and written again, the event has other bytes");
}
