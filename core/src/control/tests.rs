use super::{CommandRecord, Control, Needs};
use crate::actor::Actor;
use crate::command::{Command, Rejection, Request, Together};
use crate::event::Event;
use crate::id::{CommandId, KeyAlias};
use crate::key::{BlockKey, IssueKey, ReviseKey, RevokeKey, RotateKey};
use crate::patch::Patch;
use crate::realm::SuspendRealm;
use crate::registry::{RegisterModel, RetireModel};
use crate::scope::Scope;
use crate::selection::SelectModel;
use crate::stream::{Position, StreamId};
use crate::testing::dump::dump;
use crate::testing::given::given;
use crate::testing::samples::{id, issue_key, key_id, model_id, new_deployment, register_model, register_realm};
use crate::testing::world::World;

fn record<'a>(control: &'a Control, command: &CommandId) -> &'a CommandRecord {
    control.commands.get(command).unwrap()
}

/// The world's history folded event by event, as a follower of the log does.
fn followed(world: &World) -> Control {
    let mut control = Control::default();
    world.history().iter().for_each(|recorded| control.evolve(recorded));
    control
}

#[test]
fn a_command_is_on_record_with_its_first_and_last_event() {
    let mut world = World::new();
    let command: Command = register_model(1, "gpt").into();
    let request = Request { id: id("mine"), command: command.clone() };
    assert_eq!(world.try_request(&request).unwrap().len(), 3);
    let expected = CommandRecord { digest: command.digest(), first: Position::new(3), last: Position::new(5) };
    assert_eq!(*record(&world.control, &id("mine")), expected);
    assert_eq!(*record(&followed(&world), &id("mine")), expected);
}

#[test]
fn a_command_of_which_a_part_was_read_is_on_record_as_far_as_that() {
    let world = World::new().with(register_model(1, "gpt"));
    let mut control = Control::default();
    for (recorded, last) in world.history().iter().skip(2).zip(3..) {
        control.evolve(recorded);
        let record = record(&control, &World::command_id(2));
        assert_eq!((record.first, record.last), (Position::new(3), Position::new(last)));
    }
}

#[test]
fn an_event_whose_part_makes_no_sense_is_folded_all_the_same() {
    let mut recorded = World::new().history()[0].clone();
    recorded.part = (0, 0);
    let mut control = Control::default();
    control.evolve(&recorded);
    assert_eq!(record(&control, &World::command_id(1)).first, Position::new(1));
}

#[test]
fn an_event_of_activity_changes_nothing() {
    let mut world = World::small();
    let before = dump(&world.control);
    let refused = crate::activity::CommandRefused {
        command: None,
        kind: "IssueKey".to_owned(),
        code: "no_change".to_owned(),
        message: String::new(),
    };
    world.happen(None, StreamId::realm(&id("default")), crate::activity::Event::CommandRefused(refused));
    assert_eq!(dump(&world.control), before);
}

#[test]
fn the_first_unreadable_event_of_a_stream_is_remembered() {
    let mut control = Control::default();
    let stream = StreamId::key(key_id(1));
    control.quarantine(stream.clone(), Position::new(4));
    control.quarantine(stream.clone(), Position::new(9));
    assert_eq!(control.quarantined.get(&stream).map(|position| **position), Some(Position::new(4)));
}

#[test]
fn nothing_is_changed_that_cannot_be_read_whole() {
    let quarantined = |stream: &StreamId| {
        let mut world = World::small();
        world.control.quarantine(stream.clone(), Position::new(5));
        world
    };
    let select = SelectModel { scope: Scope::Gateway, slot: id("fast"), model: id("gpt") };
    let commands: [(StreamId, Command); 5] = [
        (StreamId::key(key_id(1)), BlockKey { key: key_id(1) }.into()),
        // Its birth is what cannot be read: it is there, though no row says so.
        (StreamId::key(key_id(2)), issue_key(2).into()),
        (StreamId::model(model_id(1)), RetireModel { model: model_id(1) }.into()),
        (StreamId::realm(&id("default")), SuspendRealm { realm: id("default") }.into()),
        (Scope::Gateway.selection_stream(&id("fast")), select.into()),
    ];
    for (stream, command) in commands {
        let rejection = Rejection::Quarantined { stream: stream.clone(), position: Position::new(5) };
        given(quarantined(&stream)).when(command).then_rejected(rejection);
    }
    let other = quarantined(&StreamId::key(key_id(1))).try_carry_out(issue_key(2));
    assert!(other.is_ok(), "what can be read goes on");
}

