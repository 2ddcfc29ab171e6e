//! Agents have a log of their own, so that the samples of all other tables are as they were.

use tallygate_core::agent::{Configuration, ConfigureAgent, JoinRealm, Manual, ManualKey};
use tallygate_core::port::event_log::EventLog as _;
use tallygate_core::secret::SealedSecret;
use tallygate_core::stream::Log;
use tallygate_core::testing::control_writer::ControlWriter;
use tallygate_core::testing::drive::block_on;
use tallygate_core::testing::memory_log::MemoryLog;
use tallygate_core::testing::samples::{self, id};

/// See the module.
pub(super) fn agents_log() -> MemoryLog {
    let (log, mut writer) = (MemoryLog::new(Log::Control), ControlWriter::new());
    let batches = [
        writer.command(samples::register_realm("acme")),
        writer.command(samples::register_agent("did:acme:1")),
        writer.command(JoinRealm { primary: true, ..samples::join_realm("did:acme:1", "acme", 11) }),
        writer.command(ConfigureAgent { agent: id("did:acme:1"), configuration: manual() }),
    ];
    for batch in batches {
        block_on(log.append(batch)).unwrap();
    }
    log
}

fn manual() -> Configuration {
    let secret = SealedSecret { key_id: "k1".to_owned(), nonce: [7; 24], ciphertext: vec![0, 255, 16] };
    Configuration::Manual(Manual {
        provider: samples::VENDOR.to_owned(),
        model: "gpt-1".to_owned(),
        base_url: Some("https://acme.example".to_owned()),
        key: Some(ManualKey { id: samples::credential_id(2), secret }),
    })
}
