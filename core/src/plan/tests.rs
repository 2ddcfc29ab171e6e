use super::{Circumstances, plan};
use crate::actor::Actor;
use crate::command::{Command, Context, Rejection, Request, TOGETHER_MAX, Together};
use crate::envelope::{Line, MacKey, PARTS_MAX, seal_event};
use crate::event::Recorded;
use crate::grant::{GrantModel, ReplaceGrants};
use crate::key::{BlockKey, ReviseKey, UnblockKey};
use crate::model_pattern::{Allowed, ModelPattern};
use crate::patch::Patch;
use crate::realm::{self, RegisterRealm, SuspendRealm};
use crate::registry::RegisterModel;
use crate::stream::{ChainId, Head, Log, Position};
use crate::testing::given::{assert_well_placed, given};
use crate::testing::samples::{id, issue_key, key_id, new_deployment, register_model, register_realm};
use crate::testing::world::World;

fn together(commands: impl IntoIterator<Item = Command>) -> Together {
    Together::new(commands.into_iter().collect())
}

fn grant(model: &str) -> Command {
    GrantModel { realm: id("acme"), model: ModelPattern::new(model).unwrap() }.into()
}

fn block() -> Command {
    BlockKey { key: key_id(1) }.into()
}

fn suspend(realm: &str) -> Command {
    SuspendRealm { realm: id(realm) }.into()
}

#[test]
fn a_planned_event_is_written_and_read_as_it_was_folded() {
    let mut world = World::small();
    let key = MacKey::new([7; 32]);
    let planned = world.try_carry_out(register_model(2, "claude")).unwrap();
    let mut head = Head { position: Position::new(6), hash: crate::digest::Digest::ZERO };
    for planned in planned {
        let (line, next) = seal_event(&head, planned.recorded.clone(), &planned.cause, &key).unwrap();
        assert_eq!(line.known(&key).unwrap().recorded(), &planned.recorded);
        let line = Line::from_bytes(line.bytes().clone());
        let (envelope, end) = line.check(Log::Control, &ChainId::control(), &head, Some(&key)).unwrap();
        assert_eq!(end, next);
        assert_eq!(envelope.cause, planned.cause);
        assert_eq!(Recorded::decode(&envelope).unwrap(), planned.recorded);
        head = next;
    }
}

#[test]
fn a_plan_names_who_asked_when_and_by_which_command() {
    let mut world = World::small();
    world.actor = Actor::gateway("gw-1");
    world.now = id("2027-01-01T00:00:00Z");
    let command = block();
    let request = Request { id: id("c-1"), command: command.clone() };
    let recorded = &world.try_request(&request).unwrap()[0].recorded;
    assert_eq!((recorded.at, &recorded.actor), (world.now, &world.actor));
    let by = recorded.command.as_ref().unwrap();
    assert_eq!((by.id.as_str(), by.digest), ("c-1", command.digest()));
    assert_eq!((recorded.position, recorded.version, recorded.log), (Position::new(7), 2, Log::Control));
}

#[test]
fn commands_together_are_decided_on_what_the_one_before_leaves() {
    let world = World::new();
    let mut after = world.clone();
    let planned = after
        .try_carry_out(together([
            RegisterRealm { models: Some(Allowed::none()), ..register_realm("acme") }.into(),
            grant("gpt"),
            RegisterModel { realm: id("acme"), ..register_model(1, "gpt") }.into(),
            crate::key::IssueKey { realm: id("acme"), ..issue_key(1) }.into(),
            suspend("acme"),
        ]))
        .unwrap();
    assert_well_placed(&world, &planned);
    assert_eq!(planned.len(), 8);
    let parts: Vec<_> = planned.iter().map(|planned| planned.recorded.part).collect();
    assert_eq!(parts, (1..=8).map(|part| (part, 8)).collect::<Vec<_>>());
    let record = after.control.commands.get(&World::command_id(2)).unwrap();
    assert_eq!((record.first, record.last), (Position::new(3), Position::new(10)));
    assert!(after.control.realms.get("acme").unwrap().suspended.is_some());
}

#[test]
fn commands_together_are_all_carried_out_or_none() {
    let commands = [grant("gpt"), suspend("acme"), suspend("acme")];
    given(World::new().with(register_realm("acme")))
        .when(together(commands))
        .then_rejected(realm::Rejection::AlreadySuspended(id("acme")));
}

#[test]
fn what_would_change_nothing_is_passed_over_unless_all_would_change_nothing() {
    let same = || ReplaceGrants { realm: id("default"), models: Allowed::All };
    let planned = World::small().try_carry_out(together([same().into(), block(), same().into()])).unwrap();
    assert_eq!(planned.len(), 1);
    given(World::small()).when(together([same().into(), same().into()])).then_rejected(Rejection::NothingTogether);
    given(World::small()).when(together([])).then_rejected(Rejection::NothingTogether);
    // There and back is a change: two facts.
    let there_and_back = together([block(), UnblockKey { key: key_id(1) }.into()]);
    assert_eq!(World::small().try_carry_out(there_and_back).unwrap().len(), 2);
    let nothing = ReviseKey { user: Patch::Clear, ..ReviseKey::nothing(key_id(1)) };
    given(World::small()).when(together([nothing.into()])).then_rejected(Rejection::NothingTogether);
}

#[test]
fn as_many_commands_as_there_may_be_are_together_and_no_more() {
    let grants = |count: usize| together((0..count).map(|number| grant(&format!("model-{number}"))));
    let world = || World::new().with(register_realm("acme"));
    given(world()).when(grants(TOGETHER_MAX + 1)).then_rejected(Rejection::TooManyTogether);
    assert_eq!(world().try_carry_out(grants(TOGETHER_MAX)).unwrap().len(), TOGETHER_MAX);
}

#[test]
fn one_command_causes_as_many_events_as_a_batch_holds_and_no_more() {
    let model = |number: u128, deployments: usize| -> Command {
        let deployment = |index: usize| new_deployment(&format!("{number}-{index}"));
        RegisterModel {
            deployments: (0..deployments).map(deployment).collect(),
            ..register_model(number, &format!("model-{number}"))
        }
        .into()
    };
    let full = || (1..=4).map(|number| model(number, 100));
    // 4 × 201 + 1 + 2 × 97 + 1 = 1,000
    let fits = together(full().chain([model(5, 97), issue_key(1).into()]));
    assert_eq!(World::new().try_carry_out(fits).unwrap().len(), PARTS_MAX);
    let too_many = together(full().chain([model(5, 97), issue_key(1).into(), issue_key(2).into()]));
    given(World::new()).when(too_many).then_rejected(Rejection::TooManyTogether);
}

#[test]
fn the_same_plan_is_made_from_the_same_state() {
    let world = World::small();
    let make = || {
        let mut state = world.control.clone();
        let context = Context { now: world.now, vendors: world.vendors(), prices: world.prices() };
        let circumstances = Circumstances { actor: &world.actor, after: world.position(), context };
        let request = Request { id: id("c-1"), command: register_model(2, "claude").into() };
        plan(&mut state, &request, &circumstances, &crate::testing::seeded_ids::SeededIds::new(9)).unwrap()
    };
    assert_eq!(make(), make());
}
