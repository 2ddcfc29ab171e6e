//! What tests need in place of the outside world: a log in memory, a clock that stands, identifiers that repeat, a
//! small installation to ask things of, and the contract suites that every implementation of a port must pass.
//!
//! Compiled for tests and under the feature `testing`, never into a gateway.

// Values.
pub mod manual_clock;
pub mod seeded_ids;
pub mod samples;

// Rules: given, when, then.
pub mod world;
pub mod given;
pub mod dump;

// Logs.
pub mod drive;
pub mod chain_writer;
pub mod control_writer;
pub mod activity_writer;
pub mod memory_log;
pub mod event_log_contract;

// Money.
pub mod lease_simulation;
