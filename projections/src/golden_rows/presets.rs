//! Samples of presets.

use tallygate_core::conversation::Effort;
use tallygate_core::port::event_log::EventLog as _;
use tallygate_core::registry::RegisterModel;
use tallygate_core::scope::Scope;
use tallygate_core::selection::preset::{Parameters, SavePreset};
use tallygate_core::stream::Log;
use tallygate_core::testing::control_writer::ControlWriter;
use tallygate_core::testing::drive::block_on;
use tallygate_core::testing::memory_log::MemoryLog;
use tallygate_core::testing::samples::{self, id, only};

/// A log of a realm with two presets.
pub(super) fn presets_log() -> MemoryLog {
    let (log, mut writer) = (MemoryLog::new(Log::Control), ControlWriter::new());
    let parameters = Parameters {
        temperature_thousandths: Some(200),
        top_p_thousandths: None,
        max_tokens: Some(4_000),
        reasoning_effort: Some(Effort::Low),
    };
    let save = |preset: &str, parameters| SavePreset {
        scope: Scope::Realm(id("acme")),
        preset: id(preset),
        model: id("gpt"),
        parameters,
    };
    let realm = tallygate_core::realm::RegisterRealm { models: Some(only(["gpt"])), ..samples::register_realm("acme") };
    let batches = [
        writer.command(realm),
        writer.command(RegisterModel {
            realm: id("acme"),
            deployments: vec![samples::new_deployment("gpt-eu")],
            ..samples::register_model(1, "gpt")
        }),
        writer.command(save("careful", parameters)),
        writer.command(save("plain", Parameters::default())),
    ];
    for batch in batches {
        block_on(log.append(batch)).unwrap();
    }
    log
}
