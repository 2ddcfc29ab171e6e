use super::{DeletePreset, Deleted, PRESETS_MAX, Parameters, SavePreset, Saved};
use crate::grant::ReplaceGrants;
use crate::id::ModelName;
use crate::key::IssueKey;
use crate::model_pattern::Allowed;
use crate::registry::RetireModel;
use crate::scope::Scope;
use crate::selection::{Event, PresetSelected, Rejection, SelectModel, SelectPreset, Selected, UndoSelection, Undone};
use crate::testing::given::given;
use crate::testing::samples::{id, issue_key, key_id, model_id, only};
use crate::testing::world::World;

/// Models `gpt` and `claude` of the realm `default`, the key of number 1, and the realm `acme`, all allowed all.
fn world() -> World {
    World::small().with_model(2, "default", "claude").with_realm("acme", None)
}

fn cool() -> Parameters {
    Parameters { temperature_thousandths: Some(200), max_tokens: Some(50), ..Parameters::default() }
}

fn save(scope: &str, preset: &str, model: &str) -> SavePreset {
    SavePreset { scope: id(scope), preset: id(preset), model: id(model), parameters: cool() }
}

fn saved(scope: &str, preset: &str, model: &str) -> Event {
    Event::PresetSaved(Saved { scope: id(scope), preset: id(preset), model: id(model), parameters: cool() })
}

fn delete(scope: &str, preset: &str) -> DeletePreset {
    DeletePreset { scope: id(scope), preset: id(preset) }
}

fn select(scope: &str, preset: &str) -> SelectPreset {
    SelectPreset { scope: id(scope), slot: id("fast"), preset: id(preset) }
}

fn selected(scope: &str, preset: &str, model: &str) -> Event {
    let (scope, preset, model) = (id(scope), id(preset), id(model));
    Event::PresetSelected(PresetSelected { scope, slot: id("fast"), preset, model, parameters: cool() })
}

fn of_key(number: u128) -> String {
    Scope::Key(key_id(number)).to_string()
}

#[test]
fn a_preset_is_saved_anew_and_deleted_and_the_version_goes_on() {
    given(world())
        .when(save("gateway", "p", "gpt"))
        .then([saved("gateway", "p", "gpt")])
        .then_planned(|planned| assert_eq!(planned[0].recorded.stream.as_str(), "preset-gateway"))
        .when(save("gateway", "p", "gpt"))
        .then_rejected(Rejection::NoChange(Scope::Gateway));
    let twice = || world().with(save("gateway", "p", "gpt"));
    given(twice())
        .when(save("gateway", "p", "claude"))
        .then([saved("gateway", "p", "claude")])
        .when(delete("gateway", "p"))
        .then([Event::PresetDeleted(Deleted { scope: Scope::Gateway, preset: id("p") })])
        .then_state(|control| {
            let row = control.presets.get(&Scope::Gateway).unwrap();
            assert_eq!((row.presets.len(), row.trail.version), (0, 3));
        })
        .when(delete("gateway", "p"))
        .then_rejected(Rejection::UnknownPreset(id("p")));
}

#[test]
fn only_what_could_be_chosen_is_saved_within_bounds() {
    given(world()).when(save("realm:gone", "p", "gpt")).then_rejected(Rejection::UnknownScope(id("realm:gone")));
    given(world()).when(save("gateway", "p", "gone")).then_rejected(Rejection::UnknownModel(id("gone")));
    let closed = world().with(ReplaceGrants { realm: id("acme"), models: Allowed::none() });
    let not_granted = Rejection::NotGranted { scope: id("realm:acme"), model: id("gpt") };
    given(closed).when(save("realm:acme", "p", "gpt")).then_rejected(not_granted);
    let (top_p, none) = (("top_p", "from 0.001 to 1"), Parameters::default());
    for (parameters, (field, expected)) in [
        (Parameters { temperature_thousandths: Some(2_001), ..none }, ("temperature", "from 0 to 2")),
        (Parameters { top_p_thousandths: Some(0), ..none }, top_p),
        (Parameters { top_p_thousandths: Some(1_001), ..none }, top_p),
        (Parameters { max_tokens: Some(0), ..none }, ("max_tokens", "from 1 to 100000000")),
    ] {
        let command = SavePreset { parameters, ..save("gateway", "p", "gpt") };
        given(world()).when(command).then_rejected(Rejection::Parameter { field, expected });
    }
    let mut full = world();
    for number in 0..PRESETS_MAX {
        full = full.with(save("gateway", &number.to_string(), "gpt"));
    }
    given(full.clone()).when(save("gateway", "p", "gpt")).then_rejected(Rejection::TooManyPresets(Scope::Gateway));
    given(full.clone()).when(save("gateway", "7", "claude")).then([saved("gateway", "7", "claude")]);
    given(full).when(save("realm:acme", "p", "gpt")).then([saved("realm:acme", "p", "gpt")]);
}