#[test]
fn a_realm_whose_parent_cannot_be_read_may_call_nothing() {
    let world = World::new().with_realm("root", None).with_realm("leaf", Some("root"));
    assert!(world.control.realm_may_call(&id("leaf"), &id("gpt")));
    let mut control = Control::default();
    for recorded in world.history() {
        if recorded.stream != StreamId::realm(&id("root")) {
            control.evolve(recorded);
        }
    }
    assert!(control.grants.contains("leaf") && !control.realms.contains("root"));
    assert!(!control.realm_may_call(&id("leaf"), &id("gpt")));
    assert!(!control.realm_may_call(&id("gone"), &id("gpt")));
}

#[test]
fn a_chain_goes_from_the_nearest_realm_to_the_root() {
    let world = World::new().with_realm("a", None).with_realm("b", Some("a")).with_realm("c", Some("b"));
    let chain = |realm: &str| world.control.chain(&id(realm)).map(|realm| realm.id.to_string()).collect::<Vec<_>>();
    assert_eq!(chain("c"), ["c", "b", "a"]);
    assert_eq!(chain("default"), ["default"]);
    assert!(chain("gone").is_empty());
}

#[test]
fn a_mark_says_who_when_and_where() {
    let mut world = World::new();
    world.actor = Actor::gateway("gw-1");
    world.now = id("2027-01-01T00:00:00Z");
    world.carry_out(register_realm("acme"));
    let mark = &world.control.realms.get("acme").unwrap().trail.created;
    assert_eq!((mark.position, mark.at, &mark.by), (Position::new(3), world.now, &Actor::gateway("gw-1")));
}

#[test]
fn a_command_names_the_rows_that_it_touches() {
    let needs = |command: Command| command.needs();
    let issue = || IssueKey { alias: Some(id("ci")), ..issue_key(1) };
    let (hash, alias) = (issue().hash, id::<KeyAlias>("ci"));
    let key = || vec![key_id(1)];
    assert_eq!(
        needs(issue().into()),
        Needs { keys: key(), hashes: vec![hash], aliases: vec![alias.clone()], ..Needs::default() }
    );
    let revise = ReviseKey { alias: Patch::Set(alias.clone()), ..ReviseKey::nothing(key_id(1)) };
    assert_eq!(needs(revise.into()), Needs { keys: key(), aliases: vec![alias.clone()], ..Needs::default() });
    let rotate = RotateKey { key: key_id(1), hash, shown: "sk-...".to_owned(), old_until: None };
    assert_eq!(needs(rotate.into()), Needs { keys: key(), hashes: vec![hash], ..Needs::default() });
    assert_eq!(needs(RevokeKey { key: key_id(1) }.into()), Needs { keys: key(), ..Needs::default() });
    let select = |scope| SelectModel { scope, slot: id("fast"), model: id("gpt") };
    assert_eq!(needs(select(Scope::Key(key_id(1))).into()), Needs { keys: key(), ..Needs::default() });
    assert_eq!(needs(select(Scope::Gateway).into()), Needs::default());
    assert_eq!(needs(register_model(1, "gpt").into()), Needs::default());
    let together = Together::new(vec![issue().into(), BlockKey { key: key_id(2) }.into()]);
    let both = Needs { keys: vec![key_id(1), key_id(2)], hashes: vec![hash], aliases: vec![alias], ..Needs::default() };
    assert_eq!(needs(together.into()), both);
}

#[test]
fn a_rule_over_two_streams_reads_what_the_command_before_left() {
    let parent = register_realm("a");
    let child = crate::realm::RegisterRealm { parent: Some(id("a")), ..register_realm("b") };
    let own = RegisterModel { realm: id("b"), deployments: vec![new_deployment("d")], ..register_model(1, "gpt") };
    let together = Together::new(vec![parent.into(), child.into(), own.into()]);
    let world = World::new().with(together);
    assert_eq!(world.control.visible_model(&id("b"), &id("gpt")).map(|model| model.id), Some(model_id(1)));
    assert!(world.history().iter().all(|recorded| !matches!(recorded.event, Event::Activity(_))));
    assert_eq!(dump(&world.control), dump(&followed(&world)));
}
