//! Samples of sessions and passwords.

use tallygate_core::port::event_log::EventLog as _;
use tallygate_core::session::{StartSession, With};
use tallygate_core::stream::Log;
use tallygate_core::testing::control_writer::ControlWriter;
use tallygate_core::testing::drive::block_on;
use tallygate_core::testing::memory_log::MemoryLog;
use tallygate_core::testing::samples::{self, id};
use tallygate_core::user::SetPassword;

/// A log of a user who has a password and signed in with it.
pub(super) fn sessions_log() -> MemoryLog {
    let (log, mut writer) = (MemoryLog::new(Log::Control), ControlWriter::new());
    let batches = [
        writer.command(samples::register_user("ada")),
        writer.command(SetPassword { user: id("ada"), password: Some(samples::password("correct horse")) }),
        writer.command(StartSession { with: With::Password(id("ada")), ..samples::start_session(1) }),
    ];
    for batch in batches {
        block_on(log.append(batch)).unwrap();
    }
    log
}
