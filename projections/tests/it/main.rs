//! The views as their users see them: real stores on disk, logs in memory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "all of this is tests: a panic is a failed test"
)]

mod sample;
mod history;
mod raw_log;
mod gateway;

mod convergence;
mod isolation;
mod other_logs;
mod poison;
mod spending;
mod elsewhere;
mod following;