#[test]
fn the_preset_of_the_nearest_scope_is_chosen_with_its_parameters() {
    let key = of_key(1);
    let world = world().with(save("gateway", "p", "gpt")).with(save("realm:acme", "p", "gpt"));
    given(world.clone()).when(select(&key, "p")).then([selected(&key, "p", "gpt")]);
    let own = world.with(save(&key, "p", "claude"));
    given(own)
        .when(select(&key, "p"))
        .then([selected(&key, "p", "claude")])
        .then_state(|control| {
            let row = control.selections.get(&(id(&of_key(1)), id("fast"))).unwrap();
            assert_eq!((row.parameters, row.preset.clone()), (cool(), Some(id("p"))));
        })
        .when(select(&key, "p"))
        .then_rejected(Rejection::NoChange(id(&key)));
}

#[test]
fn a_preset_of_another_key_or_of_a_model_that_may_not_be_called_is_not_there() {
    let unknown = || Rejection::UnknownPreset(id("p"));
    let others = world().with(issue_key(2)).with(save(&of_key(2), "p", "gpt"));
    given(others).when(select(&of_key(1), "p")).then_rejected(unknown());
    let narrow = world().with(IssueKey { models: only(["claude"]), ..issue_key(2) }).with(save("gateway", "p", "gpt"));
    given(narrow).when(select(&of_key(2), "p")).then_rejected(unknown());
    let withdrawn = world()
        .with(save("realm:acme", "p", "gpt"))
        .with(ReplaceGrants { realm: id("acme"), models: only(["claude"]) });
    let not_granted = Rejection::NotGranted { scope: id("realm:acme"), model: id("gpt") };
    given(withdrawn).when(select("realm:acme", "p")).then_rejected(not_granted);
    let retired = world().with(save("gateway", "p", "gpt")).with(RetireModel { model: model_id(1) });
    given(retired).when(select("gateway", "p")).then_rejected(Rejection::UnknownModel(id("gpt")));
}

#[test]
fn an_undo_goes_back_to_the_parameters_too_and_a_plain_choice_has_none() {
    let plain = SelectModel { scope: Scope::Gateway, slot: id("fast"), model: id("gpt") };
    let undo = || UndoSelection { scope: Scope::Gateway, slot: id("fast") };
    let undone = Event::Undone(Undone { scope: Scope::Gateway, slot: id("fast"), model: Some(id("gpt")) });
    let world = world().with(save("gateway", "p", "gpt")).with(select("gateway", "p")).with(delete("gateway", "p"));
    given(world)
        .when(plain)
        .then([Event::Selected(Selected { scope: Scope::Gateway, slot: id("fast"), model: id("gpt") })])
        .then_state(|control| {
            let row = control.selections.get(&(Scope::Gateway, id("fast"))).unwrap();
            assert!(row.parameters.is_empty() && row.preset.is_none());
        })
        .when(undo())
        .then([undone])
        .then_state(|control| {
            let row = control.selections.get(&(Scope::Gateway, id("fast"))).unwrap();
            assert_eq!((row.parameters, row.preset.clone()), (cool(), Some(id("p"))), "though it is deleted by now");
            assert_eq!(row.model, Some(id::<ModelName>("gpt")));
        });
}
