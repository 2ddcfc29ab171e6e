//! Event logs that outlive the process. The contract is `tallygate_core::port::event_log`, and one suite checks them all.

pub mod file;
pub mod nats;
