use super::{ClearSelection, Cleared, EARLIER_MAX, Event, Rejection, SelectModel, Selected, UndoSelection, Undone};
use crate::control::Control;
use crate::grant::ReplaceGrants;
use crate::id::{ModelName, SlotName};
use crate::key::{IssueKey, RevokeKey};
use crate::model_pattern::Allowed;
use crate::registry::{RegisterModel, RetireModel};
use crate::scope::Scope;
use crate::stream::Position;
use crate::testing::given::given;
use crate::testing::samples::{id, issue_key, key_id, model_id, new_deployment, only, register_model};
use crate::testing::world::World;

/// Models `gpt` and `claude` of the realm `default`, the key of number 1, and the realm `acme`, all allowed all.
fn world() -> World {
    World::small().with_model(2, "default", "claude").with_realm("acme", None)
}

fn select(scope: &str, slot: &str, model: &str) -> SelectModel {
    SelectModel { scope: id(scope), slot: id(slot), model: id(model) }
}

fn clear(scope: &str, slot: &str) -> ClearSelection {
    ClearSelection { scope: id(scope), slot: id(slot) }
}

fn selected(scope: &str, slot: &str, model: &str) -> Event {
    Event::Selected(Selected { scope: id(scope), slot: id(slot), model: id(model) })
}

fn of_key(number: u128) -> String {
    Scope::Key(key_id(number)).to_string()
}

fn model_of(control: &Control, scope: &str, slot: &str) -> Option<ModelName> {
    control.selections.get(&(id(scope), id(slot))).and_then(|selection| selection.model.clone())
}

#[test]
fn each_kind_of_scope_selects_a_model_for_a_slot() {
    let key = of_key(1);
    for (scope, realm, cause) in [
        ("gateway", None, vec![Position::new(5)]),
        ("realm:acme", Some(id("acme")), vec![Position::new(10), Position::new(5)]),
        (key.as_str(), Some(id("default")), vec![Position::new(6), Position::new(5)]),
    ] {
        given(world())
            .when(select(scope, "fast", "gpt"))
            .then([selected(scope, "fast", "gpt")])
            .then_planned(|planned| {
                let recorded = &planned[0].recorded;
                assert_eq!(recorded.stream.as_str(), format!("selection-fast@{scope}"));
                assert_eq!((&recorded.realm, &planned[0].cause), (&realm, &cause));
            })
            .then_state(|control| assert_eq!(model_of(control, scope, "fast"), Some(id("gpt"))));
    }
}

#[test]
fn a_slot_leads_to_another_model_is_cleared_and_selected_again() {
    given(world().with(select("gateway", "fast", "gpt")))
        .when(select("gateway", "fast", "claude"))
        .then([selected("gateway", "fast", "claude")])
        .when(clear("gateway", "fast"))
        .then([Event::Cleared(Cleared { scope: Scope::Gateway, slot: id("fast") })])
        .then_state(|control| {
            let row = control.selections.get(&(Scope::Gateway, id::<SlotName>("fast"))).unwrap();
            assert_eq!((&row.model, row.trail.version), (&None, 3), "the row stays");
        })
        .when(select("gateway", "fast", "claude"))
        .then([selected("gateway", "fast", "claude")])
        .then_state(|control| {
            let row = control.selections.get(&(Scope::Gateway, id::<SlotName>("fast"))).unwrap();
            assert_eq!((row.model.clone(), row.trail.version), (Some(id("claude")), 4));
            assert_eq!((&row.scope, row.slot.as_str()), (&Scope::Gateway, "fast"));
        });
}

