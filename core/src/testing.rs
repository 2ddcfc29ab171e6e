//! What tests need in place of the outside world: a log in memory, a clock that stands, identifiers that repeat, and
//! the contract suites that every implementation of a port must pass.
//!
//! Compiled for tests and under the feature `testing`, never into a gateway.

pub mod activity_writer;
pub mod chain_writer;
pub mod control_writer;
pub mod drive;
pub mod event_log_contract;
pub mod manual_clock;
pub mod memory_log;
pub mod seeded_ids;
