//! Commands about presets.

use proptest::prelude::{Just, Strategy, prop, prop_oneof};

use super::{chooser, name};
use crate::command::Command;
use crate::id::{PresetName, SlotName};
use crate::scope::Scope;
use crate::selection::SelectPreset;
use crate::selection::preset::{DeletePreset, Parameters, SavePreset};
use crate::testing::samples::id;

/// Mostly the one that all others see, so that what is saved is met again.
fn saver() -> impl Strategy<Value = Scope> {
    prop_oneof![4 => Just(Scope::Gateway), 1 => chooser()]
}

fn preset() -> impl Strategy<Value = PresetName> {
    prop::sample::select(&["p", "p", "q"][..]).prop_map(id)
}

pub(super) fn asked(slot: impl Strategy<Value = SlotName>) -> impl Strategy<Value = Command> {
    prop_oneof![
        3 => (saver(), preset(), prop::option::of(0..3_u32), prop_oneof![4 => Just(id("m1")), 1 => name()])
            .prop_map(|(scope, preset, temperature_thousandths, model)| {
                let parameters = Parameters { temperature_thousandths, ..Parameters::default() };
                SavePreset { scope, preset, model, parameters }.into()
            }),
        3 => (saver(), preset()).prop_map(|(scope, preset)| DeletePreset { scope, preset }.into()),
        2 => (chooser(), slot, preset())
            .prop_map(|(scope, slot, preset)| SelectPreset { scope, slot, preset }.into()),
    ]
}