#[test]
fn the_slot_that_is_meant_when_none_is_named_is_current() {
    let command: SelectModel = serde_json::from_str(r#"{"scope":"gateway","model":"gpt"}"#).unwrap();
    assert_eq!(command.slot.as_str(), "current");
    let command: ClearSelection = serde_json::from_str(r#"{"scope":"gateway"}"#).unwrap();
    assert_eq!(command.slot.as_str(), "current");
}

#[test]
fn a_selection_that_changes_nothing_is_refused() {
    given(world().with(select("gateway", "fast", "gpt")))
        .when(select("gateway", "fast", "gpt"))
        .then_rejected(Rejection::NoChange(Scope::Gateway));
}

#[test]
fn a_scope_that_is_not_there_selects_nothing() {
    for scope in ["realm:gone".to_owned(), of_key(9)] {
        given(world()).when(select(&scope, "fast", "gpt")).then_rejected(Rejection::UnknownScope(id(&scope)));
        given(world()).when(clear(&scope, "fast")).then_rejected(Rejection::UnknownScope(id(&scope)));
    }
    let revoked = || world().with(select(&of_key(1), "fast", "gpt")).with(RevokeKey { key: key_id(1) });
    let unknown = || Rejection::UnknownScope(id(&of_key(1)));
    given(revoked()).when(select(&of_key(1), "fast", "claude")).then_rejected(unknown());
    given(revoked()).when(clear(&of_key(1), "fast")).then_rejected(unknown());
}

#[test]
fn only_a_model_that_the_scope_sees_is_selected() {
    let unknown = |model: &str| Rejection::UnknownModel(id(model));
    given(world()).when(select("gateway", "fast", "gone")).then_rejected(unknown("gone"));
    let hidden = || world().with_model(3, "acme", "own");
    given(hidden()).when(select("gateway", "fast", "own")).then_rejected(unknown("own"));
    given(hidden()).when(select(&of_key(1), "fast", "own")).then_rejected(unknown("own"));
    given(hidden()).when(select("realm:acme", "fast", "own")).then([selected("realm:acme", "fast", "own")]);
    let retired = world().with(RetireModel { model: model_id(1) });
    given(retired).when(select("gateway", "fast", "gpt")).then_rejected(unknown("gpt"));
}

#[test]
fn only_a_model_that_the_scope_may_call_is_selected() {
    let not_granted = |scope: &str| Rejection::NotGranted { scope: id(scope), model: id("gpt") };
    let granted = |realm: &str, models| ReplaceGrants { realm: id(realm), models };
    let closed = world().with(granted("acme", only(["claude"])));
    given(closed).when(select("realm:acme", "fast", "gpt")).then_rejected(not_granted("realm:acme"));
    let closed = || world().with(granted("default", Allowed::none()));
    given(closed()).when(select("gateway", "fast", "gpt")).then_rejected(not_granted("gateway"));
    given(closed()).when(select(&of_key(1), "fast", "gpt")).then_rejected(not_granted(&of_key(1)));
    let narrow = world().with(IssueKey { models: only(["claude"]), ..issue_key(2) });
    given(narrow).when(select(&of_key(2), "fast", "gpt")).then_rejected(not_granted(&of_key(2)));
}

#[test]
fn a_slot_does_not_go_by_the_name_of_a_model_of_any_realm() {
    let is_model = |slot: &str| Rejection::SlotIsModel(id(slot));
    given(world()).when(select("gateway", "claude", "gpt")).then_rejected(is_model("claude"));
    let elsewhere = world().with_model(3, "acme", "own");
    given(elsewhere.clone()).when(select("gateway", "own", "gpt")).then_rejected(is_model("own"));
    given(elsewhere)
        .and(RetireModel { model: model_id(3) })
        .when(select("gateway", "own", "gpt"))
        .then([selected("gateway", "own", "gpt")]);
}

#[test]
fn a_cleared_slot_whose_name_a_model_took_is_not_selected_again() {
    let world = world()
        .with(select("gateway", "fast", "gpt"))
        .with(clear("gateway", "fast"))
        .with(RegisterModel { deployments: vec![new_deployment("d")], ..register_model(3, "fast") });
    given(world).when(select("gateway", "fast", "gpt")).then_rejected(Rejection::SlotIsModel(id("fast")));
}

#[test]
fn only_a_choice_that_was_made_is_cleared() {
    let nothing = |scope: &str, slot: &str| Rejection::NothingSelected { scope: id(scope), slot: id(slot) };
    given(world()).when(clear("gateway", "fast")).then_rejected(nothing("gateway", "fast"));
    let made = || world().with(select("gateway", "fast", "gpt"));
    given(made()).when(clear("gateway", "slow")).then_rejected(nothing("gateway", "slow"));
    given(made()).when(clear("realm:acme", "fast")).then_rejected(nothing("realm:acme", "fast"));
    given(made().with(clear("gateway", "fast")))
        .when(clear("gateway", "fast"))
        .then_rejected(nothing("gateway", "fast"));
}

#[test]
fn the_nearest_scope_that_chose_wins() {
    let world = world()
        .with(select("gateway", "fast", "gpt"))
        .with(select("realm:acme", "fast", "claude"))
        .with(select(&of_key(1), "fast", "claude"))
        .with(clear(&of_key(1), "fast"));
    let model = |scopes: &[&str], slot: &str| {
        let scopes: Vec<Scope> = scopes.iter().map(|scope| id(scope)).collect();
        world.control.selected(&scopes, &id(slot)).and_then(|selection| selection.model.clone())
    };
    let key = of_key(1);
    assert_eq!(model(&[&key, "realm:acme", "gateway"], "fast"), Some(id("claude")));
    assert_eq!(model(&[&key, "realm:default", "gateway"], "fast"), Some(id("gpt")), "a cleared choice is none");
    assert_eq!(model(&["realm:default"], "fast"), None);
    assert_eq!(model(&["gateway"], "slow"), None);
    assert!(World::new().control.selected(&[Scope::Gateway], &id("fast")).is_none());
}

#[test]
fn two_places_whose_names_look_alike_have_streams_of_their_own() {
    let world = world()
        .with_realm("x@gateway", None)
        .with(select("realm:x@gateway", "a", "gpt"))
        .with(select("gateway", "a@realm:x", "gpt"))
        .with(select("gateway", "a%40realm:x", "gpt"));
    let streams: std::collections::BTreeSet<_> =
        world.history().iter().rev().take(3).map(|recorded| recorded.stream.clone()).collect();
    assert_eq!(streams.len(), 3, "{streams:?}");
}

fn undo(scope: &str, slot: &str) -> UndoSelection {
    UndoSelection { scope: id(scope), slot: id(slot) }
}

fn undone(scope: &str, slot: &str, model: Option<&str>) -> Event {
    Event::Undone(Undone { scope: id(scope), slot: id(slot), model: model.map(id) })
}

#[test]
fn an_undo_goes_one_choice_back_and_another_one_further() {
    let nothing = || Rejection::NothingToUndo { scope: Scope::Gateway, slot: id("fast") };
    let chosen = world()
        .with(select("gateway", "fast", "gpt"))
        .with(select("gateway", "fast", "claude"))
        .with(clear("gateway", "fast"));
    given(chosen)
        .when(undo("gateway", "fast"))
        .then([undone("gateway", "fast", Some("claude"))])
        .when(undo("gateway", "fast"))
        .then([undone("gateway", "fast", Some("gpt"))])
        .then_state(|control| assert_eq!(model_of(control, "gateway", "fast"), Some(id("gpt"))))
        .when(undo("gateway", "fast"))
        .then([undone("gateway", "fast", None)])
        .then_state(|control| assert_eq!(model_of(control, "gateway", "fast"), None))
        .when(undo("gateway", "fast"))
        .then_rejected(nothing());
    let again = world()
        .with(select("gateway", "fast", "gpt"))
        .with(undo("gateway", "fast"))
        .with(select("gateway", "fast", "claude"));
    given(again).when(undo("gateway", "fast")).then([undone("gateway", "fast", None)]);
    given(world()).when(undo("gateway", "fast")).then_rejected(nothing());
    let elsewhere = world().with(select("gateway", "fast", "gpt"));
    let other = Rejection::NothingToUndo { scope: id("realm:acme"), slot: id("fast") };
    given(elsewhere).when(undo("realm:acme", "fast")).then_rejected(other);
}

#[test]
fn an_undo_goes_back_only_to_what_could_be_chosen_now() {
    let swapped = || world().with(select("realm:acme", "fast", "gpt")).with(select("realm:acme", "fast", "claude"));
    let narrowed = swapped().with(ReplaceGrants { realm: id("acme"), models: only(["claude"]) });
    let not_granted = Rejection::NotGranted { scope: id("realm:acme"), model: id("gpt") };
    given(narrowed).when(undo("realm:acme", "fast")).then_rejected(not_granted);
    let retired = swapped().with(RetireModel { model: model_id(1) });
    given(retired).when(undo("realm:acme", "fast")).then_rejected(Rejection::UnknownModel(id("gpt")));
    let taken = world()
        .with(select("gateway", "fast", "gpt"))
        .with(clear("gateway", "fast"))
        .with(RegisterModel { deployments: vec![new_deployment("d")], ..register_model(3, "fast") });
    given(taken).when(undo("gateway", "fast")).then_rejected(Rejection::SlotIsModel(id("fast")));
    let gone = Rejection::UnknownScope(id("realm:gone"));
    given(world()).when(undo("realm:gone", "fast")).then_rejected(gone);
}

#[test]
fn so_many_choices_can_be_undone_and_no_more_are_remembered() {
    let mut world = world();
    for number in 0..=EARLIER_MAX {
        world = world.with(select("gateway", "fast", if number % 2 == 0 { "gpt" } else { "claude" }));
    }
    let remembered = |world: &World| world.control.selections.get(&(Scope::Gateway, id("fast"))).unwrap().earlier.len();
    assert_eq!(remembered(&world), EARLIER_MAX);
    for _ in 0..EARLIER_MAX {
        world = world.with(undo("gateway", "fast"));
    }
    assert_eq!((remembered(&world), model_of(&world.control, "gateway", "fast")), (0, Some(id("gpt"))));
    let nothing = Rejection::NothingToUndo { scope: Scope::Gateway, slot: id("fast") };
    given(world).when(undo("gateway", "fast")).then_rejected(nothing);
}

#[test]
fn every_change_of_a_selection_is_in_its_history() {
    let world = world()
        .with(select("gateway", "fast", "gpt"))
        .with(select("gateway", "fast", "claude"))
        .with(undo("gateway", "fast"))
        .with(clear("gateway", "fast"));
    let history: Vec<_> = world.control.choices.iter().map(|(_, choice)| choice).collect();
    let told: Vec<_> = history
        .iter()
        .map(|choice| {
            (choice.from.as_ref().map(ModelName::as_str), choice.to.as_ref().map(ModelName::as_str), choice.undo)
        })
        .collect();
    assert_eq!(
        told,
        [
            (None, Some("gpt"), false),
            (Some("gpt"), Some("claude"), false),
            (Some("claude"), Some("gpt"), true),
            (Some("gpt"), None, false),
        ]
    );
    assert!(history.windows(2).all(|pair| pair[0].mark.position < pair[1].mark.position));
}
